"""Named working calendars: made, changed and removed, and told in words; whoever counts by one registers that it does.

A change counts from then on for whatever is due, and for what reports tell of the past, as one of the settings does.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.utils.dates import WEEKDAYS
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kit import audit, installation, yamlfiles, zones
from kit.models import User, WorkingCalendar
from kit.slugs import free

MOST_HOLIDAYS = 1000
LONGEST_NAME = 200
LEAST = timedelta(hours=1)  # of a week; whoever looks for what may be due by now looks back as far as that needs
NAMED = 5  # of those who stand in the way of a removal
TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class Refused(ValueError):
    """A calendar that makes no sense; the message says why in the user's words, `field` where."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Use:
    """Something that counts by a calendar: what it is called, and where its page is."""

    name: str
    url: str


class InUse(Refused):
    """What cannot be done to a calendar while something counts by it; `uses` are those."""

    def __init__(self, message: str, uses: Collection[Use], field: str = "") -> None:
        super().__init__(message, field)
        self.uses = uses


class Taken(Refused):
    """Another calendar has the short name."""


Find = Callable[[Collection[str]], Iterable[tuple[str, Use]]]
_finders: list[Find] = []


def used_by(find: Find) -> None:
    """Register what tells who counts by calendars: each of their slugs with one who does. In `AppConfig.ready`."""
    _finders.append(find)


def uses(slugs: Collection[str]) -> dict[str, list[Use]]:
    """Who counts by each of these calendars."""
    found: dict[str, list[Use]] = defaultdict(list)
    for find in _finders:
        for slug, use in find(slugs):
            found[slug].append(use)
    return found


# ---- what is done to them ----


def define(told: Mapping[str, Any], *, by: User | None, now: datetime) -> WorkingCalendar:
    """A new calendar of `name`, `zone`, `hours`, `holidays` and, if it is told, `slug`. Raises Refused."""
    values = _checked(told)
    try:
        with transaction.atomic():
            slug = told.get("slug") or _free_name(values["name"])
            made = WorkingCalendar.objects.create(slug=_short_name(slug), **values)
            audit.record("calendar.create", str(made), by=by, now=now, after=_said(made))
    except IntegrityError:
        raise _taken(slug) from None
    return made


def change(calendar: WorkingCalendar, told: Mapping[str, Any], *, by: User | None, now: datetime) -> bool:
    """Say something else of a calendar; what is not told stays. False when it says that already.

    Raises Refused, and InUse for another short name while something counts by it.
    """
    try:
        with transaction.atomic():
            held = WorkingCalendar.objects.select_for_update().get(pk=calendar.pk)
            before = _said(held)
            values = _checked(before | dict(told))
            slug = _short_name(told.get("slug") or held.slug)
            if slug != held.slug and (using := uses([held.slug])[held.slug]):
                words = _("The short name stays, because stages count by it: %(who)s.") % {"who": _names(using)}
                raise InUse(words, using, "slug")
            if before == values | {"slug": slug}:
                return False
            for name, value in (values | {"slug": slug}).items():
                setattr(held, name, value)
            held.save()
            audit.record("calendar.change", str(held), by=by, now=now, before=before, after=_said(held))
    except IntegrityError:
        raise _taken(slug) from None
    calendar.refresh_from_db()
    return True


@transaction.atomic
def remove(calendar: WorkingCalendar, *, by: User | None, now: datetime) -> None:
    """Remove a calendar by which nothing counts. Raises InUse, which names what does."""
    held = WorkingCalendar.objects.select_for_update().get(pk=calendar.pk)
    if using := uses([held.slug])[held.slug]:
        words = _("“%(name)s” cannot be removed, because stages count by it: %(who)s.")
        raise InUse(words % {"name": held, "who": _names(using)}, using)
    before = _said(held)
    held.delete()
    audit.record("calendar.remove", str(calendar), by=by, now=now, before=before)


def _said(calendar: WorkingCalendar) -> dict[str, Any]:
    """What of a calendar is kept, as the trail tells it."""
    return {name: getattr(calendar, name) for name in ("slug", "name", "zone", "hours", "holidays")}


def _names(using: Collection[Use]) -> str:
    return ", ".join(each.name for each in list(using)[:NAMED]) + (" …" if len(using) > NAMED else "")


def _taken(slug: str) -> Taken:
    return Taken(_("A calendar has the short name “%(slug)s” already.") % {"slug": slug}, "slug")


# ---- what makes sense ----


def _checked(told: Mapping[str, Any]) -> dict[str, Any]:
    """Name, zone, hours and holidays as they are kept. Raises Refused for the first that makes no sense."""
    name = told.get("name")
    if not isinstance(name, str) or not name.strip():
        raise Refused(_("Give the calendar a name."), "name")
    if len(name.strip()) > LONGEST_NAME:
        raise Refused(_("The name is longer than %(most)s letters.") % {"most": LONGEST_NAME}, "name")
    zone = told.get("zone")
    if not isinstance(zone, str) or not is_zone(zone):
        words = _("There is no time zone “%(zone)s”. Write it as Europe/Berlin.") % {"zone": _shown(zone)}
        raise Refused(words, "zone")
    return {
        "name": name.strip(),
        "zone": zone,
        "hours": _checked_hours(told.get("hours")),
        "holidays": _checked_holidays(told.get("holidays") or []),
    }


def is_zone(name: str) -> bool:
    """Whether a calendar can stand in the zone of this name: one of a place, or UTC."""
    return ("/" in name or name == "UTC") and zones.known(name) is not None


def _free_name(name: str) -> str:
    """A short name of the name's letters, that begins with one and is no other calendar's."""
    label = name if re.match("[A-Za-z]", slugify(name)) else f"calendar {name}"
    return free(label, WorkingCalendar.objects.all(), "calendar", kept=yamlfiles.RESERVED)


def _short_name(slug: Any) -> str:
    try:
        yamlfiles.slug(slug, "")
    except yamlfiles.DocumentError as wrong:
        raise Refused(_("“%(slug)s” %(why)s.") % {"slug": _shown(slug), "why": wrong}, "slug") from wrong
    return str(slug)


def _checked_hours(told: Any) -> list[dict[str, Any]]:
    if not isinstance(told, list) or not told:
        raise Refused(_("Nobody ever works by this calendar. Give at least one weekday its hours."), "hours")
    days: dict[int, dict[str, Any]] = {}
    for each in told:
        if not isinstance(each, Mapping) or set(each) != {"weekday", "opens", "closes"}:
            raise Refused(_("Each weekday has “weekday”, “opens” and “closes”, and nothing else."), "hours")
        number = each["weekday"]
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 7:
            raise Refused(_("“%(day)s” is no weekday: Monday is 1, Sunday 7.") % {"day": _shown(number)}, "hours")
        day = {"day": WEEKDAYS[number - 1]}
        if number in days:
            raise Refused(_("%(day)s is there twice: a day opens once and closes once.") % day, "hours")
        opens, closes = _time(each["opens"], day), _time(each["closes"], day, midnight=True)
        if opens >= closes:
            words = _("On %(day)s work ends before it begins. Give a time later on the same day.")
            raise Refused(words % day, "hours")
        days[number] = {"weekday": number, "opens": opens, "closes": closes}
    hours = [days[number] for number in sorted(days)]
    if sum(map(_length, hours), timedelta(0)) < LEAST:
        raise Refused(_("Less than an hour of a week is worked by this calendar. Give it longer hours."), "hours")
    return hours


def _time(told: Any, day: Mapping[str, Any], *, midnight: bool = False) -> str:
    """A time of day as 09:00; 24:00 only where a day may end."""
    if isinstance(told, str) and (TIME.fullmatch(told) or (midnight and told == "24:00")):
        return told
    words = _("“%(text)s” on %(day)s is no time of the day; write it as 09:00.")
    raise Refused(words % {"text": _shown(told), **day}, "hours")


def _length(open_: Mapping[str, Any]) -> timedelta:
    opens, closes = (
        timedelta(hours=int(told[:2]), minutes=int(told[3:])) for told in (open_["opens"], open_["closes"])
    )
    return closes - opens


def _checked_holidays(told: Any) -> list[dict[str, str]]:
    """Kept once for each day, in order."""
    if not isinstance(told, list):
        raise Refused(_("Holidays are a list of days, each with “on” and perhaps “name”."), "holidays")
    days: dict[str, str] = {}
    for each in told:
        if not isinstance(each, Mapping) or "on" not in each or not set(each) <= {"on", "name"}:
            raise Refused(_("Each holiday has “on” and perhaps “name”, and nothing else."), "holidays")
        name = each.get("name", "")
        if not isinstance(name, str) or len(name.strip()) > LONGEST_NAME:
            words = _("The name of a holiday is a text of at most %(most)s letters.") % {"most": LONGEST_NAME}
            raise Refused(words, "holidays")
        days[_day(each["on"])] = name.strip()
    if len(days) > MOST_HOLIDAYS:
        raise Refused(_("At most %(most)s holidays are kept.") % {"most": MOST_HOLIDAYS}, "holidays")
    return [{"on": day, "name": days[day]} for day in sorted(days)]


def _day(told: Any) -> str:
    try:
        yamlfiles.day(told, "")
    except yamlfiles.DocumentError as wrong:
        words = _("“%(text)s” is no day; write it as 2025-12-25.") % {"text": _shown(told)}
        raise Refused(words, "holidays") from wrong
    return date.fromisoformat(told).isoformat()


def _shown(told: Any) -> str:
    return str(told)[:40]


# ---- what is told of them ----


def words(calendar: WorkingCalendar) -> str:
    """When work is done by it: “Monday, Tuesday, 09:00 to 17:00 (Europe/Berlin), less 3 holidays”."""
    by_hours: dict[tuple[str, str], list[int]] = defaultdict(list)
    for each in calendar.hours:
        by_hours[each["opens"], each["closes"]].append(each["weekday"])
    spans = [_span(days, *hours) for hours, days in sorted(by_hours.items(), key=lambda each: each[1])]
    return _in_all("; ".join(spans), calendar.zone, len(calendar.holidays))


def installation_words() -> str:
    """The same of the calendar of the settings."""
    get = installation.get
    span = _span(get("working_days"), get("working_from"), get("working_until"))
    return _in_all(span, get("zone"), len(get("holidays") or []))


def _span(days: Iterable[int], begins: str, ends: str) -> str:
    named = ", ".join(str(WEEKDAYS[number - 1]) for number in days)
    return _("%(days)s, %(begins)s to %(ends)s") % {"days": named, "begins": begins, "ends": ends}


def _in_all(spans: str, zone: str, holidays: int) -> str:
    told = {"hours": spans, "zone": zone, "holidays": holidays}
    if not holidays:
        return f"{spans} ({zone})"
    words = ngettext(
        "%(hours)s (%(zone)s), less %(holidays)s holiday", "%(hours)s (%(zone)s), less %(holidays)s holidays", holidays
    )
    return words % told


def names(slugs: Collection[str]) -> dict[str, str]:
    """What the calendars of these slugs are called, of those that there are."""
    return dict(WorkingCalendar.objects.filter(slug__in=slugs).values_list("slug", "name")) if slugs else {}


def every() -> dict[str, WorkingCalendar]:
    """All calendars by slug, in the order of their names."""
    return {each.slug: each for each in WorkingCalendar.objects.order_by("name", "slug")}


def zone_of(slug: str) -> ZoneInfo | None:
    """The zone of a calendar; None where there is none of this slug."""
    found = WorkingCalendar.objects.filter(slug=slug).values_list("zone", flat=True).first()
    return ZoneInfo(found) if found else None


def as_told() -> dict[str, dict[str, Any]]:
    """What every calendar counts by, by slug."""
    kept = WorkingCalendar.objects.values("slug", "zone", "hours", "holidays")
    return {each["slug"]: dict(each) for each in kept}

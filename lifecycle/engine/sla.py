"""Working calendars as SQL: how long was worked between two instants, and when so many working hours are over.

A calendar is one row of three arrays over the working days of a stretch of time: when each opens, when it closes, and
how many microseconds of work lie before it. An instant's place in it is found by binary search, so that a set of
instants of any size is one statement. Opening hours are local times of the calendar's zone; what lies between them
is real time: a day on which the clocks change within them is an hour longer or shorter. An SLA stage names its calendar
by its slug (`named`), or none: then the installation's counts. Calendars and settings are read within the statement,
one row for each that occurs, so that nobody who moves people asks for them first.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from kit import calendars as kept
from kit import installation, writing
from kit.models import Setting, WorkingCalendar
from kit.sql import Sql, run, sql
from lifecycle.models import Stage

HOUR = 3_600_000_000  # microseconds
SETTINGS = ("zone", "working_days", "working_from", "working_until", "holidays")
SEEN = "working_calendar_seen"  # the setting under which the calendars of the due dates are noted
INSTALLATION = ""  # the name of the calendar of the settings
ARRAYS = Sql("calendar.opens, calendar.closes, calendar.before")
BY_STAGE = Sql("CASE WHEN stage.kind = 'sla' THEN stage.calendar ELSE '' END")  # the name that counts in a `stage`


def calendar(first: Sql, last: Sql, hours: Sql, named: Sql | None = None) -> Sql:
    """The relation of one row for the alias `calendar`: from an instant to so far after another that so many hours of
    work fit in. What it says of instants outside is not meant."""
    defaults = json.dumps({name: installation.DEFAULTS[name] for name in SETTINGS})
    return sql("working_calendar({}, {}, {}, {}, {}::jsonb)", named or Sql("''"), first, last, hours, defaults)


def calendars(of: Sql, *, first: Sql, last: Sql, hours: Sql) -> Sql:
    """A statement of one row for each calendar that a relation of rows names (`named`): the calendar from `first` to so
    far after `last` that `hours` of work fit in, each an aggregate over the rows that name it. No rows, no calendar."""
    return sql(
        """SELECT span.named, calendar.* FROM (
               SELECT named, {} AS first, {} AS last, {} AS hours FROM {} named_rows GROUP BY named
           ) span CROSS JOIN LATERAL {} calendar""",
        first,
        last,
        hours,
        of,
        calendar(Sql("span.first"), Sql("span.last"), Sql("span.hours"), Sql("span.named")),
    )


def calendar_words(stages: Iterable[Stage]) -> list[str]:
    """By which working calendars the limits of these stages count, each in a sentence; none where there is no limit."""
    of = {each: each.calendar for each in stages if each.kind == Stage.Kind.SLA}
    known = {each.slug: each for each in WorkingCalendar.objects.filter(slug__in=set(of.values()) - {INSTALLATION})}
    told = []
    if any(named not in known for named in of.values()):
        told.append(_("Limits count on the working calendar: %(calendar)s.") % {"calendar": kept.installation_words()})
    for slug, found in sorted(known.items(), key=lambda each: (each[1].name, each[0])):
        whose = ", ".join(f"“{stage}”" for stage, named in of.items() if named == slug)
        words = _("Limits of %(stages)s count on the calendar “%(name)s”: %(calendar)s.")
        told.append(words % {"stages": whose, "name": found, "calendar": kept.words(found)})
    return told


def name_calendars(stages: Iterable[Any]) -> None:
    """Tell those of a page's stages that name a calendar what it is called: `calendar_name`, or the slug where there is
    none of it."""
    named = [each for each in stages if each.calendar]
    names = kept.names({each.calendar for each in named})
    for each in named:
        each.calendar_name = names.get(each.calendar, each.calendar)


def due_words(stage: Stage, due_at: datetime) -> str:
    """When something is due in a stage, with the zone: that of the calendar it names, else the reader's."""
    zone = kept.zone_of(stage.calendar) if stage.kind == Stage.Kind.SLA and stage.calendar else None
    with timezone.override(zone or timezone.get_current_timezone()):
        return writing.instant_and_zone(due_at)


def worked(until: Sql) -> Sql:
    """The microseconds worked in the calendar before an instant; two of them differ by what was worked between."""
    return sql("worked_before({}, {})", until, ARRAYS)


def due(since: Sql, hours: Sql) -> Sql:
    """When so many working hours since an instant are over. What would be due when a day opens is due when the one
    before it closes."""
    return sql("working_due({}, {}, {})", since, hours, ARRAYS)


def redate(named: Collection[str] | None = None) -> int:
    """Give every open membership in an SLA stage the due date that today's calendar gives it, or those alone whose
    stage counts by a calendar of these names; how many changed.

    Hand-offs that wait are due with their members.
    """
    changed = _redate_members(Sql("true") if named is None else sql("stage.calendar = ANY ({})", list(named)))
    run(
        Sql(
            """UPDATE lifecycle_handoff held SET due_at = membership.due_at FROM lifecycle_membership membership
               WHERE membership.id = held.membership_id AND held.state = 'offered'
                 AND held.due_at IS DISTINCT FROM membership.due_at"""
        )
    )
    return changed


def _redate_members(which: Sql) -> int:
    return run(
        sql(
            """
            WITH inside AS MATERIALIZED (
                SELECT membership.id, membership.entered_at, stage.limit_hours, stage.calendar AS named
                FROM lifecycle_membership membership JOIN lifecycle_stage stage ON stage.id = membership.stage_id
                WHERE membership.ended_at IS NULL AND stage.kind = 'sla' AND stage.limit_hours > 0 AND {}
            ),
            calendar AS MATERIALIZED ({})
            UPDATE lifecycle_membership membership SET due_at = dated.due_at
            FROM (SELECT inside.id, {} AS due_at FROM inside JOIN calendar USING (named)) dated
            WHERE dated.id = membership.id AND membership.due_at IS DISTINCT FROM dated.due_at
            """,
            which,
            calendars(
                Sql("inside"), first=Sql("min(entered_at)"), last=Sql("max(entered_at)"), hours=Sql("max(limit_hours)")
            ),
            due(Sql("inside.entered_at"), Sql("inside.limit_hours")),
        )
    )


def keep() -> int:
    """When a working calendar was changed since they were last looked at, redate who is in its stages; how many
    memberships changed."""
    told = {INSTALLATION: {name: installation.get(name) for name in SETTINGS}} | kept.as_told()
    with transaction.atomic():
        Setting.objects.get_or_create(key=SEEN, defaults={"value": told})
        seen = Setting.objects.select_for_update().get(key=SEEN)
        if seen.value == told:
            return 0
        changed = redate({name for name in told if seen.value.get(name) != told[name]})
        seen.value = told
        seen.save()
    return changed

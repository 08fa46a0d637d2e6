"""A question as an address, and an address as a question: every figure's link, and what the pages read back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from kit import past
from lifecycle.models import Lifecycle
from reporting import flows, metrics, splits, windows
from reporting.metrics import balance
from reporting.metrics.cohort_conversion import Order
from reporting.metrics.metric import FIGURE, Metric
from reporting.offers import Speed
from reporting.plans import Direction, Place, Plan
from reporting.questions import Question, ask
from reporting.splits import Split
from reporting.windows import Window

WITHIN = (7, 14, 30, 60, 90, 180, 365)
LONGEST_WITHIN = 3650
# What an address of a figure may say; everything else on its page belongs to the list.
PARAMETERS = (
    "lifecycle", "window", "was", "from", "to", "within", "split", "bucket", "bucket_empty",
    "metric", "part", "stage", "target", "order", "moment", "direction", "reason", "reason_empty", "detour", "speed",
    "known", "channel", "channel_empty", "owner", "owner_empty", *past.PARAMETERS,
)  # fmt: skip


class NotAsked(ValueError):
    """The address names no figure; the message says what is missing, in the user's words."""


@dataclass(frozen=True)
class Asked:
    """What an address asks of a lifecycle, the window's name if it is one of the presets, and what was left out."""

    question: Question
    preset: str
    notes: tuple[str, ...] = ()
    first: date | None = None  # the day of the lifecycle's first move


@dataclass(frozen=True)
class Figure:
    """One figure of one question, or one part of it."""

    question: Question
    metric: Metric
    part: str = FIGURE


@dataclass
class _Reading:
    """An address while it is read: texts without what no database takes, and the notes so far."""

    given: Mapping[str, str]
    notes: list[str] = field(default_factory=list)

    def text(self, name: str) -> str:
        return self.given.get(name, "").replace("\x00", "").strip()


def choose(given: Mapping[str, str], lifecycles: list[Lifecycle]) -> tuple[Lifecycle, tuple[str, ...]]:
    """The lifecycle that an address names, or the first, with a note when there is none of that name."""
    slug = _Reading(given).text("lifecycle")
    for lifecycle in lifecycles:
        if lifecycle.slug == slug:
            return lifecycle, ()
    if not slug:
        return lifecycles[0], ()
    note = _("There is no published lifecycle “%(slug)s”; this is “%(shown)s”.")
    return lifecycles[0], (note % {"slug": slug[:64], "shown": lifecycles[0]},)


def read(given: Mapping[str, str], plan: Plan, today: date, now: datetime | None = None) -> Asked:
    """The question of a page. Never fails: what is not understood is left out, and a note says so."""
    reading = _Reading(given)
    first = flows.first_day(plan.lifecycle.pk) or today
    then, note = past.read(given, now) if now else (None, "")
    reading.notes += [note] if note else []
    wish = windows.wish(
        {name: reading.text(name) for name in ("window", "was", "from", "to")},
        first=first,
        today=then.day - timedelta(days=1) if then else today,
    )
    if then is None:
        question = ask(
            plan, wish.window, today,
            within=_within(reading), split=_split(reading, plan), now=now, known=_known(reading),
        )  # fmt: skip
        return Asked(question, wish.preset, (*wish.notes, *reading.notes), first)
    question = ask(
        plan, _until(wish.window, then.day, reading), then.day, within=_within(reading), split=_split(reading, plan),
        now=then.at, known=then.day if then.then else None, past=then.day,
    )  # fmt: skip
    return Asked(question, wish.preset, (*wish.notes, *reading.notes), first)


def _until(window: Window, day: date, reading: _Reading) -> Window:
    """The window as far as it was over when a day began."""
    if window.end <= day:
        return window
    if window.start < day:
        return Window(window.start, day)
    reading.notes.append(_("The time span had not begun by then; this is the day before."))
    return Window(day - timedelta(days=1), day)


def read_figure(
    given: Mapping[str, str], plan: Plan, today: date, now: datetime | None = None
) -> tuple[Figure, tuple[str, ...]]:
    """The figure that an address names, with notes. Raises NotAsked for one that there is not."""
    reading = _Reading(given)
    asked = read(given, plan, today, now)
    metric = metrics.ALL.get(reading.text("metric"))
    if metric is None:
        raise NotAsked(_("There is no figure called “%(name)s”.") % {"name": reading.text("metric")[:40]})
    part = reading.text("part") or FIGURE
    if part != FIGURE and part not in metric.parts:
        raise NotAsked(_("“%(metric)s” has no part “%(part)s”.") % {"metric": metric.label, "part": part[:40]})
    question = asked.question.about(
        stage=_stage(reading, plan, "stage"),
        target=_stage(reading, plan, "target"),
        order=_one_of(reading, "order", Order.values),
        moment=_one_of(reading, "moment", [balance.START, balance.END]),
        directions=tuple(Direction(name) for name in [_one_of(reading, "direction", Direction.values)] if name),
        bucket=_bucket(reading, asked.question.split),
        reason=reason(given),
        channel=channel(given),
        detour=_stage(reading, plan, "detour"),
        speed=_one_of(reading, "speed", Speed.values),
        owner=_owner(reading),
    )
    _refuse_incomplete(metric, question)
    return Figure(question, metric, part), (*asked.notes, *reading.notes)


def people(question: Question, metric: str, part: str = FIGURE) -> str:
    """The address of the people behind a figure. Its window is in days, so that it means the same tomorrow."""
    given = {
        "metric": metric,
        "part": part if part != FIGURE else "",
        **_base(question),
        "stage": question.stage,
        "target": question.target,
        "order": question.order,
        "moment": question.moment,
        "direction": "".join(question.directions[:1]),
        "reason": question.reason or "",
        "reason_empty": "1" if question.reason == "" else "",
        "detour": question.detour,
        "speed": question.speed,
        "channel": question.channel or "",
        "channel_empty": "1" if question.channel == "" else "",
        "owner": question.owner or "",
        "owner_empty": "1" if question.owner == "" else "",
    }
    if question.split and question.bucket is not None:
        # An empty value would be lost from an address, and "(empty)" may be somebody's word.
        given |= {"bucket": question.bucket} if question.bucket else {"bucket_empty": "1"}
    else:
        given.pop("split", None)
    return f"{reverse('report_people')}?{urlencode({name: value for name, value in given.items() if value})}"


def page(name: str, question: Question, **more: str) -> str:
    """The address of a report's page that asks this question; `more` is what only that page understands."""
    return f"{reverse(name)}?{urlencode({n: v for n, v in (_base(question) | more).items() if v})}"


def stage_of(given: Mapping[str, str], places: Sequence[Place]) -> tuple[Place, tuple[str, ...]]:
    """The stage that an address names, of those that a page offers; else the first, with a note if it named another."""
    slug = _Reading(given).text("stage")
    for place in places:
        if place.slug == slug:
            return place, ()
    if not slug:
        return places[0], ()
    note = _("There is no stage “%(slug)s” to choose here; this is “%(shown)s”.")
    return places[0], (note % {"slug": slug[:64], "shown": places[0].name},)


def _base(question: Question) -> dict[str, str]:
    return {
        "lifecycle": question.plan.lifecycle.slug,
        "from": question.window.start.isoformat(),
        "to": question.window.end.isoformat(),
        "within": str(question.within) if question.within is not None else "",
        "split": question.split.name if question.split else "",
        **_clocks(question),
    }


def _clocks(question: Question) -> dict[str, str]:
    """The past day of a question, or by when it had to be known."""
    if question.past:
        return past.Past(question.past, bool(question.known)).query
    return {"known": question.known.isoformat()} if question.known else {}


def _within(reading: _Reading) -> int | None:
    text = reading.text("within")
    if not text:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= LONGEST_WITHIN:
        return int(text)
    reading.notes.append(
        _("“%(text)s” is no number of days from 1 to %(most)s; any time counts.")
        % {"text": text[:40], "most": LONGEST_WITHIN}
    )
    return None


def _known(reading: _Reading) -> date | None:
    text = reading.text("known")
    if not text:
        return None
    try:
        return windows.day(text)
    except ValueError as wrong:
        reading.notes.append(str(wrong))
        return None


def _split(reading: _Reading, plan: Plan) -> Split | None:
    name = reading.text("split")
    if not name:
        return None
    try:
        return splits.find(name, plan.lifecycle.of)
    except splits.UnknownSplit as unknown:
        reading.notes.append(str(unknown))
        return None


def _bucket(reading: _Reading, split: Split | None) -> str | None:
    if split is None:
        return None
    if reading.text("bucket_empty"):
        return splits.EMPTY
    # Not stripped: a value may begin with a blank, and the database compares all of it.
    return reading.given.get("bucket", "").replace("\x00", "") or None


def reason(given: Mapping[str, str]) -> str | None:
    """The reason to which an address narrows; empty for moves that give none, None for all."""
    if given.get("reason_empty"):
        return ""
    return given.get("reason", "").replace("\x00", "") or None


def channel(given: Mapping[str, str]) -> str | None:
    """The channel of entry to which an address narrows; empty for members of whom none is known, None for all."""
    if given.get("channel_empty"):
        return ""
    return given.get("channel", "").replace("\x00", "") or None


def _owner(reading: _Reading) -> str | None:
    """The user to whose subjects an address narrows; empty for those of nobody, None for all."""
    if reading.text("owner_empty"):
        return ""
    told = reading.text("owner")
    if told and not re.fullmatch(r"[0-9]{1,18}", told, re.ASCII):
        raise NotAsked(_("“%(text)s” is no user’s number.") % {"text": told[:40]})
    return told or None


def _stage(reading: _Reading, plan: Plan, name: str) -> str:
    slug = reading.text(name)
    if slug and slug not in plan:
        known = ", ".join(place.slug for place in plan.places)
        raise NotAsked(
            _("“%(lifecycle)s” has no stage “%(slug)s”. It has: %(known)s.")
            % {"lifecycle": plan.lifecycle, "slug": slug[:64], "known": known}
        )
    return slug


def _one_of(reading: _Reading, name: str, known: list[str]) -> str:
    text = reading.text(name)
    if text and text not in known:
        raise NotAsked(
            _("“%(text)s” is not understood here; there are: %(known)s.")
            % {"text": text[:40], "known": ", ".join(known)}
        )
    return text


def _refuse_incomplete(metric: Metric, question: Question) -> None:
    words = {"stage": _("a stage"), "target": _("a target stage"), "moment": _("start or end of the time span")}
    for need in metric.needs:
        if not getattr(question, need):
            raise NotAsked(_("“%(metric)s” needs %(what)s.") % {"metric": metric.label, "what": words[need]})
    if metric.name == "cohort_conversion":
        _refuse_backwards(question)


def _refuse_backwards(question: Question) -> None:
    plan = question.plan
    if question.order == Order.ANY:
        possible = plan.place(question.target).position > 0
    elif not question.stage:
        raise NotAsked(_("“Cohort conversion” needs a stage to start from."))
    else:
        possible = 0 < plan.place(question.stage).position <= plan.place(question.target).position
    if not possible:
        raise NotAsked(_("A conversion goes along the success path, from a stage to a later one."))

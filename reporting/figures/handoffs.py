"""The figures of hand-offs as their page shows them."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kit import calendars, writing
from kit.statistics import Counts
from lifecycle.models import Handoff
from reporting import addresses
from reporting.figures import NOTHING, SHOWN_BUCKETS, Figure, Line, Table, counted, share
from reporting.figures.sheet import Remark, Section, Sheet
from reporting.handoffs import Body, HandOffs, Receiver
from reporting.metrics import acceptance, accepted_so_fast, attainment
from reporting.offers import Outcome
from reporting.plans import Place
from reporting.questions import Question

METRICS = ("acceptance", "attainment", "time_to_accept", "accepted_so_fast")


def sheet(answer: HandOffs) -> Sheet:
    """The whole page."""
    question, body = answer.question.about(split=None), answer.everybody
    plan = question.plan
    names = {"stage": plan.label(question.stage), "window": question.window}
    if not body.offered and not body.met + body.missed + body.coming:
        return Sheet(
            (), (), metrics=METRICS, empty_title=_("Nobody was handed over in this time span"),
            empty_text=_("Nobody came into “%(stage)s” (%(window)s). Choose a longer time span.") % names,
        )  # fmt: skip
    return Sheet(_headline(question, body), _sections(answer), _remarks(question, body), METRICS)


def _headline(question: Question, body: Body) -> list[tuple[str, Figure]]:
    return [
        (_("Offered"), counted(question, "acceptance", body.offered, acceptance.OFFERED)),
        (_("Accepted"), share(question, "acceptance", body.acceptance)),
        (_("SLA attainment"), share(question, "attainment", body.attainment)),
        (_("Median days to accept"), _days(question, body.hours, body.hours.median, spread=True)),
        (_("Past due now"), counted(question, "attainment", body.late, attainment.LATE)),
    ]


def _remarks(question: Question, body: Body) -> list[Remark]:
    other = body.outcomes[Outcome.OTHERWISE]
    if not other:
        return []
    figure = counted(question, "acceptance", other, acceptance.OTHERWISE)
    return [(figure, _("offers ended otherwise: undone, merged, erased or carried into a new version."))]


def _on_calendar(place: Place) -> str:
    """By which calendar a limit counts that has one of its own."""
    if not place.calendar:
        return ""
    name = calendars.names({place.calendar}).get(place.calendar, place.calendar)
    return " " + _("They count on the calendar “%(name)s”.") % {"name": name}


def _sections(answer: HandOffs) -> list[Section]:
    question = answer.question.about(split=None)
    plan, window = question.plan, question.window
    limit = plan.place(question.stage).limit_hours
    names = {
        "stage": plan.label(question.stage), "next": _next(question), "target": plan.label(question.target),
        "window": window, "hours": limit,
    }  # fmt: skip
    sections = [
        Section(
            "outcomes",
            _("What became of the offers"),
            _("Everybody who came into “%(stage)s” in the time span (%(window)s), by what came next.") % names,
            _outcomes(answer),
        ),
        Section(
            "deadlines",
            _("In time"),
            ngettext(
                "Deadlines that fall in the time span (%(window)s): %(hours)s working hour after the offer.",
                "Deadlines that fall in the time span (%(window)s): %(hours)s working hours after the offer.",
                limit,
            )
            % names
            + _on_calendar(plan.place(question.stage)),
            _deadlines(answer),
        ),
        Section(
            "speed",
            _("Does it pay to be quick?"),
            _("The accepted by how soon they were, and how many of them went on to “%(target)s”.") % names,
            _by_speed(answer) if answer.everybody.outcomes[Outcome.ACCEPTED] else None,
            _("None of the offers was accepted yet."),
        ),
        Section(
            "reasons",
            _("Rejected because"),
            _("The reason of the move that sent them back, as it was given."),
            _reasons(answer) if answer.rejected else None,
            _("Nobody was rejected by hand, import or API."),
        ),
    ]
    if answer.owners:
        sections.insert(
            2,
            Section(
                "owners",
                _("Whose they were"),
                _("By the owner of each when they came into “%(stage)s”; of somebody without one the account’s.")
                % names,
                _by_owner(answer),
            ),
        )
    if answer.receivers:
        sections.append(
            Section(
                "receivers",
                _("Who had them"),
                _("The offers made here in the time span (%(window)s), by receiver. One passed on counts twice.")
                % names,
                _by_receiver(answer),
            )
        )
    return sections


def _by_owner(answer: HandOffs) -> Table:
    heads = [
        _("Owner"), _("Offered"), _("Accepted"), _("Deadlines"), _("Met"), _("Attainment"), _("Missed"), _("Past due"),
        _("Yet to come"),
    ]  # fmt: skip
    question = answer.question.about(split=None)

    def draw(narrowed: Question, body: Body) -> list[Figure]:
        return [
            counted(narrowed, "acceptance", body.offered, acceptance.OFFERED),
            counted(narrowed, "acceptance", body.outcomes[Outcome.ACCEPTED]),
            *_deadline_line(narrowed, body),
        ]

    lines = [
        Line(each.name or _("(nobody)"), draw(question.about(owner=each.user), each.body))
        for each in answer.owners[:SHOWN_BUCKETS]
    ]
    whole = Line(_("Everybody"), draw(question, answer.everybody))
    return Table(heads, lines, whole, max(len(answer.owners) - SHOWN_BUCKETS, 0))


def _by_receiver(answer: HandOffs) -> Table:
    State = Handoff.State
    columns = (
        ("any", _("Offers")), (State.ACCEPTED, _("Accepted")), (State.REJECTED, _("Rejected")),
        (State.NOT_NOW, _("Not now")), (State.PASSED_ON, _("Passed on")), (State.EXPIRED, _("Expired")),
        (State.OFFERED, _("Waiting")), ("met", _("Met")), ("missed", _("Missed")), ("late", _("Past due")),
    )  # fmt: skip
    lines = [
        Line(
            each.name or each.team or _("(nobody)"),
            [_offers(answer.question, each, str(state)) for state, _label in columns],
            each.team if each.name else "",
        )
        for each in answer.receivers
    ]
    return Table([_("Receiver"), *(label for _state, label in columns)], lines)


def _offers(question: Question, receiver: Receiver, state: str) -> Figure:
    """How many, with the door to the queue that lists them."""
    clocks = {"any": receiver.offered, "met": receiver.met, "missed": receiver.missed, "late": receiver.late}
    count = clocks[state] if state in clocks else receiver.states.get(state, 0)
    asked = {
        "whose": "all", "state": "" if state == Handoff.State.OFFERED else state,
        "user": receiver.user_id or "null", "team": receiver.team_id or "null",
        "stage": f"{question.plan.lifecycle.slug}:{question.stage}",
        "since": question.window.start.isoformat(), "before": question.window.end.isoformat(),
    }  # fmt: skip
    url = f"{reverse('handoffs')}?{urlencode({name: told for name, told in asked.items() if told})}"
    return Figure(writing.number(count), "", count, url if count else "", value=count)


def _next(question: Question) -> str:
    onward = question.plan.next(question.stage)
    return onward.name if onward else ""


def _heads(answer: HandOffs, *heads: str) -> list[str]:
    split = answer.question.split
    return [split.label if split else _("Hand-off"), *heads]


def _lines(answer: HandOffs, draw: Any, *, all_of_them: bool = False) -> tuple[list[Line], Line | None, int]:
    """A line per bucket and the sum; where nobody is parted one line for all."""
    question = answer.question
    whole = Line(_("Everybody"), draw(question.about(split=None), answer.everybody))
    if question.split is None:
        return [whole], None, 0
    shown = answer.buckets if all_of_them else answer.buckets[:SHOWN_BUCKETS]
    lines = [Line(question.split.called(value), draw(question.about(bucket=value), body)) for value, body in shown]
    return lines, whole, len(answer.buckets) - len(shown)


def _outcomes(answer: HandOffs) -> Table:
    target = answer.question.plan.label(answer.question.target)
    heads = _heads(
        answer, _("Offered"), _("Accepted"), _("Acceptance"), _("Median days"), _("p90"),
        _("Of the accepted on to “%(target)s”") % {"target": target}, _("Rejected"), _("Expired"), _("Waiting"),
    )  # fmt: skip
    return Table(heads, *_lines(answer, _outcome_line))


def _outcome_line(question: Question, body: Body) -> list[Figure]:
    return [
        counted(question, "acceptance", body.offered, acceptance.OFFERED),
        counted(question, "acceptance", body.outcomes[Outcome.ACCEPTED]),
        share(question, "acceptance", body.acceptance),
        _days(question, body.hours, body.hours.median),
        _days(question, body.hours, body.hours.p90),
        counted(question, "accepted_so_fast", body.reached),
        counted(question, "acceptance", body.outcomes[Outcome.REJECTED], acceptance.REJECTED),
        counted(question, "acceptance", body.outcomes[Outcome.EXPIRED], acceptance.EXPIRED),
        counted(question, "acceptance", body.outcomes[Outcome.WAITING], acceptance.WAITING),
    ]


def _deadlines(answer: HandOffs) -> Table:
    heads = _heads(answer, _("Deadlines"), _("Met"), _("Attainment"), _("Missed"), _("Past due"), _("Yet to come"))
    return Table(heads, *_lines(answer, _deadline_line))


def _deadline_line(question: Question, body: Body) -> list[Figure]:
    name = "attainment"
    return [
        counted(question, name, body.met + body.missed, attainment.DEADLINES),
        counted(question, name, body.met),
        share(question, name, body.attainment),
        counted(question, name, body.missed, attainment.MISSED),
        counted(question, name, body.late, attainment.LATE),
        counted(question, name, body.coming, attainment.COMING),
    ]


def _by_speed(answer: HandOffs) -> Table:
    question, name = answer.question.about(split=None), "accepted_so_fast"
    target = question.plan.label(question.target)
    heads = [_("Accepted"), _("Offers"), _("On to “%(target)s”") % {"target": target}, _("Conversion")]
    lines = []
    for speed, told in answer.by_speed.items():
        of = question.about(speed=speed.value)
        base = counted(of, name, told.of, accepted_so_fast.BASE)
        lines.append(Line(str(speed.label), [base, counted(of, name, told.hits), share(of, name, told)]))
    return Table(heads, lines)


def _reasons(answer: HandOffs) -> Table:
    question = answer.question.about(split=None)
    total = sum(count for _reason, count in answer.rejected)
    lines = []
    for reason, count in answer.rejected[:SHOWN_BUCKETS]:
        figure = counted(question.about(reason=reason), "acceptance", count, acceptance.REJECTED)
        lines.append(Line(reason or _("(no reason given)"), [figure, Figure(writing.percent(count / total))]))
    heads = [_("Reason"), _("Rejected"), _("Share")]
    whole = Line(_("All reasons"), [counted(question, "acceptance", total, acceptance.REJECTED), NOTHING])
    return Table(heads, lines, whole, max(len(answer.rejected) - SHOWN_BUCKETS, 0))


def _days(question: Question, hours: Counts, value: float | None, *, spread: bool = False) -> Figure:
    """Hours as days of 24, with the door to the accepted offers."""
    if value is None:
        return NOTHING
    note = _("of %(n)s") % {"n": writing.number(hours.count)}
    if spread:
        p90 = writing.number((hours.p90 or 0) / 24, 1)
        note = _("of %(n)s; p90 %(p90)s") % {"n": writing.number(hours.count), "p90": p90}
    url = addresses.people(question, "time_to_accept")
    return Figure(writing.number(value / 24, 1), "time_to_accept", hours.count, url, note, value / 24)


# ---- the file ----


def as_rows(answer: HandOffs) -> tuple[list[str], list[list[Any]]]:
    """The hand-offs for a spreadsheet: a line for everybody and for each bucket, in plain numbers."""
    heads = [
        _("Part"), _("Offered"), _("Accepted"), _("Rejected"), _("Expired"), _("Ended otherwise"), _("Waiting"),
        _("Median days to accept"), _("p90"), _("Of the accepted on to the next"), _("Met"), _("Missed"), _("Past due"),
        _("Deadlines yet to come"),
    ]  # fmt: skip
    split = answer.question.split
    parts = [(_("Everybody"), answer.everybody)]
    parts += [(split.called(value), body) for value, body in answer.buckets] if split else []
    return heads, [_plain(label, body) for label, body in parts]


def _plain(label: str, body: Body) -> list[Any]:
    of, hours = body.outcomes, body.hours
    days = [None if value is None else round(value / 24, 2) for value in (hours.median, hours.p90)]
    return [
        label, body.offered, of[Outcome.ACCEPTED], of[Outcome.REJECTED], of[Outcome.EXPIRED], of[Outcome.OTHERWISE],
        of[Outcome.WAITING], *days, body.reached, body.met, body.missed, body.late, body.coming,
    ]  # fmt: skip

"""The figures of partners as their page shows them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kit import money, writing
from reporting.figures import NOTHING, Figure, Line, Table, in_days
from reporting.figures import counted as counted_moves
from reporting.figures import days as days_of
from reporting.figures.money import counted, people, plain, share
from reporting.figures.sheet import Section, Sheet
from reporting.metrics import first_deal, partner_wins, registration_conflicts
from reporting.metrics.balance import END
from reporting.metrics.stalled import QUIET
from reporting.partners import Group, Partners
from reporting.plans import Place

METRICS = ("partner_wins", "first_deal", "registration_conflicts", "balance", "age", "stalled")
WINS, FIRST, CONFLICTS = METRICS[:3]


def sheet(answer: Partners) -> Sheet:
    """The whole page."""
    return Sheet(_headline(answer), _sections(answer), _remarks(answer), METRICS, footnotes=answer.converted.words())


def _headline(answer: Partners) -> list[tuple[str, Figure]]:
    question, everybody = answer.question, answer.groups[first_deal.ALL]
    return [
        (_("Sourced by partners"), _credit(answer, partner_wins.SOURCED)),
        (_("Influenced by partners"), _credit(answer, partner_wins.INFLUENCED)),
        (
            _("Share of the top three"),
            share(question, WINS, partner_wins.TOP, answer.top) if answer.top.of else NOTHING,
        ),
        (_("Days from approval to first deal"), _days(answer, everybody, first_deal.DEAL)),
        (_("Stalled"), counted_moves(answer.of, "stalled", sum(answer.stuck.values()))),
    ]


def _remarks(answer: Partners) -> list[tuple[Figure, str]]:
    if not answer.conflicts:
        return []
    words = ngettext(
        "deal was registered by more than one partner.",
        "deals were registered by more than one partner.",
        answer.conflicts,
    )
    sums = {registration_conflicts.ALL: (answer.conflicts, 0)}
    return [(counted(answer.question, CONFLICTS, registration_conflicts.ALL, sums), words)]


def _sections(answer: Partners) -> list[Section]:
    window, approved = answer.question.window, answer.groups[first_deal.ALL].with_deal.of
    stages = _stages(answer)
    return [
        Section(
            "stages",
            _("Where they stand"),
            _("At the end of the time span (%(window)s). Stalled: no sign of life for %(days)s days.")
            % {"window": window, "days": QUIET},
            stages if stages.lines else None,
            _("No partner was in a stage then."),
        ),
        Section(
            "wins",
            _("What they brought"),
            _("Deals won in the time span (%(window)s), by what a partner had to do with them.") % {"window": window},
            _wins(answer) if answer.wins[partner_wins.WON][0] else None,
            _("No deal was won in this time span."),
        ),
        Section(
            "first",
            _("What successful partners did"),
            _(
                "Certified within %(certified)s days of approval and on a joint call within %(call)s, against all "
                "others that are certified; of those approved before the time span ended."
            )
            % {"certified": first_deal.CERTIFIED_WITHIN, "call": first_deal.CALL_WITHIN},
            _first(answer) if approved else None,
            _("No partner was approved before the time span ended. An approval is told by the application, or a file."),
        ),
    ]


def _stages(answer: Partners) -> Table:
    heads = [_("Stage"), _("Partners"), _("Median days so far"), _("Stalled")]
    return Table(heads, [_stage(answer, place) for place in answer.of.plan.places if place.slug in answer.ages])


def _stage(answer: Partners, place: Place) -> Line:
    question, ages = answer.of.about(stage=place.slug), answer.ages[place.slug]
    stuck = answer.stuck.get(place.slug, 0)
    figures = [
        counted_moves(question.about(moment=END), "balance", ages.count),
        days_of(question, "age", ages, ages.median),
        counted_moves(question, "stalled", stuck) if stuck else NOTHING,
    ]
    return Line(place.name, figures)


def _credit(answer: Partners, part: str) -> Figure:
    told = answer.of_won(part)
    return share(answer.question, WINS, part, told) if told.of else NOTHING


def _wins(answer: Partners) -> Table:
    currency = answer.question.currency
    parts = {
        partner_wins.SOURCED: _("Sourced"),
        partner_wins.TOP: _("of these by the top three"),
        partner_wins.INFLUENCED: _("Influenced"),
        partner_wins.NEITHER: _("Neither"),
    }

    def figures(part: str) -> list[Figure]:
        count, amount = answer.wins[part]
        door = people(answer.question, WINS, part)
        return [
            counted(answer.question, WINS, part, dict(answer.wins)),
            _credit(answer, part),
            Figure(plain(amount, currency), WINS, count, door, value=amount),
        ]

    whole = Line(_("All won"), figures(partner_wins.WON))
    heads = [_("Part"), _("Deals"), _("Share of wins"), currency]
    return Table(heads, [Line(label, figures(part)) for part, label in parts.items()], whole)


def _first(answer: Partners) -> Table:
    heads = [
        _("Partners"), _("Number"), _("With a deal"), _("Median days to it"), _("Half have one within"),
    ]  # fmt: skip
    lines = [
        _group(answer, _("Certified and on a call in time"), first_deal.QUICK, first_deal.QUICK_DEAL),
        _group(answer, _("Other certified ones"), first_deal.OTHERS, first_deal.OTHERS_DEAL),
        _group(answer, _("Too early to say"), first_deal.EARLY, first_deal.EARLY_DEAL),
    ]
    return Table(heads, lines, _group(answer, _("All approved"), first_deal.ALL, first_deal.DEAL))


def _group(answer: Partners, label: str, part: str, with_deal: str) -> Line:
    group, question = answer.groups[part], answer.question
    return Line(
        label,
        [
            counted(question, FIRST, part, {part: (group.with_deal.of, 0)}),
            share(question, FIRST, with_deal, group.with_deal) if group.with_deal.of else NOTHING,
            _days(answer, group, with_deal),
            _half(answer, group, part),
        ],
    )


def _days(answer: Partners, group: Group, with_deal: str) -> Figure:
    """The median of those with a deal, and how many they are."""
    median = group.days.median
    if median is None:
        return NOTHING
    count = group.days.count
    note = _("of %(n)s") % {"n": writing.number(count)}
    return Figure(in_days(median), FIRST, count, people(answer.question, FIRST, with_deal), note, median)


def _half(answer: Partners, group: Group, part: str) -> Figure:
    """Within how many days half have a deal, those included who have none yet."""
    count = group.with_deal.of
    if not count:
        return NOTHING
    within = group.half_within
    text = _("not reached") if within is None else _("%(days)s days") % {"days": in_days(within)}
    return Figure(text, FIRST, count, people(answer.question, FIRST, part), value=within)


# ---- the file ----


def as_rows(answer: Partners) -> tuple[list[str], list[list[Any]]]:
    """All of it for a spreadsheet: what is told, of what, how many, and days or money."""
    heads = [
        _("What"),
        _("Of"),
        _("Number"),
        _("Median days"),
        _("Stalled"),
        _("With a deal"),
        answer.question.currency,
    ]
    lines: list[list[Any]] = []
    for place in answer.of.plan.places:
        if ages := answer.ages.get(place.slug):
            lines.append([_("Stage"), place.name, ages.count, ages.median, answer.stuck.get(place.slug, 0), "", ""])
    for part in partner_wins.METRIC.parts:
        count, amount = answer.wins[part]
        lines.append(
            [
                _("Wins"),
                str(partner_wins.METRIC.parts[part].label),
                count,
                "",
                "",
                "",
                money.major(amount, answer.question.currency),
            ]
        )
    for part, group in answer.groups.items():
        label = str(first_deal.METRIC.parts[part].label)
        lines.append([_("First deal"), label, group.with_deal.of, group.days.median, "", group.with_deal.hits, ""])
    return heads, lines

"""The figures of lift as its pages show them: of all campaigns side by side, and of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.models import Content
from kit import writing
from kit.statistics import Interval
from reporting import campaigns as asking
from reporting import lift as lifts
from reporting.figures import NOTHING, Figure, Line, Table, interval
from reporting.figures.money import plain
from reporting.figures.sheet import Remark, Section, Sheet
from reporting.lift import Gain, Lift
from reporting.metrics import lift as metric
from reporting.metrics import lift_in_money
from reporting.metrics.lift import ASSIGNED, HELD, MATURE, REACHED, TREATED, UNFINISHED

NAME = metric.METRIC.name
MONEY = lift_in_money.METRIC.name
METRICS = (NAME,)
NARROWEST = 0.05  # of the scale: five points to either side of nothing


def counted(answer: Lift, group: str, state: str) -> Figure:
    """How many of a group are in a state."""
    return _counted(answer, metric.part_of(group, state))


def rate(answer: Lift, group: str) -> Figure:
    """The share of a group that came to the outcome; with few the interval comes first."""
    share = answer.share(group)
    if not share.of:
        return NOTHING
    url = asking.people(answer.question.campaign, NAME, metric.part_of(group, REACHED))
    base = _("%(hits)s of %(of)s") % {"hits": writing.number(share.hits), "of": writing.number(share.of)}
    text, note = writing.percent(share.rate), base
    if share.few:
        text, note = interval(share), _("few: %(rate)s, %(base)s") % {"rate": text, "base": base}
    return Figure(text, NAME, share.hits, url, note, share.rate, of=share.of, interval=share.interval)


def difference(answer: Lift, *, url: str = "") -> Figure:
    """The lift in points with its interval; with few in a group the interval comes first. Words where there is none."""
    found = answer.difference
    if not answer.can_be_told or found.value is None or found.interval is None:
        return Figure(writing.NOTHING, NAME, url=url, note=untold(answer))
    text, span = _("%(points)s points") % {"points": signed(found.value)}, _span(found.interval)
    note = _("%(span)s, 95 %%") % {"span": span}
    if found.few:
        text, note = span, _("few: %(points)s") % {"points": text}
    return Figure(text, NAME, None, url, note, found.value, _tone(found.interval), interval=found.interval)


def signed(value: float) -> str:
    """A difference of shares in points, with its sign: +11.0."""
    text = writing.number(value * 100, 1)
    return text if value < 0 else f"+{text}"


def untold(answer: Lift) -> str:
    """Why there is no lift to show; “” where there is."""
    if answer.question.obstacle:
        return answer.question.obstacle
    if not answer.has_holdout:
        return _("no holdout: no lift can be shown")
    if answer.can_be_told:
        return ""
    if not answer.count(TREATED, ASSIGNED):
        return _("everybody was held out")
    first = lifts.told_from(answer.question)
    return _("nobody's days are over before %(day)s") % {"day": writing.day(first)}


def in_a_sentence(answer: Lift) -> str:
    """What was found, as one says it."""
    found, question = answer.difference, answer.question
    if not answer.can_be_told or found.value is None or found.interval is None:
        return ""
    told = {
        "stage": question.outcome_name, "days": question.days, "points": signed(found.value),
        "span": _span(found.interval), "treated": writing.percent(found.treated.rate),
        "held": writing.percent(found.held.rate),
    }  # fmt: skip
    words = _(
        "Of those assigned %(treated)s came to “%(stage)s” or later within %(days)s days, of those held out %(held)s: "
        "%(points)s points (%(span)s)."
    )
    if found.interval.low > 0:
        verdict = _("That is more than chance explains.")
    elif found.interval.high < 0:
        verdict = _("It did harm, by more than chance explains.")
    else:
        verdict = _("Chance alone could explain that.")
    return f"{words % told} {verdict}"


def _tone(span: Interval) -> str:
    return "good" if span.low > 0 else "bad" if span.high < 0 else ""


def _span(span: Interval) -> str:
    low, high = (writing.number(end * 100, 1) for end in span)
    return _("%(low)s to %(high)s") % {"low": low, "high": high}


def _counted(answer: Lift, part: str) -> Figure:
    count = answer.counts.get(part, 0)
    return Figure(writing.number(count), NAME, count, asking.people(answer.question.campaign, NAME, part), "", count)


def _p(value: float | None) -> str:
    if value is None:
        return writing.NOTHING
    return _("under 0.001") if value < 0.001 else writing.number(value, 3)


# ---- one campaign ----


def sheet(answer: Lift, gain: Gain | None = None) -> Sheet:
    """The page of one campaign, with what it gained in money where that can be told."""
    if not any(answer.counts.values()):
        text = _("As soon as somebody enters the campaign, or members of it are brought in, they are counted here.")
        return Sheet((), (), metrics=METRICS, empty_title=_("Nobody was assigned to it yet"), empty_text=text)
    if answer.question.obstacle:
        return Sheet((), (), metrics=METRICS, empty_title=_("What it is for is not said"),
                     empty_text=answer.question.obstacle)  # fmt: skip
    sections = [*_sections(answer), *([_gained(answer, gain)] if gain else [])]
    return Sheet(headline(answer), sections, _remarks(answer), (*METRICS, *([MONEY] if gain else [])))


def headline(answer: Lift) -> list[tuple[str, Figure]]:
    """The large figures."""
    found = answer.difference
    shown = [(_("Lift"), difference(answer))]
    if answer.can_be_told:
        relative = Figure(_relative(found.relative), NAME, note=_("on top of what the held-out reach by themselves"))
        chance = Figure(_p(found.p), NAME, note=_("the chance of so large a difference if it did nothing"))
        shown += [(_("Relative lift"), relative), (_("p"), chance)]
    shown.append((_("Reached it, of those assigned"), rate(answer, TREATED)))
    if answer.has_holdout:
        shown.append((_("Reached it, of those held out"), rate(answer, HELD)))
    return shown


def _relative(value: float | None) -> str:
    if value is None:
        return writing.NOTHING
    return writing.percent(value) if value < 0 else f"+{writing.percent(value)}"


def _sections(answer: Lift) -> list[Section]:
    question = answer.question
    names = {"stage": question.outcome_name, "days": question.days}
    sections = [
        Section(
            "groups",
            _("Both groups"),
            _("Reached: “%(stage)s” or a later stage, within %(days)s days of the assignment.") % names,
            _groups(answer),
            template="reporting/_lift_drawn.html" if answer.can_be_told else "",
            drawn=Drawn.of([answer])[0] if answer.can_be_told else None,
        )
    ]
    if answer.has_holdout:
        sections.append(
            Section(
                "split",
                _("Was the split as planned?"),
                _("If far more or fewer were held out than was planned, the two groups may not be alike."),
                _split(answer),
            )
        )
    return sections


def _groups(answer: Lift) -> Table:
    heads = [_("Group"), _("Assigned"), _("Days over"), _("Reached it"), _("Rate"), _("95 %"), _("Unfinished")]
    lines = []
    for group, label in ((TREATED, _("Treatment")), (HELD, _("Holdout"))):
        share = answer.share(group)
        figures = [
            counted(answer, group, ASSIGNED),
            counted(answer, group, MATURE),
            counted(answer, group, REACHED),
            Figure(writing.percent(share.rate), note=_("few") if share.of and share.few else ""),
            Figure(interval(share)),
            counted(answer, group, UNFINISHED),
        ]
        lines.append(Line(label, figures))
    return Table(heads, lines)


def _split(answer: Lift) -> Table:
    held, of = answer.count(HELD, ASSIGNED), answer.assigned
    planned = NOTHING if answer.planned is None else Figure(writing.percent(answer.planned, 0))
    if answer.split_p is None:
        verdict = Figure(_("not known"), note=_("no share to hold out is noted"))
    elif answer.split_is_off:
        verdict = Figure(_("no"), note=_("p %(p)s: chance does not explain it") % {"p": _p(answer.split_p)})
    else:
        verdict = Figure(_("yes"), note=_("p %(p)s") % {"p": _p(answer.split_p)})
    heads = [_("Held out"), _("Planned"), _("Found"), _("As planned?")]
    found = Figure(writing.percent(held / of), NAME, held, counted(answer, HELD, ASSIGNED).url,
                   _("%(held)s of %(of)s") % {"held": writing.number(held), "of": writing.number(of)})  # fmt: skip
    return Table(heads, [Line(_("Of all assigned"), [planned, found, verdict])])


def _gained(answer: Lift, gain: Gain) -> Section:
    purpose = _("Per head of those whose days are over, within %(days)s days of the assignment, in %(currency)s.")
    told = {"days": answer.question.days, "currency": gain.currency}
    heads = [
        _("Money"), _("Bought, of those assigned"), _("Per head"), _("Bought, of those held out"), _("Per head"),
        _("Difference"), _("p"),
    ]  # fmt: skip
    labels = {lift_in_money.DEALS: _("Won deals"), lift_in_money.PURCHASES: _("Purchases")}
    lines = [Line(label, _of_money(answer, gain, kind)) for kind, label in labels.items() if gain.anybody(kind)]
    return Section(
        "money",
        _("In money"),
        purpose % told,
        Table(heads, lines) if lines else None,
        _("Nobody of either group bought anything in these days."),
    )


def _of_money(answer: Lift, gain: Gain, kind: str) -> list[Figure]:
    figures = []
    for group in (TREATED, HELD):
        paid = gain.paid[group, kind]
        url = asking.people(answer.question.campaign, MONEY, metric.part_of(group, kind))
        figures.append(Figure(writing.number(paid), MONEY, paid, url, "", paid))
        figures.append(Figure(plain(round(gain.samples[group, kind].mean), gain.currency)))
    found = gain.difference(kind)
    text, note = plain(round(found.value or 0), gain.currency), ""
    if found.interval:
        low, high = (plain(round(end), gain.currency) for end in found.interval)
        note = _("%(low)s to %(high)s") % {"low": low, "high": high}
    if found.few and note:
        text, note = note, _("few: %(points)s") % {"points": text}
    figures += [Figure(text, note=note), Figure(_p(found.p))]
    return figures


def _remarks(answer: Lift) -> list[Remark]:
    remarks = []
    if answer.split_is_off:
        remarks.append(
            (
                counted(answer, HELD, ASSIGNED),
                _("held out is not the share that was planned (%(planned)s). The two groups may not be alike: find out "
                  "who is missing before you believe the lift.") % {"planned": writing.percent(answer.planned, 0)},
            )
        )  # fmt: skip
    if left_out := answer.counts.get(metric.LEFT_OUT, 0):
        words = ngettext("assigned is left out of all figures.", "assigned are left out of all figures.", left_out)
        remarks.append((_counted(answer, metric.LEFT_OUT), words))
    if other := answer.counts.get(metric.OTHER, 0):
        lifecycle = answer.question.campaign.lifecycle
        words = ngettext(
            "assigned is no subject of “%(lifecycle)s” and moves in none of its stages.",
            "assigned are no subjects of “%(lifecycle)s” and move in none of its stages.",
            other,
        )
        remarks.append((_counted(answer, metric.OTHER), words % {"lifecycle": lifecycle}))
    return remarks


# ---- all campaigns ----


@dataclass(frozen=True)
class Drawn:
    """An interval drawn on a scale from −`reach` to +`reach`, in a picture 200 wide; nothing is at 100."""

    left: float
    width: float
    at: float
    tone: str
    words: str

    @classmethod
    def of(cls, answers: Sequence[Lift]) -> list[Drawn | None]:
        """All of them on one scale, so that they can be compared; None for those that cannot be told."""
        spans = [answer.difference.interval if answer.can_be_told else None for answer in answers]
        reach = max([NARROWEST, *(abs(end) for span in spans if span for end in span)])
        return [cls._of(answer, span, reach) if span else None for answer, span in zip(answers, spans, strict=True)]

    @classmethod
    def _of(cls, answer: Lift, span: Interval, reach: float) -> Drawn:
        def place(value: float) -> float:
            return round(100 + 96 * value / reach, 2)

        value = answer.difference.value or 0.0
        words = _("Lift %(points)s points, from %(span)s") % {"points": signed(value), "span": _span(span)}
        left = place(span.low)
        return cls(left, round(place(span.high) - left, 2), round(place(value) - 1.5, 2), _tone(span), words)


@dataclass(frozen=True)
class Row:
    """One campaign in the list."""

    campaign: Any
    url: str
    outcome: str
    assigned: Figure
    held: Figure
    treated_rate: Figure
    held_rate: Figure
    lift: Figure
    drawn: Drawn | None


def overview(answers: Sequence[Lift], styles: Mapping[int, str]) -> Sheet:
    """The page of all campaigns; in blocks by the style in which they speak, where there are several."""
    if not answers:
        text = _(
            "A campaign appears here as soon as somebody has entered it. Members of campaigns that ran elsewhere come "
            "in by a file: choose the rows “Campaign members”."
        )
        return Sheet((), (), metrics=METRICS, empty_title=_("No campaign has members yet"), empty_text=text)
    blocks: dict[str, list[Row]] = {}
    for answer, picture in zip(answers, Drawn.of(answers), strict=True):
        blocks.setdefault(styles.get(answer.question.campaign.pk, ""), []).append(row(answer, picture))
    titles = {
        Content.Style.EDUCATION: _("Education"), Content.Style.ENGAGEMENT: _("Engagement"),
        lifts.BOTH: _("Education and engagement"), "": _("Style not told"),
    }  # fmt: skip
    if len(blocks) == 1:
        titles = dict.fromkeys(blocks, _("Campaigns"))
    purpose = _("Of each campaign, how many more came to its outcome than of those held out of it.")
    sections = [
        Section(f"style-{style}", title, purpose, template="reporting/_lifts.html", drawn=blocks[style], flush=True)
        for style, title in titles.items()
        if style in blocks
    ]
    return Sheet((), sections, metrics=METRICS)


def row(answer: Lift, drawn: Drawn | None = None) -> Row:
    """One campaign as the list of all shows it."""
    question = answer.question
    told, held = not question.obstacle, answer.has_holdout
    outcome = ""
    if told:
        words = {"stage": question.outcome_name, "days": question.days}
        outcome = _("“%(stage)s” within %(days)s days") % words
    return Row(
        question.campaign,
        asking.page(question.campaign),
        outcome,
        counted(answer, TREATED, ASSIGNED),
        counted(answer, HELD, ASSIGNED),
        rate(answer, TREATED) if told else NOTHING,
        rate(answer, HELD) if told and held else NOTHING,
        difference(answer),
        drawn,
    )


# ---- the file ----


def as_rows(answers: Sequence[Lift]) -> tuple[list[str], list[list[Any]]]:
    """A line per campaign for a spreadsheet, in plain numbers."""
    heads = [
        _("Campaign"), _("Type"), _("Outcome"), _("Within days"), _("Assigned"), _("Days over"), _("Reached it"),
        _("Held out"), _("Held out, days over"), _("Held out, reached it"), _("Lift"), _("From"), _("To"),
        _("Relative lift"), _("p"),
    ]  # fmt: skip
    return heads, [_plain(answer) for answer in answers]


def _plain(answer: Lift) -> list[Any]:
    question, found = answer.question, answer.difference
    states = (ASSIGNED, MATURE, REACHED)
    span = found.interval if answer.can_be_told else None
    return [
        question.campaign.name, question.campaign.get_kind_display(), question.outcome_name, question.days,
        *(answer.count(group, state) for group in (TREATED, HELD) for state in states),
        *(None if span is None else round(value or 0, 6) for value in (found.value, *(span or (0, 0)))),
        *(None if span is None or value is None else round(value, 6) for value in (found.relative, found.p)),
    ]  # fmt: skip

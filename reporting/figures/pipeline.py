"""The figures of the pipeline of sales as their page shows them; each opens the list of its deals."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audience.subjects.filters import EMPTY
from kit import money, writing
from kit.statistics import Share
from reporting.figures import NOTHING, Figure, Line, Table, in_days, interval
from reporting.figures.money import plain
from reporting.figures.sheet import Section, Sheet
from reporting.pipeline import Owner, PipelineQuestion, Sales, Stage

METRICS = ("open_pipeline", "win_rate", "pipeline_velocity")
OPEN, WIN, VELOCITY = METRICS


def sheet(answer: Sales) -> Sheet:
    """The whole page."""
    if not answer.open.count and not answer.rate.of:
        text = _(
            "No deal is open, and none was closed in this time span. Choose a longer one; deals come in by a file."
        )
        return Sheet((), (), metrics=METRICS, empty_title=_("No deals here"), empty_text=text)
    return Sheet(_headline(answer), _sections(answer), metrics=METRICS, footnotes=_footnotes(answer))


def deals(question: PipelineQuestion, **asked: Any) -> str:
    """The address of the deals behind a figure; those of accounts left out of figures are not among them."""
    told = {"left_out": "no"}
    if question.pipeline:
        told["pipeline"] = question.pipeline.name
    if question.owner:
        told["owner"] = str(question.owner.pk)
    return f"{reverse('deals')}?{urlencode(told | {name: str(value) for name, value in asked.items()})}"


def _closed(question: PipelineQuestion) -> dict[str, str]:
    window = question.window
    return {"closed_from": window.start.isoformat(), "closed_to": window.last.isoformat()}


def _headline(answer: Sales) -> list[tuple[str, Figure]]:
    question, currency = answer.question, answer.currency
    won = deals(question, status="won", **_closed(question))
    velocity = writing.NOTHING if answer.velocity is None else plain(round(answer.velocity), currency)
    parts = _("%(open)s open × %(mean)s × %(rate)s / %(days)s") % {
        "open": writing.number(answer.open.count),
        "mean": writing.NOTHING if answer.mean_won is None else plain(round(answer.mean_won), currency),
        "rate": writing.percent(answer.rate.rate),
        "days": _days(answer),
    }
    return [
        (
            _("Open pipeline, %(currency)s") % {"currency": currency},
            Figure(plain(answer.open.total, currency), OPEN, answer.open.count, deals(question, status="open"),
                   _deals(answer.open.count), answer.open.total),
        ),
        (
            _("Weighted, %(currency)s") % {"currency": currency},
            Figure(plain(answer.weighted, currency), OPEN, answer.open.count, deals(question, status="open"),
                   _unweighted(answer), answer.weighted),
        ),
        (_("Win rate"), _share(answer.rate, won)),
        (
            _("Won, %(currency)s") % {"currency": currency},
            Figure(plain(answer.won.total, currency), WIN, answer.won.count, won, _deals(answer.won.count),
                   answer.won.total),
        ),
        (
            _("Pipeline velocity, %(currency)s a day") % {"currency": currency},
            Figure(velocity, VELOCITY, answer.won.count, won, parts, answer.velocity),
        ),
    ]  # fmt: skip


def _sections(answer: Sales) -> list[Section]:
    return [
        Section("stages", _("By stage"), _("What is open now, stage by stage."), _by_stage(answer))
        if answer.stages
        else Section("stages", _("By stage"), _("What is open now, stage by stage."), empty=_("No deal is open.")),
        Section(
            "owners",
            _("By owner"),
            _("What each has open now, and what they closed in the time span."),
            _by_owner(answer),
        ),
    ]


def _by_stage(answer: Sales) -> Table:
    return Table(
        [_("Stage"), _("Deals"), answer.currency, _("Probability"), _("Weighted")],
        [_stage(answer, each) for each in answer.stages],
        Line(_("All"), [*_amount(answer, answer.open, deals(answer.question, status="open")), NOTHING,
                        Figure(plain(answer.weighted, answer.currency), value=answer.weighted)]),
    )  # fmt: skip


def _stage(answer: Sales, stage: Stage) -> Line:
    door = deals(answer.question, status="open", pipeline=stage.pipeline or EMPTY, stage=stage.name or EMPTY)
    likely = NOTHING
    if stage.probability is not None:
        likely = Figure(writing.percent(stage.probability / 100, 0), value=stage.probability / 100)
    weighted = NOTHING
    if stage.weighted is not None:
        weighted = Figure(plain(stage.weighted, answer.currency), value=stage.weighted)
    remark = "" if answer.question.pipeline else stage.pipeline
    return Line(stage.name or _("(empty)"), [*_amount(answer, stage.open, door), likely, weighted], remark)


def _by_owner(answer: Sales) -> Table:
    heads = [_("Owner"), _("Open"), answer.currency, _("Won"), answer.currency, _("Lost"), _("Win rate")]
    return Table(heads, [_owner(answer, each) for each in answer.owners])


def _owner(answer: Sales, owner: Owner) -> Line:
    question = answer.question
    mine = {"owner": owner.user.pk if owner.user else EMPTY}
    closed = _closed(question)
    won, lost = (deals(question, status=status, **mine, **closed) for status in ("won", "lost"))
    return Line(
        str(owner.user) if owner.user else _("(nobody)"),
        [
            *_amount(answer, owner.open, deals(question, status="open", **mine)),
            *_amount(answer, owner.won, won, WIN),
            Figure(writing.number(owner.lost), WIN, owner.lost, lost, value=owner.lost),
            _share(owner.rate, won),
        ],
    )


def _amount(answer: Sales, sum_: Any, door: str, metric: str = OPEN) -> list[Figure]:
    """How many, and what they come to."""
    return [
        Figure(writing.number(sum_.count), metric, sum_.count, door, value=sum_.count),
        Figure(plain(sum_.total, answer.currency), metric, sum_.count, door, value=sum_.total),
    ]


def _share(answer: Share, door: str) -> Figure:
    note = _("%(hits)s of %(of)s") % {"hits": writing.number(answer.hits), "of": writing.number(answer.of)}
    text = writing.percent(answer.rate)
    if answer.rate is not None and answer.few:
        text, note = interval(answer), _("few: %(rate)s, %(base)s") % {"rate": text, "base": note}
    return Figure(text, WIN, answer.hits, door, note, answer.rate, of=answer.of, interval=answer.interval)


def _deals(count: int) -> str:
    return ngettext("%(n)s deal", "%(n)s deals", count) % {"n": writing.number(count)}


def _days(answer: Sales) -> str:
    if answer.days is None:
        return writing.NOTHING
    return ngettext("%(n)s day", "%(n)s days", int(answer.days)) % {"n": in_days(answer.days)}


def _unweighted(answer: Sales) -> str:
    without = sum(each.open.count for each in answer.stages if each.probability is None)
    if not without:
        return ""
    words = ngettext("%(n)s deal without a probability", "%(n)s deals without a probability", without)
    return words % {"n": writing.number(without)}


def _footnotes(answer: Sales) -> list[str]:
    notes = [_("Open deals: %(words)s") % {"words": line} for line in answer.open.words()]
    notes += [_("Won deals: %(words)s") % {"words": line} for line in answer.won.words()]
    if answer.open.unknown:
        words = ngettext(
            "%(n)s open deal has no amount; it is counted and not added.",
            "%(n)s open deals have no amount; they are counted and not added.",
            answer.open.unknown,
        )
        notes.append(words % {"n": writing.number(answer.open.unknown)})
    if answer.left_out:
        words = ngettext(
            "%(n)s deal is of an account that is left out of figures.",
            "%(n)s deals are of accounts that are left out of figures.",
            answer.left_out,
        )
        notes.append(words % {"n": writing.number(answer.left_out)})
    return notes


# ---- the file ----


def as_rows(answer: Sales) -> tuple[list[str], list[list[Any]]]:
    """Stages and owners for a spreadsheet: amounts in the currency's own unit."""
    currency = answer.currency

    def major(amount: int | float | None) -> Any:
        return None if amount is None else money.major(round(amount), currency)

    heads = [_("Figure"), _("Of"), _("Deals"), currency, _("Win rate")]
    lines: list[list[Any]] = [
        ["open", "", answer.open.count, major(answer.open.total), None],
        ["weighted", "", answer.open.count, major(answer.weighted), None],
        ["won", "", answer.won.count, major(answer.won.total), answer.rate.rate],
        ["lost", "", answer.lost, None, None],
        ["velocity", "", None, major(answer.velocity), None],
    ]
    for stage in answer.stages:
        called = f"{stage.pipeline} / {stage.name}".strip(" /")
        lines.append(["open.stage", called, stage.open.count, major(stage.open.total), None])
    for owner in answer.owners:
        lines.append(["open.owner", str(owner.user or ""), owner.open.count, major(owner.open.total), None])
        lines.append(["won.owner", str(owner.user or ""), owner.won.count, major(owner.won.total), owner.rate.rate])
    return heads, lines

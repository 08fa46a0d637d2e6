"""The identity of the ledger for a window as pages show it: opening, in, out, closing, stage by stage, each a door."""

from __future__ import annotations

from django.utils.translation import gettext as _

from reporting import flows
from reporting.figures import NOTHING, Figure, Line, Table, counted
from reporting.metrics import balance, corrections, in_flow, out_flow
from reporting.questions import Question


def identity(question: Question) -> Table:
    """Opening + in − out = closing of every stage, and how many of the moves a merge, a new version or an erasure made;
    a line that does not add up says so. Two statements, and one for the corrections."""
    plan = question.plan
    moved = flows.by_bucket(question).get("") or flows.Flows(plan)
    corrected = corrections.by_stage(question)
    columns = [name for name in corrections.METRIC.parts if any(part == name for _stage, part in corrected)]
    heads = [_("Stage"), _("Opening"), _("+ in"), _("− out"), _("= closing")]
    heads += [str(corrections.METRIC.parts[name]) for name in columns]
    lines = []
    for place in plan.places:
        at, slug = question.about(stage=place.slug), place.slug
        opening, closing = balance.compute(moved, slug, balance.START), balance.compute(moved, slug, balance.END)
        came, left = in_flow.compute(moved, slug), out_flow.compute(moved, slug)
        figures: list[Figure] = [
            counted(at.about(moment=balance.START), "balance", opening),
            counted(at, "in_flow", came),
            counted(at, "out_flow", left),
            counted(at.about(moment=balance.END), "balance", closing),
        ]
        for name in columns:
            count = corrected.get((slug, name), 0)
            figures.append(counted(at, "corrections", count, name) if count else NOTHING)
        lines.append(Line(place.name, figures, "" if opening + came - left == closing else _("does not add up")))
    return Table(heads, lines)

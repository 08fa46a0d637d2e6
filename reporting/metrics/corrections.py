"""Moves into and out of the stage in the window that a merge, a new version or an erasure made, and nobody's own step.

Those of merges and erasures are counted in the in and out flow, those of a new version apart from it. They are told
here, so that what looks like a flow of people is seen to be none.
"""

from __future__ import annotations

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, rows, sql
from lifecycle.models import Movement
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question

Kind = Movement.Kind
KINDS = (Kind.MERGE, Kind.MIGRATION, Kind.ERASURE)
IN, OUT = "in", "out"


def part(kind: str, way: str) -> str:
    """The part of one kind and direction."""
    return f"{kind}_{way}"


def moved(question: Question) -> Sql:
    """`id, kind, from_stage, to_stage` of every such move of the window."""
    return sql(
        """SELECT entry.id, moved.kind, entry.from_stage, entry.to_stage
           FROM (SELECT entry.* FROM {}) entry JOIN lifecycle_movement moved
             ON moved.membership_id = entry.membership_id AND moved.seq = entry.seq WHERE moved.kind = ANY({})""",
        question.entries(),
        [str(kind) for kind in KINDS],
    )


def by_stage(question: Question) -> dict[tuple[str, str], int]:
    """How many, by stage and part: one statement."""
    statement = sql(
        """SELECT stage, kind, way, count(*) FROM (
               SELECT to_stage AS stage, kind, 'in' AS way FROM ({}) came
               UNION ALL SELECT from_stage, kind, 'out' FROM ({}) gone
           ) moves WHERE stage <> '' GROUP BY 1, 2, 3""",
        moved(question),
        moved(question),
    )
    return {(stage, part(kind, way)): count for stage, kind, way, count in rows(statement)}


def people(question: Question, which: str = FIGURE) -> Sql:
    """The moves: of one kind into or out of the stage, or all of them."""
    kind, _dash, way = which.rpartition("_")
    column = {IN: "to_stage = {}", OUT: "from_stage = {}"}.get(way, "{} IN (from_stage, to_stage)")
    kept = sql(column, question.stage)
    if kind:
        kept = sql("{} AND kind = {}", kept, kind)
    return sql("SELECT id FROM ({}) moves WHERE {}", moved(question), kept)


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("Corrections in “%(stage)s”") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="corrections",
    label=_("Corrections"),
    definition=_(
        "Moves into and out of the stage in the window that a merge, a new version or an erasure made, and nobody's "
        "own step. Those of merges and erasures are counted in the in and out flow, those of a new version apart from "
        "it. They are told here, so that what looks like a flow of people is seen to be none."
    ),
    people=people,
    title=title,
    needs=("stage",),
    parts={
        FIGURE: _("all of them"),
        part(Kind.MERGE, IN): _("in by a merge"),
        part(Kind.MERGE, OUT): _("out by a merge"),
        part(Kind.MIGRATION, IN): _("in by a new version"),
        part(Kind.MIGRATION, OUT): _("out by a new version"),
        part(Kind.ERASURE, IN): _("in by an erasure"),
        part(Kind.ERASURE, OUT): _("out by an erasure"),
    },
)

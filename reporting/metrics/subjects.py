"""Different people or accounts behind the balances and flows of a stage, however many passes or moves they made.

Somebody who came twice in the window counts once. So these do not add up: opening plus in, less out, is not closing.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, join, rows, sql
from reporting.metrics import balance, in_flow, out_flow
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question

START, OUT, END = "start", "out", "end"
PARTS = (START, FIGURE, OUT, END)


def behind(question: Question, part: str) -> Sql:
    """`id, subject_id` of the rows that the balance or flow counts."""
    ids = {
        START: balance.people(question.about(moment=balance.START)),
        END: balance.people(question.about(moment=balance.END)),
        OUT: out_flow.people(question),
        FIGURE: in_flow.people(question),
    }[part]
    return sql(
        """SELECT row.id, m.subject_id FROM {} row JOIN lifecycle_membership m ON m.id = row.membership_id
           WHERE row.id IN ({})""",
        question.table,
        ids,
    )


def by_stage(question: Question, stages: Sequence[str]) -> dict[tuple[str, str], int]:
    """How many, by stage and part: one statement."""
    each = [
        sql(
            "SELECT {}::text, {}::text, count(DISTINCT subject_id) FROM ({}) behind",
            stage,
            part,
            behind(question.about(stage=stage), part),
        )
        for stage in stages
        for part in PARTS
    ]
    return {(stage, part): count for stage, part, count in rows(join(" UNION ALL ", each))} if each else {}


def people(question: Question, part: str = FIGURE) -> Sql:
    """One row of each subject: the last of theirs."""
    return sql(
        "SELECT id FROM (SELECT DISTINCT ON (subject_id) id FROM ({}) behind ORDER BY subject_id, id DESC) each",
        behind(question, part),
    )


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("Different subjects in “%(stage)s”") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="subjects",
    label=_("Distinct subjects"),
    definition=_(
        "Different people or accounts behind the balances and flows of a stage, however many passes or moves they "
        "made. Somebody who came twice in the window counts once. So these do not add up: opening plus in, less out, "
        "is not closing."
    ),
    people=people,
    title=title,
    needs=("stage",),
    parts={FIGURE: _("came in"), START: _("there at the start"), OUT: _("left"), END: _("there at the end")},
)

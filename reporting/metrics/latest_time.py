"""Days of the last stay of each membership that was in the stage at some time in the window; an open one counts to now.

Now is the day of asking. Memberships, not stays: whoever was there three times counts once, with the last.
"""

from __future__ import annotations

from collections import defaultdict

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, rows, sql
from kit.statistics import Counts
from reporting import stays
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question


def lasts(question: Question) -> Sql:
    """`id, latest, total` of every membership that was in the stage in the window; the id is that of its last stay."""
    return sql(
        """SELECT (array_agg(id ORDER BY seq DESC))[1] AS id, (array_agg(days ORDER BY seq DESC))[1] AS latest,
                  sum(days)::int AS total
           FROM ({}) stay GROUP BY membership_id HAVING bool_or(until_day IS NULL OR until_day >= {})""",
        stays.in_stage(question),
        question.window.start,
    )


def compute(question: Question) -> tuple[Counts, Counts]:
    """The latest and the cumulative times."""
    latest: dict[int, int] = defaultdict(int)
    total: dict[int, int] = defaultdict(int)
    for last, whole, count in rows(sql("SELECT latest, total, count(*) FROM ({}) each GROUP BY 1, 2", lasts(question))):
        latest[last] += count
        total[whole] += count
    return Counts(latest.items()), Counts(total.items())


def people(question: Question, part: str = FIGURE) -> Sql:
    """The last stay of each membership."""
    return sql("SELECT id FROM ({}) each", lasts(question))


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("Days of the last stay in “%(stage)s”") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="latest_time",
    label=_("Latest time in stage"),
    definition=_(
        "Days of the last stay of each membership that was in the stage at some time in the window; an open one counts "
        "to now. Now is the day of asking. Memberships, not stays: whoever was there three times counts once, with the "
        "last."
    ),
    people=people,
    title=title,
    needs=("stage",),
    days=stays.days,
)

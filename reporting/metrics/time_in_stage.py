"""Days in the stage, of the stays that ended in the window: median, mean, and p90, which nine of ten do not exceed.

Counted between the local dates of the two facts. A negative number means that the fact of leaving is dated before that
of entering; it stays in and is flagged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, rows, sql
from kit.statistics import Counts
from reporting import flows
from reporting.flows import Flows
from reporting.metrics import out_flow
from reporting.metrics.metric import FIGURE, Metric
from reporting.plans import Direction, Plan
from reporting.questions import Question

NEGATIVE = "negative"


class Stays:
    """The lengths of the stays that ended, by the stage left and the stage entered."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._days: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)

    def add(self, source: str, target: str, days: int, count: int) -> None:
        """So many stays of this length."""
        self._days[source, target].append((days, count))

    def of(self, stage: str, directions: tuple[Direction, ...] = ()) -> Counts:
        """The days of the stays in a stage that ended in some directions, or in any."""
        return Counts(
            pair
            for (source, target), pairs in self._days.items()
            if source == stage and (not directions or self._plan.direction(source, target) in directions)
            for pair in pairs
        )


def by_bucket(question: Question, moved: Mapping[str, Flows] | None = None) -> dict[str, Stays]:
    """The stays that ended in the window, for each bucket: over the daily histograms by one statement, unless split.

    Split, they are told by the flows (`moved`, where they are at hand already), which read the same entries.
    """
    found: dict[str, Stays] = defaultdict(lambda: Stays(question.plan))
    if not question.rolled_up:
        for bucket, flow in (moved if moved is not None else flows.by_bucket(question)).items():
            for stay in flow.ended:
                found[bucket].add(*stay)
        return found
    for source, target, days, count in rows(_of_everybody(question)):
        found[""].add(source, target, days, int(count))
    return found


def people(question: Question, part: str = FIGURE) -> Sql:
    """The moves that ended the stays; of the negative ones alone, if asked."""
    ended = sql("{} AND entry.stay_days IS NOT NULL", out_flow.people(question))
    return sql("{} AND entry.stay_days < 0", ended) if part == NEGATIVE else ended


def _of_everybody(question: Question) -> Sql:
    return sql(
        """SELECT from_stage, to_stage, days, sum(times)
           FROM (SELECT from_stage, to_stage, unnest(stay_days) AS days, unnest(stay_counts) AS times
                 FROM reporting_dailyflow WHERE lifecycle_id = {} AND day >= {} AND day < {}
                   AND NOT by_version) told GROUP BY 1, 2, 3""",
        question.plan.lifecycle.pk,
        question.window.start,
        question.window.end,
    )


def title(question: Question) -> str:
    """The figure in words."""
    words = gettext("Days in “%(stage)s”") % {"stage": question.plan.label(question.stage)}
    ways = ", ".join(str(way.label) for way in question.directions)
    return gettext("%(words)s: %(ways)s") % {"words": words, "ways": ways} if ways else words


METRIC = Metric(
    name="time_in_stage",
    label=_("Time in stage"),
    definition=_(
        "Days in the stage, of the stays that ended in the window: median, mean, and p90, which nine of ten do not "
        "exceed. Counted between the local dates of the two facts. A negative number means that the fact of leaving is "
        "dated before that of entering; it stays in and is flagged."
    ),
    people=people,
    title=title,
    needs=("stage",),
    parts={FIGURE: _("stays that ended"), NEGATIVE: _("left before they entered, by the dates of the facts")},
    days=lambda question: Sql("reporting_stageentry.stay_days"),
)

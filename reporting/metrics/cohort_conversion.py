"""Of the memberships that first entered the stage in the window, the share that reached the target or a later stage.

Reached counts within so many days of that entry, when a number of days is set; then only those count whose days are
over, and the unfinished are shown apart. Strict: every stage between was visited, in order. Any order: of all that
entered the lifecycle in the window, those that reached the target or a later stage, wherever they started.
"""

from __future__ import annotations

from collections import defaultdict

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, join, rows, sql
from kit.statistics import Share
from reporting.metrics.metric import FIGURE, Metric
from reporting.plans import OUTSIDE
from reporting.questions import Question

BASE, UNFINISHED = "base", "unfinished"


class Order(models.TextChoices):
    """In which order the stages have to have been visited."""

    REACHED = "reached", _("target or later reached")
    STRICT = "strict", _("strict: every stage between, in order")
    ANY = "any_order", _("any order: of all that entered the lifecycle")


class Cohorts:
    """Those who first entered each stage in the window, and how many of the mature ones reached which others."""

    def __init__(self) -> None:
        self._entered: dict[tuple[str, bool], int] = defaultdict(int)
        self._reached: dict[tuple[str, str, bool], int] = defaultdict(int)

    def add_entered(self, origin: str, mature: int, unfinished: int) -> None:
        """So many entered; the empty origin is the lifecycle itself."""
        self._entered[origin, True] += mature
        self._entered[origin, False] += unfinished

    def add_reached(self, origin: str, target: str, count: int, *, strict: bool) -> None:
        """So many of the mature ones reached the target, or a later stage unless strict."""
        self._reached[origin, target, strict] += count

    def entered(self, origin: str) -> int:
        """All that first entered the stage in the window, finished or not."""
        return self._entered[origin, True] + self._entered[origin, False]

    def unfinished(self, origin: str) -> int:
        """Those whose days are not over yet."""
        return self._entered[origin, False]

    def conversion(self, origin: str, target: str, order: str = Order.REACHED) -> Share:
        """The share of the mature; for any order the origin is empty: the entry into the lifecycle."""
        return Share(self._reached[origin, target, order == Order.STRICT], self._entered[origin, True])


def by_bucket(question: Question) -> dict[str, Cohorts]:
    """The cohorts of every stage of the success path and of the lifecycle itself, for each bucket: one statement."""
    found: dict[str, Cohorts] = defaultdict(Cohorts)
    if question.rolled_up:
        for kind, origin, target, mature, unfinished in rows(_of_everybody(question)):
            if kind == "entered":
                found[""].add_entered(origin, int(mature), int(unfinished))
            else:
                found[""].add_reached(origin, target, int(mature), strict=kind == "strict")
        return found
    path = [place.slug for place in question.plan.success]
    for bucket, stage, begins, mature, unfinished, reached, strict in rows(_of_buckets(question)):
        for origin in [stage] * bool(stage) + [OUTSIDE] * begins:
            found[bucket].add_entered(origin, mature, unfinished)
            for target, of_any, of_strict in zip(path, reached, strict, strict=True):
                found[bucket].add_reached(origin, target, of_any, strict=False)
                found[bucket].add_reached(origin, target, of_strict, strict=True)
    return found


def _of_everybody(question: Question) -> Sql:
    """Each cohort is summed by itself, up to the days it is given (they ascend): grouping all its days costs thrice."""
    mature, within = _mature(question, "day"), Sql("counts")
    if question.within is not None:
        within = sql("CASE WHEN {} THEN counts[1:width_bucket({}::int, days)] ELSE counts END", mature, question.within)
    return sql(
        """SELECT kind, origin, target, COALESCE(sum(members) FILTER (WHERE {}), 0),
                  COALESCE(sum(members) FILTER (WHERE NOT {}), 0)
           FROM (SELECT kind, origin, target, day, (SELECT sum(n) FROM unnest({}) n) AS members
                 FROM reporting_dailycohort
                 WHERE lifecycle_id = {} AND kind IN ('entered', 'reached', 'strict') AND day >= {} AND day < {}) cohort
           GROUP BY 1, 2, 3""",
        mature,
        mature,
        within,
        question.plan.lifecycle.pk,
        question.window.start,
        question.window.end,
    )


def _of_buckets(question: Question) -> Sql:
    """By bucket, stage entered first (empty: off the path) and whether that was the entry into the lifecycle."""
    mature = _mature(question, "entry.day")
    return sql(
        """SELECT {}, CASE WHEN entry.strict IS NOT NULL THEN entry.to_stage ELSE '' END, entry.seq = 1,
                  count(*) FILTER (WHERE {}), count(*) FILTER (WHERE NOT {}), {}, {}
           FROM {} AND entry.reached IS NOT NULL GROUP BY 1, 2, 3""",
        question.bucket_column,
        mature,
        mature,
        _counts(question, "reached"),
        _counts(question, "strict"),
        question.entries(),
    )


def _counts(question: Question, way: str) -> Sql:
    """An array over the success path: how many of the mature ones reached each stage."""
    stages = range(1, len(question.plan.success) + 1)
    mature = _mature(question, "entry.day")
    each = [sql("count(*) FILTER (WHERE {} AND {})", mature, _reached(question, way, stage)) for stage in stages]
    return sql("ARRAY[{}]::bigint[]", join(", ", each))


def _mature(question: Question, day: str) -> Sql:
    """The cohort's days are over."""
    if question.within is None:
        return Sql("true")
    return sql(f"{day} < {{}}::date - {{}}", question.today, question.within)


def _reached(question: Question, way: str, stage: int) -> Sql:
    """The stage (its place along the path) was reached in time."""
    if question.within is None:
        return sql(f"entry.{way}[{{}}] IS NOT NULL", stage)
    return sql(f"entry.{way}[{{}}] <= {{}}", stage, question.within)


def people(question: Question, part: str = FIGURE) -> Sql:
    """The first entries into the stage (or into the lifecycle) of those that converted, of the base, or unfinished."""
    if question.order == Order.ANY:
        base = Sql("entry.seq = 1")
    else:
        base = sql("entry.is_first AND entry.to_stage = {}", question.stage)
    mature = _mature(question, "entry.day")
    way = "strict" if question.order == Order.STRICT else "reached"
    kept = {
        FIGURE: sql("{} AND {}", mature, _reached(question, way, question.plan.place(question.target).position)),
        BASE: mature,
        UNFINISHED: sql("NOT {}", mature),
    }[part]
    return sql("SELECT entry.id FROM {} AND {} AND {}", question.entries(), base, kept)


def title(question: Question) -> str:
    """The figure in words."""
    names = {"origin": question.plan.label(question.stage), "target": question.plan.label(question.target)}
    days = question.within
    if question.order == Order.ANY:
        words = gettext("From entering the lifecycle to “%(target)s” or later") % names
    elif question.order == Order.STRICT:
        words = gettext("From “%(origin)s” to “%(target)s” through every stage between") % names
    else:
        words = gettext("From “%(origin)s” to “%(target)s” or later") % names
    return gettext("%(words)s, within %(days)s days") % {"words": words, "days": days} if days is not None else words


METRIC = Metric(
    name="cohort_conversion",
    label=_("Cohort conversion"),
    definition=_(
        "Of the memberships that first entered the stage in the window, the share that reached the target or a later "
        "stage. Reached counts within so many days of that entry, when a number of days is set; then only those count "
        "whose days are over, and the unfinished are shown apart. Strict: every stage between was visited, in order. "
        "Any order: of all that entered the lifecycle in the window, those that reached the target or a later stage, "
        "wherever they started."
    ),
    people=people,
    title=title,
    needs=("target",),
    parts={FIGURE: _("reached it"), BASE: _("entered"), UNFINISHED: _("unfinished: their days are not over")},
)

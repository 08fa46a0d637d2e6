"""Of the memberships that first entered the stage in the window, the share that reached the target or a later stage.

Reached counts within so many days of that entry, when a number of days is set; then only those count whose days are
over, and the unfinished are shown apart. Strict: every stage between was visited, in order. Any order: of all that
entered the lifecycle in the window, those that reached the target or a later stage, wherever they started.
"""

from __future__ import annotations

import re
from collections import defaultdict

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, rows, sql
from kit.statistics import Share
from reporting.metrics.metric import FIGURE, Metric
from reporting.plans import OUTSIDE, Plan
from reporting.questions import Question

BASE, UNFINISHED = "base", "unfinished"
FIRST_LETTER = 256  # a way is written with one letter per stage; from here on all are plain letters to a pattern


class Order(models.TextChoices):
    """In which order the stages have to have been visited."""

    REACHED = "reached", _("target or later reached")
    STRICT = "strict", _("strict: every stage between, in order")
    ANY = "any_order", _("any order: of all that entered the lifecycle")


class Cohorts:
    """Those who entered each stage first in the window, by the way they went from there (one letter per stage)."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._ways: dict[tuple[str, bool], list[tuple[str, int]]] = defaultdict(list)

    def add(self, origin: str, mature: bool, way: str, count: int) -> None:
        """So many went this way."""
        self._ways[origin, mature].append((way, count))

    def entered(self, origin: str) -> int:
        """All that first entered the stage in the window, finished or not."""
        return self._total(origin, True) + self._total(origin, False)

    def unfinished(self, origin: str) -> int:
        """Those whose days are not over yet."""
        return self._total(origin, False)

    def conversion(self, origin: str, target: str, order: str = Order.REACHED) -> Share:
        """The share of the mature; for any order the origin is `OUTSIDE`, the entry into the lifecycle."""
        pattern = re.compile(_pattern(self._plan, origin, target, order))
        hits = sum(count for way, count in self._ways[origin, True] if pattern.search(way))
        return Share(hits, self._total(origin, True))

    def _total(self, origin: str, mature: bool) -> int:
        return sum(count for _, count in self._ways[origin, mature])


def by_bucket(question: Question) -> dict[str, Cohorts]:
    """The cohorts of every stage of the success path and of the lifecycle itself, for each bucket: one statement."""
    base = sql(
        """SELECT entry.id, entry.membership_id, entry.seq, entry.day, {} AS bucket, entry.to_stage AS origin
           FROM {} AND entry.is_first AND entry.to_stage = ANY({})
           UNION ALL
           SELECT entry.id, entry.membership_id, entry.seq, entry.day, {} AS bucket, '' AS origin
           FROM {} AND entry.seq = 1""",
        question.bucket_column,
        question.entries(),
        [place.slug for place in question.plan.success],
        question.bucket_column,
        question.entries(),
    )
    statement = sql(
        "SELECT bucket, origin, mature, way, count(*) FROM ({}) walked GROUP BY 1, 2, 3, 4", _walked(question, base)
    )
    found: dict[str, Cohorts] = defaultdict(lambda: Cohorts(question.plan))
    for bucket, origin, mature, way, count in rows(statement):
        found[bucket].add(origin, mature, way, count)
    return found


def people(question: Question, part: str = FIGURE) -> Sql:
    """The first entries into the stage (or into the lifecycle) of those that converted, of the base, or unfinished."""
    which = (
        Sql("entry.seq = 1")
        if question.order == Order.ANY
        else sql("entry.is_first AND entry.to_stage = {}", question.stage)
    )
    base = sql(
        """SELECT entry.id, entry.membership_id, entry.seq, entry.day, '' AS bucket, '' AS origin
           FROM {} AND {}""",
        question.entries(),
        which,
    )
    origin = OUTSIDE if question.order == Order.ANY else question.stage
    kept = {
        FIGURE: sql("mature AND way ~ {}", _pattern(question.plan, origin, question.target, question.order)),
        BASE: Sql("mature"),
        UNFINISHED: Sql("NOT mature"),
    }[part]
    return sql("SELECT id FROM ({}) walked WHERE {}", _walked(question, base), kept)


def _walked(question: Question, base: Sql) -> Sql:
    """Each entry of the base with the stages of the success path visited from it on, within the days given."""
    success = question.plan.success
    within = sql("AND step.day - base.day <= {}", question.within) if question.within is not None else Sql("")
    mature = (
        sql("base.day < {}::date - {}", question.today, question.within) if question.within is not None else Sql("true")
    )
    return sql(
        """
        SELECT base.id, base.bucket, base.origin, {} AS mature,
               COALESCE(string_agg(chr({} + path.position), '' ORDER BY step.seq), '') AS way
        FROM ({}) base
        LEFT JOIN (
            reporting_stageentry step
            JOIN unnest({}::text[], {}::int[]) path(slug, position) ON path.slug = step.to_stage
        ) ON step.membership_id = base.membership_id AND step.seq >= base.seq {}
        GROUP BY base.id, base.bucket, base.origin, base.day
        """,
        mature,
        FIRST_LETTER,
        base,
        [place.slug for place in success],
        [place.position for place in success],
        within,
    )


def _pattern(plan: Plan, origin: str, target: str, order: str) -> str:
    """What a way that counts looks like: the same expression for Python and for the database."""
    letters = [chr(FIRST_LETTER + place.position) for place in plan.success]
    reached = plan.place(target).position
    if order == Order.STRICT:
        return ".*".join(letters[plan.place(origin).position - 1 : reached])
    return f"[{''.join(letters[reached - 1 :])}]"


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

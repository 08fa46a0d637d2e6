"""Stays in stages, finished and still open: what the metrics of time count, out of entries and exits by day.

A finished stay is the row of the move that ended it, an open one the row of the entry that began it; lengths lie
between the local days of the two facts, and those of open stays reach to the day of asking. Another version that has
the same stage ends no stay and has no row here. One that takes members elsewhere cuts their stays short: how long
those would have lasted nobody knows, so they are watched up to that day, and are none of the ways to end.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from django.db import models
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, rows, sql
from kit.survival import Curve, curve
from reporting.plans import FORWARD, OUTSIDE, Direction, Plan
from reporting.questions import Question


class End(models.TextChoices):
    """How a stay ends; those it does not end by compete with it."""

    ONWARD = "onward", _("on along the success path")
    DETOUR = "detour", _("on a detour")
    BACK = "back", _("back to an earlier stage")
    OUT = "out", _("out: an end off the path, or out of the model")
    OTHER = "other", _("otherwise: from or to a former stage")


def end(plan: Plan, source: str, target: str) -> End:
    """How a stay in one stage ends by a move to another."""
    way = plan.direction(source, target)
    if target == OUTSIDE or (way == Direction.DETOUR and plan.place(target).is_terminal):
        return End.OUT
    if way in FORWARD or way == Direction.RETURN:
        return End.ONWARD
    return {Direction.DETOUR: End.DETOUR, Direction.BACK: End.BACK}.get(way, End.OTHER)


@dataclass
class Stays:
    """The stays in one stage that began in the window: lengths of the finished by how they ended, of the open, and of
    those that another version has cut short."""

    ended: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    still: list[tuple[int, int]] = field(default_factory=list)
    cut: list[tuple[int, int]] = field(default_factory=list)

    @property
    def curve(self) -> Curve:
        return curve(self.ended, self.still, self.cut)


def begun(question: Question) -> dict[str, Stays]:
    """The stays that began in the window, by stage: one statement."""
    found: dict[str, Stays] = defaultdict(Stays)
    window = question.window
    statement = sql(
        """SELECT entry.from_stage AS stage, entry.to_stage AS target, entry.stay_days AS days, entry.by_version,
                  count(*)
           FROM {} WHERE entry.from_stage <> '' AND entry.since_day >= {} AND entry.since_day < {} AND {}
           GROUP BY 1, 2, 3, 4
           UNION ALL
           SELECT entry.to_stage, NULL, {}, false, count(*) FROM {}
           WHERE entry.to_stage <> '' AND entry.until_day IS NULL AND entry.day >= {} AND entry.day < {} AND {}
           GROUP BY 1, 3""",
        _table(question),
        window.start,
        window.end,
        of_question(question),
        open_days(question),
        _table(question),
        window.start,
        window.end,
        of_question(question),
    )
    for stage, target, days, by_version, count in rows(statement):
        if target is None:
            found[stage].still.append((days, count))
        elif by_version:
            found[stage].cut.append((days, count))
        else:
            found[stage].ended[end(question.plan, stage, target)].append((days, count))
    return found


def in_stage(question: Question) -> Sql:
    """`id, membership_id, seq, days, is_open, is_cut, began_day, until_day` of every stay in the question's stage that
    had begun when the window ended: the row that ended it, or that began it if it is open still."""
    return sql(
        """SELECT entry.id, entry.membership_id, entry.seq, entry.stay_days AS days, false AS is_open,
                  entry.by_version AS is_cut, entry.since_day AS began_day, entry.day AS until_day
           FROM {} WHERE entry.from_stage = {} AND entry.since_day < {} AND {}
           UNION ALL
           SELECT entry.id, entry.membership_id, entry.seq, {}, true, false, entry.day, NULL
           FROM {} WHERE entry.to_stage = {} AND entry.until_day IS NULL AND entry.day < {} AND {}""",
        _table(question),
        question.stage,
        question.window.end,
        of_question(question),
        open_days(question),
        _table(question),
        question.stage,
        question.window.end,
        of_question(question),
    )


def days(question: Question) -> Sql:
    """The days of a stay, of the row that ended it or, if it is open, of the one that began it."""
    return sql(
        """CASE WHEN reporting_stageentry.from_stage = {} THEN reporting_stageentry.stay_days
                ELSE {}::date - reporting_stageentry.evidence_day END""",
        question.stage,
        question.today,
    )


def open_days(question: Question) -> Sql:
    """The days of an open stay so far."""
    return sql("({}::date - entry.evidence_day)", question.today)


def of_question(question: Question) -> Sql:
    """That an entry is of the question's lifecycle, and bucket if it has one."""
    return sql("entry.lifecycle_id = {} {}", question.plan.lifecycle.pk, question.in_bucket())


def _table(question: Question) -> Sql:
    return sql("{} entry {}", question.table, question.joined())

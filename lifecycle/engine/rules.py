"""A version's rules: read once for many passes, which of them cannot be asked, whom they touch between two instants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import DataError, ProgrammingError, transaction
from django.utils.translation import gettext as _

from audience.conditions import compile, tree
from kit import installation
from kit.sql import Sql, join, rows, sql
from lifecycle.ledger import ledgers, stages
from lifecycle.models import Stage, Version

FAULTS = (tree.ConditionError, DataError, ProgrammingError)  # of a rule itself; a lost connection is none of its
A_DAY = timedelta(hours=26)  # a local day at its longest, and the hour
ENTRY = 0  # how the entry condition is named among the ids of transitions

# Facts that have a date of their own, which stands even when it lies before the subject's arrival in the stage: a deal
# that was won before the first contact is a fault in the data that reports must be able to show.
OWN_DATE = ("deal.", "purchase.", "contract.")


@dataclass(frozen=True)
class Rules:
    """A version's conditions, parsed once for many passes.

    `waits` are the rules that wait for their delay, `missed` those that move whoever misses a limit. These, and what
    asks for days in the stage (`by_stay`), begin anew with each stay: `of_stay`. Of them and of what asks about limits
    (`by_limit`) only the stage before the pass can know: `first_only`.
    """

    version: Version
    questions: dict[int, tree.Node]
    reasons: dict[int, str]
    own_date: frozenset[int]
    by_time: frozenset[int]
    by_stay: frozenset[int]
    by_limit: frozenset[int]
    waits: frozenset[int]
    missed: frozenset[int]
    has_gates: bool
    first_stage: int
    length: int
    zone: ZoneInfo
    watch: Callable[[Rules, datetime], None] | None = None  # looks at a pass before its moves are written

    @property
    def of(self) -> str:
        return self.version.lifecycle.of

    @property
    def ledger(self) -> ledgers.Ledger:
        return ledgers.of(self.version.lifecycle.slug)

    @property
    def of_stay(self) -> list[int]:
        return sorted(self.by_stay | self.waits | self.missed)

    @property
    def first_only(self) -> list[int]:
        return sorted(self.by_limit.union(self.of_stay))


def read(version: Version) -> Rules:
    """Parse a version's entry condition and its automatic transitions, but for those that stand still."""
    stopped = {each or ENTRY for each in version.stopped_rules.values_list("transition_id", flat=True)}
    asked, missed = _conditions(version), version.transitions.filter(on_missed=True)
    questions = {
        key: tree.parse(condition, of=version.lifecycle.of) for key, condition in asked.items() if key not in stopped
    }
    own = f"stage.{version.lifecycle.slug}"
    automatic = list(version.transitions.filter(by_hand=False).select_related("from_stage", "to_stage"))
    kinds = list(version.stages.values_list("kind", flat=True))
    return Rules(
        version=version,
        questions=questions,
        reasons={ENTRY: _("Entered the lifecycle")} | {each.pk: each.reason or str(each) for each in automatic},
        own_date=frozenset(key for key, node in questions.items() if _has_own_date(node)),
        by_time=frozenset(key for key, node in questions.items() if _changes_by_time(node)),
        by_stay=frozenset(key for key, node in questions.items() if _asks(node, f"{own}.days_in")),
        by_limit=frozenset(key for key, node in questions.items() if _asks(node, f"{own}.limit", f"{own}.hours_over")),
        waits=frozenset(each.pk for each in automatic if each.delay) & questions.keys(),
        missed=frozenset(missed.values_list("pk", flat=True)),
        has_gates=Stage.Kind.GATE in kinds,
        first_stage=stages.first_stage(version).pk,
        length=len(kinds),
        zone=installation.zone(),
    )


def _conditions(version: Version) -> dict[int, Any]:
    """The conditions of the entry and of what moves by itself, by the ids of the transitions."""
    asking = version.transitions.filter(by_hand=False, on_missed=False)
    return {ENTRY: version.entry} | dict(asking.values_list("pk", "condition"))


def faults(version: Version, subjects: Sql, at: datetime) -> dict[int, str]:
    """The conditions of a version that cannot be asked of these subjects, each with why."""
    found = {}
    for key, condition in _conditions(version).items():
        try:
            with transaction.atomic():
                node = tree.parse(condition, of=version.lifecycle.of)
                rows(compile.table({"asked": node}, of=version.lifecycle.of, at=at, among=subjects, evidence=True))
        except FAULTS as fault:
            found[key] = str(fault)
    return found


def touched(rules: Rules, since: datetime, until: datetime) -> Sql:
    """Whom a pass at `until` must look at that the pass at `since` has not moved.

    Nobody moves because a rule ceases to hold, so those for whom it may have come to hold are enough; but a delay
    begins anew when its condition ceases. And those whose limit or delay is over between the two.
    """
    waiting = [rules.questions[key] for key in rules.waits]
    pieces = [compile.touched(rules.questions.values(), of=rules.of, since=since, until=until, rising=True)]
    if waiting:
        pieces.append(compile.touched(waiting, of=rules.of, since=since, until=until))
        pieces.append(
            sql(
                """SELECT membership.subject_id FROM {} waiting
                   JOIN {} membership ON membership.id = waiting.membership_id
                   WHERE waiting.transition_id = ANY ({}) AND waiting.wakes_at >= {} AND waiting.wakes_at < {}""",
                rules.ledger.waiting,
                rules.ledger.memberships,
                list(rules.waits),
                since,
                until,
            )
        )
    if rules.missed:
        pieces.append(
            sql(
                """SELECT subject_id FROM {}
                   WHERE version_id = {} AND ended_at IS NULL AND due_at >= {} AND due_at < {}""",
                rules.ledger.memberships,
                rules.version.pk,
                since,
                until,
            )
        )
    return join(" UNION ", [sql("({})", piece) for piece in pieces])


def _has_own_date(node: tree.Node) -> bool:
    return any(leaf.field.name.startswith(OWN_DATE) for leaf in tree.leaves(node))


def _changes_by_time(node: tree.Node) -> bool:
    """Whether it can come to hold without a fact, so that no fact's date says since when it holds."""
    if isinstance(node, tree.Leaf):
        return node.comes_by_time
    if isinstance(node, tree.Not):
        return True
    return any(_changes_by_time(part) for part in node.parts)


def asks_the_stay(node: tree.Node, lifecycle: str) -> bool:
    """Whether a condition asks for days in the stage or about its limit: only the stage before a pass can know."""
    return _asks(node, *(f"stage.{lifecycle}.{field}" for field in ("days_in", "limit", "hours_over")))


def _asks(node: tree.Node, *fields: str) -> bool:
    return any(leaf.field.name in fields for leaf in tree.leaves(node))

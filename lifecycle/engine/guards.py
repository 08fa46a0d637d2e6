"""Guards of moves by hand: what must hold of a subject that is moved this way, unless somebody says why not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from audience.conditions import compile, describe, tree
from audience.conditions.tree import ConditionError, Node
from audience.live import INSTANT
from kit.sql import Sql, join, name, rows, sql
from lifecycle.models import Stage, Transition, Version


def to_stage(version: Version, to: Stage | None) -> list[Transition]:
    """The rules by hand that lead to a stage; none when none of them has a guard."""
    found = list(version.transitions.filter(by_hand=True, to_stage=to)) if to else []
    return found if any(each.guard for each in found) else []


def broken(ways: Sequence[Transition], of: str, members: Sql, at: datetime) -> Sql:
    """The subject_id of each of `members` (subject_id, from_stage) of whom none of the ways by hand that lead on from
    there may be taken; one without a guard always may. A guard that cannot be asked does not hold."""
    guards = {each.pk: node for each in ways if each.guard and (node := _parsed(each, of))}
    answers = compile.table(
        {f"g{key}": node for key, node in guards.items()},
        of=of,
        at=at + INSTANT,
        among=sql("SELECT subject_id FROM ({}) members", members),
    )
    from_here = {each.pk: sql("({}::bigint IS NULL OR asked.from_stage = {})", each.from_stage_id, each.from_stage_id)
                 for each in ways}  # fmt: skip
    held = {
        each.pk: sql("COALESCE(answers.{}, false)", name(f"g{each.pk}")) if each.pk in guards else Sql("false")
        for each in ways
    }
    free = [each for each in ways if not each.guard]
    guarded = [each for each in ways if each.guard]
    may = [from_here[each.pk] for each in free]
    may += [sql("({} AND {})", from_here[each.pk], held[each.pk]) for each in guarded]
    return sql(
        "SELECT asked.subject_id FROM ({}) asked LEFT JOIN ({}) answers USING (subject_id) WHERE ({}) AND NOT ({})",
        members,
        answers,
        join(" OR ", [from_here[each.pk] for each in guarded]),
        join(" OR ", may),
    )


def why_not(version: Version, subject_id: int, from_stage: int | None, to: Stage | None, at: datetime) -> str:
    """The guard in words that keeps one subject from being moved by hand; empty when none does."""
    ways = to_stage(version, to)
    if not ways:
        return ""
    member = sql("SELECT {}::bigint AS subject_id, {}::bigint AS from_stage", subject_id, from_stage)
    return in_words(ways, version.lifecycle.of) if rows(broken(ways, version.lifecycle.of, member, at)) else ""


def in_words(ways: Sequence[Transition], of: str) -> str:
    """What the guards ask, any of which is enough."""
    nodes = [node for each in ways if each.guard and (node := _parsed(each, of))]
    return (
        describe.sentence(tree.AnyOf(tuple(dict.fromkeys(nodes)))) if nodes else _("its guard cannot be asked any more")
    )


def _parsed(rule: Transition, of: str) -> Node | None:
    try:
        return tree.parse(rule.guard, of=of)
    except ConditionError:
        return None

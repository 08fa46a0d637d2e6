"""Why a condition holds or does not for one subject: the statement that answers sets, one output column per leaf."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from audience.conditions import describe, tree
from audience.conditions.compile import Statement
from audience.conditions.moment import Moment
from audience.conditions.tree import All, Leaf, Node, Not
from kit.sql import Sql, dicts, sql


@dataclass(frozen=True)
class Explanation:
    """One node in words: whether it held, and for a leaf the value that was found (None when unknown)."""

    sentence: str
    held: bool
    found: str | None
    parts: tuple[Explanation, ...] = ()
    word: str = ""  # all, any, not; empty for a leaf


def explain(node: Node, subject_id: int, *, of: str, at: datetime, known: datetime | None = None) -> Explanation | None:
    """The tree of answers for one subject; None when that subject was not there (or is erased)."""
    statement = Statement(of, Moment(at, known), sql("SELECT {}::bigint AS subject_id", subject_id))
    numbers = {leaf: statement.show(leaf) for leaf in dict.fromkeys(tree.leaves(node))}
    outputs = [Sql("q.subject_id IS NOT NULL AS there")]
    for leaf, number in numbers.items():
        outputs.append(sql(f"{{}} AS l{number}", statement.holds(leaf)))
        outputs.append(Sql(f"q.v{number}"))
    rows = dicts(statement.select(outputs))
    if not rows:
        return None
    answers = {leaf: (rows[0][f"l{number}"], rows[0][f"v{number}"]) for leaf, number in numbers.items()}
    return _explanation(node, answers)


def _explanation(node: Node, answers: dict[Leaf, tuple[bool, str | None]]) -> Explanation:
    if isinstance(node, Leaf):
        held, found = answers[node]
        return Explanation(describe.leaf(node), held, found)
    sentence = describe.sentence(node)
    if isinstance(node, Not):
        part = _explanation(node.part, answers)
        return Explanation(sentence, not part.held, None, (part,), "not")
    parts = tuple(_explanation(part, answers) for part in node.parts)
    if isinstance(node, All):
        return Explanation(sentence, all(part.held for part in parts), None, parts, "all")
    return Explanation(sentence, any(part.held for part in parts), None, parts, "any")

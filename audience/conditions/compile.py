"""From trees to SQL: one statement answers any number of questions about any number of subjects, as of an instant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from audience.conditions import columns, indexes, registry, scan, tree
from audience.conditions.moment import Moment, Span
from audience.conditions.registry import Aggregate, Ask, Column, Relation
from audience.conditions.tree import All, AnyOf, Leaf, Node, Not
from kit.sql import Sql, join, name, sql, value

CHOSEN = Sql("SELECT subject_id FROM chosen")
EVERYONE = Sql("")
LONGEST_NAME = 40  # of a question; PostgreSQL cuts names off at 63 bytes


def table(
    questions: Mapping[str, Node],
    *,
    of: str,
    at: datetime,
    known: datetime | None = None,
    among: Sql | None = None,
    evidence: bool = False,
) -> Sql:
    """One statement with a row for each person (or account) that was there: subject_id and a boolean per question.

    There at `at`: first seen strictly before it (with `known`: and recorded before that), not erased, in `among` when
    given (a statement that yields subject_id). The booleans are never NULL. With `evidence` each question has a second
    column "<name>__evidence": the instant since which it holds as far as facts tell; NULL when it does not hold or
    when time alone made it hold. Raises ValueError for a question's name that PostgreSQL would cut off.
    """
    for asked in questions:
        if not 0 < len(asked.encode()) <= LONGEST_NAME:
            raise ValueError(f"a question's name has 1 to {LONGEST_NAME} bytes, which {asked!r} has not")
    statement = Statement(of, Moment(at, known), among, evidence=evidence)
    outputs = []
    for asked, node in questions.items():
        holds = statement.holds(node)
        outputs.append(sql("{} AS {}", holds, name(asked)))
        if evidence:
            since = sql("CASE WHEN {} THEN {} END", holds, statement.since(node))
            outputs.append(sql("{} AS {}", since, name(f"{asked}__evidence")))
    return statement.select(outputs)


def members(
    node: Node,
    *,
    of: str,
    at: datetime,
    known: datetime | None = None,
    among: Sql | None = None,
    few: bool = False,
) -> Sql:
    """One statement with the subject_id of each of whom the condition holds; `table` says who is asked.

    `few`: those among are so few that whatever is joined is best found once, for all of them.
    """
    statement = Statement(of, Moment(at, known), among, few=few)
    statement.narrow(node)
    return statement.select([], where=statement.holds(node, as_filter=True))


def count(node: Node, *, of: str, at: datetime, known: datetime | None = None, among: Sql | None = None) -> int:
    """Of how many the condition holds."""
    return value(sql("SELECT count(*) FROM ({}) held", members(node, of=of, at=at, known=known, among=among)))


def touched(nodes: Iterable[Node], *, of: str, since: datetime, until: datetime, rising: bool = False) -> Sql:
    """One statement with the subject_id of all whose answer to one of the nodes may differ between the two instants.

    Complete: of everybody else the answers as of `since` and as of `until` are equal. In it are those first seen in
    `[since, until)`, those to whom something happened that a leaf asks for, and those whom time alone may change:
    activities leaving a window, ages in days reaching what a leaf asks.

    `rising`: only those matter of whom a node may have come to hold, and whoever time alone brings nearer to ceasing
    may be missing (a fading score fades for everybody at midnight). Complete for those whose answer turns to yes.
    """
    span = registry.span(since, until)
    nodes = list(nodes)
    leaves = list(dict.fromkeys(leaf for node in nodes for leaf in tree.leaves(node)))
    pieces = [sql(f"SELECT s.id FROM {columns.TABLES[of]} s WHERE {{}}", span.within("s.first_seen_at"))]
    turns: Iterable[tuple[Leaf, bool | None]] = ((leaf, None) for leaf in leaves)
    if rising:
        turns = (each for node in nodes for each in tree.turns(node))
    turns = dict.fromkeys(turns)
    figures = [leaf for leaf in leaves if isinstance(leaf.field.answer, Aggregate)]
    leaving = {leaf for leaf, to in turns if not to or not scan.only_grows(leaf)}
    pieces += scan.touched(figures, [leaf for leaf in figures if leaf in leaving], of, span)
    for leaf, to in turns:
        pieces += _touched(leaf, to, of, span)
    either = join("\nUNION ALL ", {_same(piece): piece for piece in pieces}.values())
    return sql(
        "SELECT DISTINCT piece.subject_id FROM ({}) piece (subject_id) WHERE piece.subject_id IS NOT NULL", either
    )


def _touched(leaf: Leaf, to: bool | None, of: str, span: Span) -> list[Sql]:
    answer = leaf.field.answer
    if isinstance(answer, Column):
        pieces = columns.touched(answer, of, span)
        if leaf.how.timed:
            ages = leaf.how.ages(leaf.operand)
            pieces += columns.touched_by_time(answer, leaf.field.type, of, ages, span)
        return pieces
    if isinstance(answer, Relation):
        return answer.touched(replace(_ask(leaf, of, span.until), turns=to), span)
    return []


def _ask(leaf: Leaf, of: str, moment: Moment, chosen: Sql = EVERYONE, evidence: bool = False) -> Ask:
    return Ask(of, moment, leaf.where, leaf.days, leaf.how, leaf.operand, chosen, evidence, who=leaf.who)


def _same(piece: Sql) -> tuple[str, str]:
    """What two pieces that are the same share (bound lists keep pieces from being keys themselves)."""
    return piece.text, repr(piece.params)


class Statement:
    """One statement in the making: leaves become columns l0, l1 … of an inner query, shared by all questions.

    The outer query combines them. (The planner folds both into one; the split keeps each leaf written once.)
    """

    def __init__(
        self, of: str, moment: Moment, among: Sql | None, *, evidence: bool = False, few: bool = False
    ) -> None:
        chosen = CHOSEN if among else EVERYONE
        self.of = of
        self.moment = moment
        self.among = among
        self.evidence = evidence
        self.chosen = chosen
        self.few = few
        self.subjects = columns.Subjects(of, moment, chosen, evidence, few)
        self.activities = scan.Activities(of, moment, chosen, few)
        self.relations: dict[tuple[str, str], tuple[str, Sql]] = {}
        self.leaves: dict[Leaf, int] = {}
        self.inner: list[Sql] = []

    def narrow(self, node: Node) -> None:
        """Let indexes say who can fulfil the condition at all: by what must hold for all of it to hold."""
        for leaf in tree.needed(node):
            answer = leaf.field.answer
            if not isinstance(answer, Column) or not answer.indexed or answer.owner != self.of:
                continue
            stored = sql("(s.custom ->> {})", answer.name)
            if found := indexes.finds(stored, leaf.field.type, leaf.how, leaf.operand):
                self.subjects.narrow(answer, found)

    def beside(self, rows: Sql, alias: str, columns: Iterable[str]) -> None:
        """Join a statement of one's own with a row per subject_id; its columns can be taken as q.<column>."""
        self.relations[alias, ""] = (alias, rows)
        self.inner += [Sql(f"{alias}.{column}") for column in columns]

    def holds(self, node: Node, *, as_filter: bool = False) -> Sql:
        """A condition over the inner columns; never NULL, but as a filter, where NULL keeps a row out like false."""
        if isinstance(node, Leaf):
            held = Sql(f"q.l{self.leaf(node)}")
            return held if as_filter else sql("COALESCE({}, false)", held)
        if isinstance(node, Not):
            return sql("(NOT {})", self.holds(node.part))
        parts = [self.holds(part, as_filter=as_filter) for part in node.parts]
        if not parts:
            return Sql("true")
        return sql("({})", join(" AND " if isinstance(node, All) else " OR ", parts))

    def since(self, node: Node) -> Sql:
        """Since when a condition holds that does: all of it since the latest part, any of it since the earliest."""
        if isinstance(node, Leaf):
            return Sql(f"q.e{self.leaf(node)}")
        if isinstance(node, Not):
            return Sql("NULL::timestamptz")
        if isinstance(node, AnyOf):
            held = [sql("CASE WHEN {} THEN {} END", self.holds(part), self.since(part)) for part in node.parts]
            return sql("LEAST({})", join(", ", held))
        parts = [self.since(part) for part in node.parts]
        return sql("GREATEST({})", join(", ", parts)) if parts else Sql("q.first_seen_at")

    def leaf(self, leaf: Leaf) -> int:
        """The number of a leaf's column; the same leaf has one column."""
        if leaf not in self.leaves:
            self.leaves[leaf] = number = len(self.leaves)
            found = self.value(leaf)
            self.inner.append(sql(f"{{}} AS l{number}", leaf.how.holds(found, leaf.operand, self.moment)))
            if self.evidence:
                self.inner.append(sql(f"{{}} AS e{number}", self._leaf_since(leaf)))
        return self.leaves[leaf]

    def show(self, leaf: Leaf) -> int:
        """The number of a leaf's column, with the value found in another one, v0, v1 …, as text."""
        number = self.leaf(leaf)
        found = self.value(leaf, plain=True)
        text = "array_to_string({}, ', ')" if leaf.field.type in ("ever", "set") else "({})::text"
        self.inner.append(sql(f"{text} AS v{number}", found))
        return number

    def value(self, leaf: Leaf, *, plain: bool = False) -> Sql:
        """The value asked of, as SQL. Where nothing found means 0, that is spelt out only if it can matter."""
        answer = leaf.field.answer
        if isinstance(answer, Column):
            found = self.subjects.value(answer, leaf.field.type)
        elif isinstance(answer, Aggregate):
            found = self._aggregate(answer.function, leaf)
        else:
            ask = _ask(leaf, self.of, self.moment, self.chosen, self.evidence)
            found = answer.read(self._relation(leaf, answer), ask)
        least = leaf.how.least(leaf.operand)
        if leaf.field.zero and (plain or least is None or least <= 0):
            return sql("COALESCE({}, 0)", found)
        return found

    def select(self, outputs: list[Sql], where: Sql = EVERYONE) -> Sql:
        """The whole statement."""
        chosen = Sql("")
        if self.among:
            chosen = sql("WITH chosen AS MATERIALIZED (SELECT DISTINCT subject_id FROM ({}) among) ", self.among)
        joins = [
            sql(f"LEFT JOIN ({{}}) {alias} ON {alias}.subject_id = s.id", columns.joined(rows, self.few))
            for alias, rows in self.relations.values()
        ]
        return sql(
            "{}SELECT {} FROM (SELECT {} {} {} {} WHERE {}) q{}",
            chosen,
            join(", ", [Sql("q.subject_id"), *outputs]),
            join(", ", [Sql("s.id AS subject_id"), Sql("s.first_seen_at"), *self.inner]),
            self.subjects.source(),
            self.activities.source(),
            join(" ", joins),
            self.subjects.there(),
            sql(" WHERE {}", where) if where else Sql(""),
        )

    def _aggregate(self, function: str, leaf: Leaf) -> Sql:
        if function == "days_since_last":
            return self.moment.days_since(self.activities.figure("last", leaf.where, leaf.days))
        if function == "change":  # n − (2n days' − n), so that both windows begin where the clock says
            days = leaf.days or 0
            now, both = (self.activities.figure("count", leaf.where, span) for span in (days, 2 * days))
            return sql("(2 * {} - {})", now, both)
        return self.activities.figure(function, leaf.where, leaf.days)

    def _relation(self, leaf: Leaf, answer: Relation) -> str:
        rows = answer.rows(_ask(leaf, self.of, self.moment, self.chosen, self.evidence))
        return self.relations.setdefault(_same(rows), (f"r{len(self.relations)}", rows))[0]

    def _leaf_since(self, leaf: Leaf) -> Sql:
        answer = leaf.field.answer
        never = Sql("NULL::timestamptz")
        if leaf.comes_by_time:
            return never
        if isinstance(answer, Column):
            return self.subjects.last_change(answer)
        if isinstance(answer, Relation):
            return Sql(f"{self._relation(leaf, answer)}.evidence")
        if answer.function == "count":
            least = leaf.how.least(leaf.operand)
            return self.activities.figure(f"nth {least}", leaf.where, leaf.days) if least and least > 0 else never
        return self.activities.figure("first" if answer.function == "first" else "last", leaf.where, leaf.days)

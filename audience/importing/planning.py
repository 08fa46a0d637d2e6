"""What is to become of every row: one narrow table, `plan`, that the writing follows range by range.

`action` is create, update, same (nothing new), skip (the policy says so), repeat (a later row is about the same), part
and same_part (it is written, or is there, with a later row that is about the same), or the name of a reason to refuse
the row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from audience.importing import staging
from audience.importing.run import Run
from kit.sql import Sql, join, name, rows, run, sql, value

ROUNDS = 3  # in which rows learn from those before them: whoever is known by an id here, by an email there, takes two
COUNTED = {
    "create": "created", "update": "updated", "same": "unchanged", "skip": "skipped", "repeat": "repeated",
    "part": "updated", "same_part": "unchanged",
}  # fmt: skip


def anew(work: Run) -> None:
    """Nothing is decided yet: what an earlier decision made and refused is gone."""
    work.drop("plan", "accounts", "people", "products", "owners", "titles", "kinds", "digests", "steps", "handed")
    staging.forget_refused_later(work)


def match_in_turn(work: Run, match: Callable[[Run], None], together: Sequence[Sequence[str]]) -> None:
    """Decide by `match`, with rows about one as if each came in after the one before: a blank says nothing.

    What the last of them leaves blank it has from the latest that says it; fields `together` are from one row.
    """
    match(work)
    for _round in range(ROUNDS):
        if not _hand_down(work, together):
            return
        anew(work)
        match(work)


def _hand_down(work: Run, together: Sequence[Sequence[str]]) -> int:
    """Fill what the rows that count leave blank from their repetitions; how many rows gained by it."""
    if "repeat" not in planned(work):
        return 0
    handed, staged = work.table("handed"), work.table("rows")
    bound = [[each for each in fields if work.has(each)] for fields in together]
    parts = [fields for fields in bound if fields]
    parts += [[each] for each in work.named if not any(each in fields for fields in parts)]

    def said(alias: str, fields: Sequence[str]) -> Sql:
        return sql("({})", join(" OR ", (sql("{}.{} IS NOT NULL", Sql(alias), name(each)) for each in fields)))

    each_of = [(name(each), fields) for fields in parts for each in fields]
    last_said = "(array_agg(e.{} ORDER BY e.row DESC) FILTER (WHERE {}))[1] AS {}"
    latest = join(", ", (sql(last_said, each, said("e", fields), each) for each, fields in each_of))
    own_or_latest = "{} = CASE WHEN {} THEN r.{} ELSE f.{} END"
    filled = join(", ", (sql(own_or_latest, each, said("r", fields), each, each) for each, fields in each_of))
    gains = join(" OR ", (sql("(NOT {} AND {})", said("r", fields), said("f", fields)) for fields in parts))
    gained = run(
        sql(
            """UPDATE {} r SET {} FROM (SELECT h.last, {} FROM {} h JOIN {} e ON e.row = h.row GROUP BY h.last) f
               WHERE r.row = f.last AND ({})""",
            staged, filled, latest, handed, staged, gains,
        )
    )  # fmt: skip
    if work.custom:
        gained += run(
            sql(
                """UPDATE {} r SET custom = f.custom || r.custom FROM (
                       SELECT h.last, jsonb_object_agg(one.key, one.value ORDER BY e.row) AS custom
                       FROM {} h JOIN {} e ON e.row = h.row CROSS JOIN LATERAL jsonb_each(e.custom) one GROUP BY 1) f
                   WHERE r.row = f.last AND f.custom || r.custom <> r.custom""",
                staged, handed, staged,
            )
        )  # fmt: skip
    derived = join(", ", (sql("{} = {}", name(each.name), each.value) for each in work.kind.derive(work)))
    if gained and derived:
        run(sql("UPDATE {} r SET {} FROM {} h WHERE r.row = h.last", staged, derived, handed))
    return gained


def make(work: Run, query: Sql) -> None:
    """Fill `plan` from a query with `row`, `action` and whatever the kind needs for writing."""
    work.create("plan", query)
    work.planned = None


def planned(work: Run) -> dict[str, tuple[int, int]]:
    """Of each action how many rows it has and the last of them; counted again once the plan has changed."""
    if work.planned is None:
        found = rows(sql("SELECT action, count(*), max(row) FROM {} GROUP BY 1", work.table("plan")))
        work.planned = {action: (number, last) for action, number, last in found}
    return work.planned


def change(work: Run, statement: Sql) -> None:
    """Run a statement that changes what some rows come to."""
    run(statement)
    work.planned = None


def number(work: Run, column: str, next_id: Sql) -> int:
    """Give the new their ids; how many they are.

    Apart from the plan's own query, because one that draws from a sequence runs in a single process.
    """
    if "create" not in planned(work):
        return 0
    new = run(sql("UPDATE {} SET {} = {} WHERE action = 'create'", work.table("plan"), name(column), next_id))
    run(sql("ANALYZE {}", work.table("plan")))
    return new


def ready(work: Run) -> None:
    """The plan stands: where there is something to write, make its ranges, and those of the rows, quick to find."""
    if writes(work):
        run(sql("CREATE INDEX ON {} (row)", work.table("plan")))
        ranges, staged = name(f"import_{work.imported.pk}_ranges"), work.table("rows")  # there after a first match
        run(sql("CREATE INDEX IF NOT EXISTS {} ON {} USING brin (row) WITH (pages_per_range = 16)", ranges, staged))


def writes(work: Run) -> bool:
    """Whether any row is to be written."""
    return not planned(work).keys().isdisjoint(("create", "update"))


def refuse(work: Run, action: str, target: str, reason: str) -> int:
    """Refuse the rows whose action says so, under the column that became this field."""
    if action not in planned(work):
        return 0
    numbers = sql("SELECT row FROM {} WHERE action = {} ORDER BY row", work.table("plan"), action)
    return staging.refuse_later(work, numbers, staging.column_of(work, target), reason)


def last_counts(work: Run, column: str) -> None:
    """Of rows with one value in this column of `rows` only the last counts; the earlier are repetitions."""
    # Numbers group faster than texts; two texts of one number are told apart below.
    mark = sql("hashtextextended(r.{}, 0)", name(column))
    rows_in = sql("{} r WHERE problem IS NULL", work.table("rows"))
    _last_counts(work, sql("r.{}", name(column)), mark, rows_in)


def last_counts_of(work: Run, column: str) -> None:
    """Of rows with one value in this column of `plan` only the last counts."""
    key = sql("p.{}", name(column))
    _last_counts(work, key, key, sql("{} p", work.table("plan")))


def _last_counts(work: Run, key: Sql, mark: Sql, among: Sql) -> None:
    """Most files repeat nobody, which two numbers tell in a quarter of the time that it takes to look who it is."""
    if not value(sql("SELECT count({}) <> count(DISTINCT {}) FROM {}", mark, mark, among)):
        return
    often = sql("SELECT {} AS mark FROM {} GROUP BY 1 HAVING count({}) > 1", mark, among, mark)
    work.create("repeated", often)
    _repeat(work, key, sql("JOIN {} often ON often.mark = {}", work.table("repeated"), mark))
    work.drop("repeated")


def _repeat(work: Run, key: Sql, only: Sql) -> None:
    """The earlier rows are repetitions; `handed` tells of which."""
    run(sql("CREATE UNLOGGED TABLE IF NOT EXISTS {} (row bigint, last bigint)", work.table("handed")))
    change(
        work,
        sql(
            """
            WITH gone AS (UPDATE {} p SET action = 'repeat' FROM {} r, (
                SELECT {} AS key, max(p.row) AS last FROM {} p JOIN {} r ON r.row = p.row {}
                WHERE p.action IN ('create', 'update', 'same') AND {} IS NOT NULL GROUP BY 1 HAVING count(*) > 1
            ) twice
            WHERE r.row = p.row AND {} = twice.key AND p.row < twice.last AND p.action IN ('create', 'update', 'same')
            RETURNING p.row, twice.last) INSERT INTO {} SELECT row, last FROM gone
            """,
            work.table("plan"),
            work.table("rows"),
            key,
            work.table("plan"),
            work.table("rows"),
            only,
            key,
            key,
            work.table("handed"),
        ),
    )


def between(after: int, last: int) -> Sql:
    """The rows `(after, last]` of `plan` p and `rows` r, said of both so that each finds them quickly."""
    return sql("p.row > {} AND p.row <= {} AND r.row > {} AND r.row <= {}", after, last, after, last)


def counted(work: Run, after: int, last: int) -> Counter[str]:
    """How many of the rows `(after, last]` are created, updated, unchanged, skipped, repeated."""
    if not after and last >= last_row(work):
        return totals(work)
    found = rows(
        sql("SELECT action, count(*) FROM {} WHERE row > {} AND row <= {} GROUP BY 1", work.table("plan"), after, last)
    )
    return _named(found)


def totals(work: Run) -> Counter[str]:
    """The same over all rows: what a dry run answers."""
    return _named((action, number) for action, (number, _last) in planned(work).items())


def _named(found: Iterable[tuple[str, int]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for action, number in found:
        if action in COUNTED:
            counts[COUNTED[action]] += number
    return counts


def last_row(work: Run) -> int:
    """The number of the last row that is planned."""
    return max((last for _number, last in planned(work).values()), default=0)

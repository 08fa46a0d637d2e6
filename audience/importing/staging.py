"""From a batch of lines to typed rows: COPY as text, one statement that reads and checks all, the refused apart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from typing import Any

from django.utils.translation import gettext_noop

from audience.conditions.operators import fold
from audience.importing import values
from audience.importing.reading import Bad, Batch
from audience.importing.run import Mapped, Run
from audience.importing.targets import ALL_PROPERTIES
from audience.models import Field
from kit import addresses, copying
from kit.sql import Sql, join, name, rows, run, sql

REJECT_COLUMNS = ("imported_id", "row", "column", "reason", "raw")
RAW = ("raw", "raw_next")  # one is filled while what the other holds is typed
TOO_LONG = gettext_noop("is too long")
AT_ONCE = 500  # lines handed over at once
NEEDS, CHECKS = 10_000, 20_000  # where the numbers of such problems begin; a cell's are twice its place, and 1 more


def begin(work: Run) -> None:
    """Make the empty tables, and forget what an earlier attempt refused."""
    work.drop()
    work.imported.rejects.all().delete()
    cells = [Sql(f"{column} text") for column in work.staged]
    if work.picked is not None:
        cells.append(Sql("cells jsonb"))
    for raw in RAW:
        run(sql("CREATE UNLOGGED TABLE {} (row bigint, {})", work.table(raw), join(", ", cells)))
    columns = join(", ", (sql("{} {}", name(column), Sql(of)) for column, of in _columns(work)))
    run(sql("CREATE UNLOGGED TABLE {} (row bigint, {}, problem smallint)", work.table("rows"), columns))
    run(sql("CREATE INDEX ON {} (row) WHERE problem IS NOT NULL", work.table("rows")))


def loaded(work: Run, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Sql]]:
    """Each batch with the table that holds its cells as text, until the one after the next is asked for."""
    columns = ["row", *work.staged, *(["cells"] if work.picked is not None else [])]
    for batch, raw in zip(batches, cycle(map(work.table, RAW)), strict=False):
        run(sql("TRUNCATE {}", raw))
        lines = ("".join(batch.lines[at : at + AT_ONCE]) for at in range(0, len(batch.lines), AT_ONCE))
        copying.load(raw, columns, lines, delimiter=work.layout.delimiter)
        _punycode(work, raw)
        yield batch, raw


def take(work: Run, batch: Batch, raw: Sql) -> int:
    """Bring one loaded batch in; the number of rows refused. Runs within the caller's transaction."""
    return _type(work, raw) + refuse(work, batch.bad)


def take_few(work: Run, lines: Iterable[Sequence[Any]]) -> int:
    """Bring rows in that are at hand, as numbers and cells; the number of those refused."""
    raw = work.table(RAW[0])
    copying.load_rows(raw, ["row", *work.staged], lines)
    _punycode(work, raw)
    return _type(work, raw)


def finish(work: Run) -> None:
    """All rows are there: the database learns how many, and what of them repeats."""
    keys = ("external_id", "email", "account_key", "person_key", "product_key", "digest")
    known = [name(column) for column, _type in _columns(work) if column in keys]
    run(sql("ANALYZE {} ({})", work.table("rows"), join(", ", [Sql("row"), Sql("problem"), *known])))
    work.drop(*RAW)


def refuse(work: Run, bad: Iterable[Bad], column: str = "") -> int:
    """Write rows that are refused with their reason and their cells; how many."""
    lines = ((work.imported.pk, each.row, column, each.reason, json.dumps(each.cells)) for each in bad)
    return copying.load_rows(Sql("audience_reject"), REJECT_COLUMNS, lines)


def refuse_later(work: Run, numbers: Sql, column: str, reason: str) -> int:
    """Refuse rows that are already staged: `numbers` selects their numbers in order. Their cells are read again."""
    wanted = [number for (number,) in rows(numbers)]
    found = work.cells_of(wanted) if wanted else ()
    return refuse(work, (Bad(row, reason, cells) for row, cells in found), column)


def forget_refused_later(work: Run) -> None:
    """Take back what was refused after staging."""
    run(
        sql(
            "DELETE FROM audience_reject WHERE imported_id = {} AND row IN (SELECT row FROM {} WHERE problem IS NULL)",
            work.imported.pk,
            work.table("rows"),
        )
    )


def column_of(work: Run, *targets: str) -> str:
    """The name in the file of the first of these fields that is mapped to a column."""
    for target in targets:
        mapped = work.named.get(target)
        if mapped is not None and mapped.column is not None:
            return str(work.imported.header[mapped.column])
    return ""


def _columns(work: Run) -> list[tuple[str, str]]:
    """The columns of typed rows with their types, but for the row's number and its problem."""
    plain = [each for each in work.named.values() if each.target != ALL_PROPERTIES]
    columns = [(each.target, "bigint" if _is_money(each) else each.type.column) for each in plain]
    columns += [("custom", "jsonb")] if work.custom else []
    columns += [("properties", "jsonb")] if work.tells_properties else []
    columns += [("digest", "text")] if work.kind.digest else []
    return columns + [(each.name, each.column) for each in work.kind.derive(work)]


def _type(work: Run, raw: Sql) -> int:
    """Typed rows in, then the refused with their reason beside; how many these are.

    In two statements: rows that one hands on to another are kept in between, which costs as much as typing some cells.
    """
    columns = join(", ", (name(column) for column, _type in _columns(work)))
    run(
        sql(
            "INSERT INTO {} (row, {}, problem) SELECT row, {}, coalesce(problem, {}) FROM ({}) r",
            work.table("rows"),
            columns,
            columns,
            _row_problem(work),
            _typed(work, raw),
        )
    )
    return run(
        sql(
            """
            INSERT INTO audience_reject (imported_id, row, "column", reason, raw)
            SELECT {}, r.row, why."column", why.reason, {} FROM {} r JOIN {} raw ON raw.row = r.row
            JOIN (VALUES {}) why (problem, "column", reason) ON why.problem = r.problem
            WHERE r.problem IS NOT NULL AND r.row >= (SELECT min(first.row) FROM {} first)
            """,
            work.imported.pk,
            Sql("raw.cells") if work.picked is not None else _cells(work),
            work.table("rows"),
            raw,
            _reasons(work),
            raw,
        )
    )


def _typed(work: Run, raw: Sql) -> Sql:
    """The rows with typed values and the first problem of a cell: clean, read, name, derive, each worked out once."""
    digest = [Sql("digest")] if work.kind.digest else []
    typed = [(i, each) for i, each in enumerate(work.mapped) if each.type.name != "text"]
    plain = [
        sql("{} AS {}", _cell(each), Sql(f"v{i}")) for i, each in enumerate(work.mapped) if each.type.name == "text"
    ]
    texts = [Sql(f"v{i}") for i, each in enumerate(work.mapped) if each.type.name == "text"]
    clean = [sql("{} AS {}", each.type.clean(_cell(each)), Sql(f"n{i}")) for i, each in typed]
    if digest:
        clean.append(sql("{} AS digest", _digest(work)))
    read = [sql("{} AS {}", each.type.read(Sql(f"n{i}")), Sql(f"v{i}")) for i, each in typed]
    query = _level([*plain, *clean], raw)
    query = _level([*texts, *(Sql(f"n{i}") for i, _each in typed), *read, *digest], sql("({})", query))
    query = _level([*_named(work), *digest, sql("{} AS problem", _cell_problem(work))], sql("({})", query))
    derived = [sql("{} AS {}", each.value, name(each.name)) for each in work.kind.derive(work)]
    if derived:
        query = _level([Sql("r.*"), *derived], sql("({})", query), row=False)
    return query


def _level(columns: Sequence[Sql], source: Sql, *, row: bool = True) -> Sql:
    """One step over the step before. OFFSET 0 keeps the planner from merging steps and working things out twice."""
    return sql("SELECT {} FROM {} r OFFSET 0", join(", ", [Sql("row"), *columns] if row else columns), source)


def _cell(mapped: Mapped) -> Sql:
    if mapped.column is None:
        return sql("{}::text", mapped.constant)
    cell = Sql(f"c{mapped.column}")
    return values.translated(cell, mapped.words) if mapped.words else cell


def _cells(work: Run) -> Sql:
    return sql("to_jsonb(ARRAY[{}])", join(", ", (Sql(f"coalesce(raw.{column}, '')") for column in work.staged)))


def _digest(work: Run) -> Sql:
    """The name of a row that has none: what it says, all of it, and what else the mapping says of it."""
    constants = [sql("{}::text", f"{each.target}={each.constant}") for each in work.mapped if each.constant is not None]
    when = [sql("{}::text", f"{each.target}={each.column}") for each in work.mapped if each.target == "occurred"]
    parts = join(", ", [*constants, *when, *(Sql(column) for column in work.staged)])
    text = sql("array_to_string(ARRAY[{}], chr(31), '')", parts)
    made = sql("left(encode(sha256(convert_to({}, 'UTF8')), 'hex'), 32)", text)
    own = work.named.get("external_id")
    return sql("CASE WHEN {} IS NULL THEN {} END", _cell(own), made) if own else made


def _named(work: Run) -> list[Sql]:
    """The values under their fields' names, custom fields and properties as one object each."""
    place = {each.target: i for i, each in enumerate(work.mapped)}
    columns = []
    for each in work.named.values():
        if each.target == ALL_PROPERTIES:
            continue
        plain = Sql(f"v{place[each.target]}")
        columns.append(sql("{} AS {}", _minor(work, plain, place) if _is_money(each) else plain, name(each.target)))
    for which, several in (("custom", work.custom), ("properties", work.properties)):
        pairs = [(each.target.partition(".")[2], _as_json(work, each, place)) for each in several]
        parts = [_object(pairs)] if pairs else []
        if which == "properties" and ALL_PROPERTIES in place:
            parts.insert(0, sql("coalesce({}, '{{}}')", Sql(f"v{place[ALL_PROPERTIES]}")))
        if parts:
            columns.append(sql("({}) AS {}", join(" || ", parts), Sql(which)))
    return columns


def _minor(work: Run, amount: Sql, place: dict[str, int]) -> Sql:
    currency = sql("{}::text", work.currency)
    if "currency" in place:
        currency = sql("coalesce({}, {})", Sql(f"v{place['currency']}"), currency)
    return values.minor(amount, currency)


def _as_json(work: Run, mapped: Mapped, place: dict[str, int]) -> Sql:
    value = Sql(f"v{place[mapped.target]}")
    if _is_money(mapped):
        value = _minor(work, value, place)
    if chosen := work.chosen.get(mapped.target.partition(".")[2]):
        return _choice(chosen, value)
    return sql("to_jsonb({}::text)", value) if mapped.type.name in ("date", "instant") else sql("to_jsonb({})", value)


def _choice(field: Field, told: Sql) -> Sql:
    """A choice by its value, whichever of its names a file has for it; several are parted by semicolons."""
    known = json.dumps({fold(word): value for word, value in field.words().items()}, ensure_ascii=False)

    def value(text: Sql) -> Sql:
        return sql('coalesce({}::jsonb ->> lower({} COLLATE "C"), {})', known, text, text)

    if field.type != Field.Type.SEVERAL:
        return sql("to_jsonb({})", value(told))
    return sql(
        """(SELECT jsonb_agg(each.v ORDER BY each.at) FROM (
              SELECT v, min(array_position({}::text[], v)) AS at FROM (
                SELECT {} AS v FROM regexp_split_to_table({}, {}) part WHERE btrim(part) <> '') named
              GROUP BY v) each)""",
        [each for each, _label in field.labelled()],
        value(Sql("btrim(part)")),
        told,
        r"[;\n]",
    )  # fmt: skip


def _object(pairs: Sequence[tuple[str, Sql]]) -> Sql:
    """An object of what is not NULL. A function takes a hundred arguments at most, so it is put together in parts."""
    parts = []
    for start in range(0, len(pairs), 40):
        arguments = join(", ", (sql("{}::text, {}", key, value) for key, value in pairs[start : start + 40]))
        parts.append(sql("jsonb_build_object({})", arguments))
    return sql("jsonb_strip_nulls({})", join(" || ", parts))


def _is_money(mapped: Mapped) -> bool:
    return mapped.type.name == "money"


def _cell_problem(work: Run) -> Sql:
    """The number of the first problem of a cell; NULL when all of them can be read."""
    cases = []
    for i, each in enumerate(work.mapped):
        text, value = Sql(f"n{i}"), Sql(f"v{i}")
        if each.type.name == "text":
            long = sql("octet_length({}) > {} AND length({}) > {}", value, each.length, value, each.length)
            cases.append(sql("WHEN {} THEN {}", long, 2 * i + 1))
            continue
        cases.append(sql("WHEN {} IS NULL AND {} IS NOT NULL THEN {}", value, text, 2 * i))
        if each.type.name == "instant" and (zone := each.zone or work.zone) != "UTC":
            cases.append(sql("WHEN {} THEN {}", values.skipped_by_clocks(text, value, zone), 2 * i + 1))
    return sql("CASE {} END", join(" ", cases)) if cases else Sql("NULL::int")


def _row_problem(work: Run) -> Sql:
    """The number of the first thing that is wrong with a row whose cells can all be read."""
    cases = []
    for i, need in enumerate(work.kind.needs):
        mapped = [sql("{} IS NULL", name(target)) for target in need.any_of if target in work.named]
        cases.append(sql("WHEN {} THEN {}", join(" AND ", mapped or [Sql("true")]), NEEDS + i))
    for i, check in enumerate(work.kind.checks(work)):
        cases.append(sql("WHEN {} THEN {}", check.wrong, CHECKS + i))
    return sql("CASE {} END", join(" ", cases)) if cases else Sql("NULL::int")


def _reasons(work: Run) -> Sql:
    found: list[tuple[int, str, str]] = []
    for i, each in enumerate(work.mapped):
        column = str(work.imported.header[each.column]) if each.column is not None else each.target
        found.append((2 * i, column, each.type.wrong))
        found.append((2 * i + 1, column, TOO_LONG if each.type.name == "text" else values.SKIPPED))
    for i, need in enumerate(work.kind.needs):
        found.append((NEEDS + i, column_of(work, *need.any_of), str(need.reason)))
    for i, check in enumerate(work.kind.checks(work)):
        found.append((CHECKS + i, column_of(work, check.target), str(check.reason)))
    return join(", ", (sql("({}::int, {}, {})", *each) for each in found))


def _punycode(work: Run, raw: Sql) -> None:
    """Domains in other scripts become what the network calls them, before anything is compared."""
    for each in work.mapped:
        if each.type.name not in ("email", "domain") or each.column is None:
            continue
        column = Sql(f"c{each.column}")
        beyond = rows(
            sql("SELECT DISTINCT {} FROM {} WHERE octet_length({}) <> length({})", column, raw, column, column)
        )
        for (text,) in beyond:
            run(sql("UPDATE {} SET {} = {} WHERE {} = {}", raw, column, addresses.ascii_domain(text), column, text))

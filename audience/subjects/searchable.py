"""Custom fields marked as searchable have an index: made and dropped here, and asked by lists and the search box.

What stands in the database is the truth: `bring_up` makes what is missing, makes anew what a killed worker left
unfinished, and drops what no field asks for, so it can be repeated at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from datetime import datetime
from typing import Any

from django.db import ProgrammingError, connection, transaction
from django.utils.translation import gettext as _

from audience.conditions import columns, indexes, operators
from audience.models import Field
from kit import jobs
from kit.models import Job, User
from kit.sql import Sql, join, name, rows, run, sql, value

JOB = "field_indexes"
AT_ONCE = 50_000  # rows of a table that is indexed within the request; beside a larger one writers go on
NAMES = re.compile(r"custom_(person|account)_(\d{1,18})")

AS_ASKED: Mapping[str, str] = {Field.Type.SEVERAL: "set"}  # types that conditions call otherwise


class NotAllowed(Exception):
    """The database account of the application may make no indexes."""


def marked(of: str) -> list[Field]:
    """The fields that lists and the search box know, in their order."""
    return list(Field.objects.filter(of=of, searchable=True).order_by("group", "position", "label", "pk"))


def ready(fields: Iterable[Field]) -> set[int]:
    """Those of the fields whose index is there and whole."""
    there = {index: valid for index, valid in _there() if valid}
    return {field.pk for field in fields if _called(field) in there}


def settle(*, by: User | None, now: datetime) -> None:
    """Bring the indexes in line with what is marked: now where tables are small, else by a job. Raises NotAllowed."""
    missing, spare = _differing()
    if not missing and not spare:
        return
    if any(_is_large(of) for of in {field.of for field in missing} | {of for _index, of in spare}):
        if not Job.objects.filter(kind=JOB, state=Job.State.QUEUED).exists():
            jobs.enqueue(JOB, {}, by=by, now=now, title=_("Indexes of custom fields"))
        return
    with transaction.atomic():
        run(Sql("SET CONSTRAINTS ALL IMMEDIATE"))  # what this transaction wrote has to be checked before an index is
        bring_up(concurrently=False)


def work(held: jobs.Held) -> dict[str, Any]:
    """The job: nobody who writes waits for it."""
    try:
        return {"indexes": bring_up(concurrently=True)}
    except NotAllowed as refused:
        raise jobs.Refused(str(refused)) from refused


def bring_up(*, concurrently: bool) -> int:
    """Make what is missing and drop what is spare; how many that were. Raises NotAllowed."""
    missing, spare = _differing()
    beside = Sql("CONCURRENTLY" if concurrently else "")
    for gone, _of in spare:
        _do(sql("DROP INDEX {} IF EXISTS {}", beside, name(gone)))
    for field in missing:
        method, expression = indexes.made_of(_stored(field.slug), asked_as(field))
        index, table = name(_called(field)), name(columns.TABLES[field.of])
        _do(sql("CREATE INDEX {} {} ON {} USING {} ({})", beside, index, table, Sql(method), expression))
    for of in {field.of for field in missing}:
        _do(sql("ANALYZE {}", name(columns.TABLES[of])))  # how frequent its values are is known only after that
    return len(missing) + len(spare)


def asked_as(field: Field) -> str:
    """The type by which conditions ask it."""
    return AS_ASKED.get(field.type, str(field.type))


def with_value(field: Field, operator: str, operand: Any) -> Sql:
    """A statement of the ids whose current value answers this, by the index."""
    type = asked_as(field)
    found = indexes.finds(_stored(field.slug), type, operators.TYPES[type][operator], operand)
    return sql("SELECT id FROM {} WHERE {}", name(columns.TABLES[field.of]), found or Sql("false"))


def without_value(field: Field) -> Sql:
    """A statement of the ids of whom no value is known."""
    empty = sql("custom -> {} IS NULL OR custom -> {} IN ('\"\"', '[]', 'null')", field.slug, field.slug)
    return sql("SELECT id FROM {} WHERE {}", name(columns.TABLES[field.of]), empty)


def beginning(of: str, word: str, fields: Iterable[Field]) -> Sql | None:
    """A statement of the ids of whom a searchable text or choice begins with a word; None when there are none."""
    texts = [field for field in fields if field.type in (Field.Type.TEXT, Field.Type.CHOICE)]
    one_each = (
        sql("SELECT id FROM {} WHERE {}", name(columns.TABLES[of]), indexes.begins(_stored(field.slug), word))
        for field in texts
    )
    return join(" UNION ALL ", one_each) if texts else None


def _stored(slug: str) -> Sql:
    return sql("(custom ->> {})", slug)


def _called(field: Field) -> str:
    return f"custom_{field.of}_{field.pk}"


def _there() -> list[tuple[str, bool]]:
    """The indexes of custom fields in the database, and whether each is whole."""
    tables = [f'"{table}"' for table in columns.TABLES.values()]
    return rows(
        sql(
            """SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
               WHERE i.indrelid = ANY (SELECT to_regclass(t) FROM unnest({}::text[]) t)
                 AND c.relname ~ '^custom_(person|account)_[0-9]+$'""",
            tables,
        )
    )


def _differing() -> tuple[list[Field], list[tuple[str, str]]]:
    """The fields whose index is missing or unfinished; the indexes that are unfinished or asked for by no field."""
    wanted = {_called(field): field for field in Field.objects.filter(searchable=True).order_by("pk")}
    there = dict(_there())
    missing = [field for index, field in wanted.items() if not there.get(index)]
    spare = [(index, of) for index, valid in there.items() if not valid or index not in wanted
             for of in [NAMES.fullmatch(index)[1]]]  # type: ignore[index]  # fmt: skip
    return missing, spare


def _is_large(of: str) -> bool:
    some = sql("SELECT 1 FROM {} LIMIT {}", name(columns.TABLES[of]), AT_ONCE + 1)
    return int(value(sql("SELECT count(*) FROM ({}) found", some))) > AT_ONCE


def _do(statement: Sql) -> None:
    try:
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            run(statement)
    except ProgrammingError as error:
        if getattr(error.__cause__, "pgcode", "") != "42501":
            raise
        why = _("The application’s account in the database may make no indexes. Let whoever runs it call "
                "“manage.py index_fields” with an account that owns the tables.")  # fmt: skip
        raise NotAllowed(why) from error

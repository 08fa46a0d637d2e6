"""Whose rows are whose: those of the one who went into another name that one, and return when the two are parted.

Which columns name a subject the tables themselves say: every foreign key to people or accounts, and every `subject_id`
that is none. What a table is to do beside that its holder says (`kit.registry.Holder`). Of what was done to which rows
`MergedRows` keeps the ids, so that parting touches these and no others.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audience.models import Account, Merge, MergedRows, Person
from audience.models.subjects import OneSubject
from kit.registry import ASIDE, STAYS, Holder, registry
from kit.sql import Sql, join, name, rows, run, sql, value

AT_ONCE = 1_000  # ids in one row of MergedRows
MODELS: Mapping[str, type[Person] | type[Account]] = {"person": Person, "account": Account}
Became = MergedRows.Became


@dataclass(frozen=True)
class Link:
    """One column of a table that names a subject of one kind, and what the table's holder says of merges."""

    model: Any
    column: str
    holder: Holder

    @property
    def table(self) -> Sql:
        return name(self.model._meta.db_table)

    @property
    def named(self) -> Sql:
        return name(self.column)

    @property
    def label(self) -> str:
        return self.holder.label

    def names(self, row: str, subject_id: int) -> Sql:
        """That a row, under its alias, names the subject.

        Of the tables of one subject `subject_id` has the index, and neither of the two columns that it is made of.
        """
        named = sql("{}.{} = {}", Sql(row), self.named, subject_id)
        if not issubclass(self.model, OneSubject):
            return named
        return sql("{}{}.subject_id = {} AND {}", _of_any_owner(self.model, row), Sql(row), subject_id, named)


def _of_any_owner(model: Any, row: str) -> Sql:
    """Where every index on the subject begins with what the row hangs on: that this is one of those there are.

    It says nothing, and lets such an index serve.
    """
    every = (*model._meta.indexes, *model._meta.constraints)
    begin = [tuple(each.fields[:2]) for each in every if getattr(each, "fields", ()) and each.condition is None]
    if any(fields[0] == "subject_id" for fields in begin):
        return Sql("")
    owner = next(model._meta.get_field(fields[0]) for fields in begin if fields[1:] == ("subject_id",))
    owners = sql("SELECT id FROM {}", name(owner.related_model._meta.db_table))
    return sql("{}.{} = ANY (ARRAY({})) AND ", Sql(row), name(owner.column), owners)


def links(of: str) -> Iterator[Link]:
    """Every column of any table that names a person, or an account."""
    subject = MODELS[of]
    for relation in subject._meta.get_fields(include_hidden=True):
        if relation.auto_created and not relation.concrete and relation.field.column:  # type: ignore[union-attr]
            model = relation.related_model
            yield Link(model, relation.field.column, _holder_of(model))  # type: ignore[union-attr]
    for holder in registry.holders.values():
        for field in holder.model._meta.concrete_fields:
            if field.column == "subject_id" and not field.generated and holder.merge != STAYS:
                yield Link(holder.model, field.column, holder)


def _holder_of(model: Any) -> Holder:
    """People and accounts hold themselves: of an account its people and those below it."""
    return registry.holders.get(model._meta.label) or Holder(model, str(model._meta.verbose_name_plural))


def counted(of: str, subject_id: int) -> dict[str, int]:
    """How many rows there are of a subject that a merge would move, by what they are called."""
    found: Counter[str] = Counter()
    for link in links(of):
        if link.holder.merge not in (ASIDE, STAYS):
            theirs = link.names("t", subject_id)
            found[link.label] += value(sql("SELECT count(*) FROM {} t WHERE {}", link.table, theirs))
    return {label: number for label, number in found.items() if number}


# ---- moving ----


def move(merge: Merge) -> dict[str, int]:
    """Have every row of the one who goes name the one who stays, or set it aside; how many moved, by what they are.

    Ledgers keep in `original_subject_id` whose a row was at first. Safe to repeat: what was written meanwhile follows.
    """
    moved: Counter[str] = Counter()
    for link in links(merge.of):
        if link.holder.merge == STAYS:
            continue
        if link.holder.merge == ASIDE:
            _set_aside(merge, link, Sql("true"))
            continue
        if link.holder.same:
            _set_aside(merge, link, _is_said_already(link, merge.survivor_id))
        moved[link.label] += _move(merge, link)
    return {label: number for label, number in moved.items() if number}


def _is_said_already(link: Link, survivor_id: int) -> Sql:
    return sql(
        "EXISTS (SELECT FROM {} ours WHERE {} AND {})",
        link.table,
        link.names("ours", survivor_id),
        Sql(link.holder.same),
    )


def _move(merge: Merge, link: Link) -> int:
    first = Sql("")
    if _remembers(link):
        first = sql(", original_subject_id = coalesce(t.original_subject_id, {})", merge.merged_id)
    moved = sql(
        "UPDATE {} t SET {} = {}{} WHERE {} AND t.id::text <> {} RETURNING t.id::text AS id",
        link.table, link.named, merge.survivor_id, first, link.names("t", merge.merged_id),
        # Of accounts: nobody belongs to themselves.
        str(merge.survivor_id) if link.model in MODELS.values() else "",
    )  # fmt: skip
    return _note(merge, link.model, Became.MOVED, link.column, moved)


def _note(merge: Merge, model: Any, became: str, column: str, moved: Sql) -> int:
    """Keep the ids that a statement (id) returns; how many they are."""
    found = rows(
        sql(
            """
            WITH moved AS ({}), numbered AS (SELECT id, (row_number() OVER () - 1) / {} AS part FROM moved)
            INSERT INTO audience_mergedrows (merge_id, "table", became, "column", ids)
            SELECT {}, {}, {}, {}, array_agg(id) FROM numbered GROUP BY part
            RETURNING cardinality(ids)
            """,
            moved, AT_ONCE, merge.pk, model._meta.db_table, str(became), column,
        )
    )  # fmt: skip
    return sum(number for (number,) in found)


def _set_aside(merge: Merge, link: Link, which: Sql) -> None:
    run(
        sql(
            """
            WITH gone AS (
                DELETE FROM {} theirs WHERE {} AND {}
                RETURNING theirs.id::text AS id, to_jsonb(theirs) AS was)
            INSERT INTO audience_mergedrows (merge_id, "table", became, "column", ids, was)
            SELECT {}, {}, {}, {}, array_agg(id), jsonb_agg(was) FROM gone HAVING count(*) > 0
            """,
            link.table, link.names("theirs", merge.merged_id), which, merge.pk, link.model._meta.db_table,
            str(Became.ASIDE), link.column,
        )
    )  # fmt: skip


def note_changed(merge: Merge, model: Any, was: Mapping[int, Mapping[str, Any]]) -> None:
    """Keep for the floor that changes rows what they were, by id, so that it can give that back."""
    if was:
        merge.rows.create(
            table=model._meta.db_table,
            became=Became.CHANGED,
            ids=[str(pk) for pk in was],
            was={str(pk): dict(each) for pk, each in was.items()},
        )


def changed(merge: Merge, model: Any) -> dict[int, dict[str, Any]]:
    """What `note_changed` kept of a table."""
    kept: dict[int, dict[str, Any]] = {}
    for each in merge.rows.filter(table=model._meta.db_table, became=Became.CHANGED).order_by("pk"):
        for pk, was in (each.was or {}).items():
            kept[int(pk)] = {**was, **kept.get(int(pk), {})}  # what was at first
    return kept


def renumber(model: Any, numbers: Mapping[int, int]) -> None:
    """Give rows, by id, other pass numbers. By way of negative ones: no two may be equal even in passing."""
    if not numbers:
        return
    told = json.dumps([{"id": pk, "number": number} for pk, number in numbers.items()])
    table = name(model._meta.db_table)
    for sign in (-1, 1):
        run(
            sql(
                "UPDATE {} t SET pass_number = {} * told.number "
                "FROM jsonb_to_recordset({}::jsonb) told (id bigint, number int) WHERE t.id = told.id",
                table, sign, told,
            )
        )  # fmt: skip


# ---- parting ----


def give_back(merge: Merge) -> None:
    """Have the rows that a merge moved name the one again whom they named, and those put aside stand there again."""
    for kept in merge.rows.exclude(became=Became.CHANGED).order_by("-pk"):
        model = _model(merge.of, kept.table)
        if kept.became == Became.MOVED:
            _move_back(merge, model, kept)
        else:
            _put_back(model, kept.was)


def _model(of: str, table: str) -> Any:
    return next(link.model for link in links(of) if link.model._meta.db_table == table)


def _move_back(merge: Merge, model: Any, kept: MergedRows) -> None:
    """What somebody has given to yet another since stays where it is."""
    link = Link(model, kept.column, _holder_of(model))
    first = Sql("")
    if _remembers(link):
        first = sql(", original_subject_id = nullif(t.original_subject_id, {})", merge.merged_id)
    key = Sql("uuid[]" if model._meta.pk.get_internal_type() == "UUIDField" else "bigint[]")
    run(
        sql(
            "UPDATE {} t SET {} = {}{} WHERE t.id = ANY ({}::text[]::{}) AND t.{} = {}",
            link.table, link.named, merge.merged_id, first, kept.ids, key, link.named, merge.survivor_id,
        )
    )  # fmt: skip


def _put_back(model: Any, was: Sequence[Mapping[str, Any]] | None) -> None:
    table = name(model._meta.db_table)
    columns = join(", ", (name(each.column) for each in model._meta.concrete_fields if not each.generated))
    run(
        sql(
            "INSERT INTO {} ({}) SELECT {} FROM jsonb_populate_recordset(NULL::{}, {}::jsonb) was "
            "ON CONFLICT DO NOTHING",
            table, columns, columns, table, json.dumps(was or []),
        )
    )  # fmt: skip


# ---- what came since ----

# Rows that say by themselves whose they are: the system that they are from, which knows only one of the two, or an
# address that one of the two had. Values and consent have rules of their own.
SOURCED = ("audience_activity", "audience_purchase", "audience_contract", "audience_case")


def naming(merge: Merge) -> dict[str, int]:
    """How many rows since the merge name the one who went, by what they are."""
    return {
        link.label: number
        for link, which in _naming(merge)
        if (number := value(sql("SELECT count(*) FROM {} t WHERE {}", link.table, which)))
    }


def follow_names(merge: Merge) -> None:
    """Have the rows that came since the merge, and name the one who went, speak of them."""
    for link, which in _naming(merge):
        run(sql("UPDATE {} t SET {} = {} WHERE {}", link.table, link.named, merge.merged_id, which))


def _naming(merge: Merge) -> Iterator[tuple[Link, Sql]]:
    """The columns in which such rows may be, each with the condition on a row (t)."""
    own = sql(
        "SELECT unnest(ids)::bigint FROM audience_mergedrows WHERE merge_id = {} AND \"table\" = 'audience_identity' "
        "AND became = {}",
        merge.pk, str(Became.MOVED),
    )  # fmt: skip
    both = sql("i.subject_id IN ({}, {}) AND i.kind IN ('person', 'account')", merge.survivor_id, merge.merged_id)
    theirs = sql("SELECT i.system FROM audience_identity i WHERE {} AND i.id IN ({})", both, own)
    others = sql("SELECT i.system FROM audience_identity i WHERE {} AND i.id NOT IN ({})", both, own)
    email = str(merge.was.get("email") or "").lower()
    for link in links(merge.of):
        table = link.model._meta.db_table
        here = link.names("t", merge.survivor_id)
        if table in SOURCED and link.column in ("person_id", "account_id"):
            from_theirs = sql("t.source IN ({}) AND t.source NOT IN ({})", theirs, others)
            says = sql("lower(t.properties ->> 'email') = {}", email) if email else Sql("false")
            yield link, sql("{} AND t.recorded_at > {} AND ({} OR {})", here, merge.merged_at, from_theirs, says)
            if table == "audience_activity" and email:
                form = sql("t.external_id IN (SELECT s.key::text FROM audience_submission s WHERE {})", _sent(email))
                yield link, sql("{} AND t.recorded_at > {} AND {}", here, merge.merged_at, form)
        if table == "audience_submission" and email:
            sent = sql("t.id IN (SELECT s.id FROM audience_submission s WHERE {})", _sent(email))
            yield link, sql("{} AND t.occurred_at > {} AND {}", here, merge.merged_at, sent)


def _sent(email: str) -> Sql:
    return sql("lower(s.answers ->> 'email') = {}", email)


# ---- later merges, when an earlier one is undone ----


def tangled(merge: Merge, newer: Merge) -> list[str]:
    """What a later merge has put in order together with rows that this one brought, by what they are called."""
    found = rows(
        sql(
            """SELECT DISTINCT theirs."table" FROM audience_mergedrows theirs JOIN audience_mergedrows ours
               ON ours."table" = theirs."table" AND ours.ids && theirs.ids
               WHERE theirs.merge_id = {} AND theirs.became = {} AND ours.merge_id = {} AND ours.became <> {}
               ORDER BY 1""",
            newer.pk, str(Became.CHANGED), merge.pk, str(Became.ASIDE),
        )
    )  # fmt: skip
    return [_holder_of(_model(merge.of, table)).label for (table,) in found]


def stand_again(newer: Merge) -> None:
    """Rows that a later merge set aside because the other one had the same stand again where that is no longer so."""
    for kept in newer.rows.filter(became=Became.ASIDE).order_by("pk"):
        model = _model(newer.of, kept.table)
        link = Link(model, kept.column, _holder_of(model))
        if not link.holder.same or not kept.was:
            continue
        lacking = rows(
            sql(
                "SELECT theirs.id::text FROM jsonb_populate_recordset(NULL::{}, {}::jsonb) theirs WHERE NOT ({})",
                link.table, json.dumps(kept.was), _is_said_already(link, newer.survivor_id),
            )
        )  # fmt: skip
        ids = {pk for (pk,) in lacking}
        if not ids:
            continue
        back = [{**each, kept.column: newer.survivor_id} for each in kept.was if str(each["id"]) in ids]
        _put_back(model, back)
        newer.rows.create(table=kept.table, became=Became.MOVED, column=kept.column, ids=sorted(ids))
        kept.was = [each for each in kept.was if str(each["id"]) not in ids]
        kept.ids = [pk for pk in kept.ids if pk not in ids]
        kept.save(update_fields=["was", "ids"])


def _remembers(link: Link) -> bool:
    return any(each.column == "original_subject_id" for each in link.model._meta.concrete_fields)

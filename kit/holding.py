"""What the tables hold of one subject: all of it told, all of it emptied, and its names struck out of everything else.

Each app says which tables and columns that is (`registry.Holder`). Ledgers let go of what is personal within an erasure
and at no other time: their guard asks for a setting that lasts as long as its transaction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import models

from kit.registry import Holder, registry
from kit.sql import Sql, join, name, rows, run, sql, value

Column = tuple[Sql, bool, int]  # its name, whether it is JSON, and its length (0: any)
_NUMBER = re.compile(r"[-+]?[\d.eE]+")  # what may stand in JSON as a number


@dataclass(frozen=True)
class Part:
    """The rows of one table about somebody, as they are written for people: no numbers where there are names."""

    label: str
    columns: list[str]
    rows: list[list[Any]]


# ---- telling ----


def everything(subject: Any, also: Collection[int] = ()) -> Iterator[Part]:
    """All that is known of a subject, table by table, the subject itself first; tables without a row of theirs too.

    `also`: by which other numbers it is known.
    """
    numbers = [subject.pk, *also]
    yield _part(str(type(subject)._meta.verbose_name), type(subject), [subject])
    for holder in registry.holders.values():
        if (whose := _whose(holder)) and not holder.silent:
            theirs = sql("SELECT id FROM ({}) whose WHERE subject_id = ANY ({})", whose, numbers)
            keys = [key for (key,) in rows(theirs)]
            found = holder.model._default_manager.filter(pk__in=keys).order_by("pk")
            yield _part(holder.label, holder.model, list(found))


def _part(label: str, model: Any, found: list[Any]) -> Part:
    """Generated columns repeat others, and are left out."""
    told = [field for field in model._meta.concrete_fields if not field.generated]
    names = {field.attname: _names(field, found) for field in told}
    lines = [[_said(getattr(row, f.attname), names[f.attname]) for f in told] for row in found]
    return Part(label, [field.name for field in told], lines)


def _names(field: Any, found: Iterable[Any]) -> dict[Any, str]:
    """What a link leads to, by number; what stands in a table that is told itself stays a number."""
    other = field.related_model
    if other is None or other._meta.label in registry.holders:
        return {}
    there = {getattr(row, field.attname) for row in found} - {None}
    return {key: str(row) for key, row in other._default_manager.select_related().in_bulk(there).items()}


def _said(held: Any, names: dict[Any, str]) -> Any:
    if isinstance(held, memoryview | bytes):
        return bytes(held).decode("utf-8", "replace")
    return names.get(held, held) if names else held


# ---- emptying ----


@contextmanager
def erasing() -> Iterator[None]:
    """Within it, in one transaction, ledgers let go of their personal columns."""
    run(Sql("SET LOCAL perennial.erasing = 'on'"))
    yield
    run(Sql("SET LOCAL perennial.erasing = 'off'"))


def empty(numbers: Collection[int]) -> None:
    """Empty what is personal in the rows of subjects, and delete what goes. A text that must be gets the number."""
    for holder in registry.holders.values():
        if holder.emptying:
            run(sql(holder.emptying, list(numbers)))
        elif (whose := _whose(holder)) and (holder.goes or holder.personal):
            run(_emptying(holder, whose, numbers))


def _emptying(holder: Holder, whose: Sql, numbers: Collection[int]) -> Sql:
    table = name(holder.model._meta.db_table)
    theirs = sql(
        "(SELECT id, min(subject_id) AS subject_id FROM ({}) whose WHERE subject_id = ANY ({}) GROUP BY id) theirs",
        whose, list(numbers),
    )  # fmt: skip
    if holder.goes:
        return sql("DELETE FROM {} held USING {} WHERE held.id = theirs.id", table, theirs)
    fields = [holder.model._meta.get_field(column) for column in holder.personal]
    emptied = join(", ", (sql("{} = {}", name(field.column), _nothing(field)) for field in fields))
    stays = Sql(f"AND NOT ({holder.stays})" if holder.stays else "")
    return sql("UPDATE {} held SET {} FROM {} WHERE held.id = theirs.id {}", table, emptied, theirs, stays)


def _nothing(field: Any) -> Sql:
    if isinstance(field, models.BinaryField):
        return Sql("''::bytea")
    if field.null:
        return Sql("NULL")
    if isinstance(field, models.JSONField):
        return sql("{}::jsonb", json.dumps(field.get_default()))
    return sql("{}", "") if field.blank else Sql("'#' || theirs.subject_id")


def _instead(subject_id: int) -> str:
    return f"#{subject_id}"


def _whose(holder: Holder) -> Sql | None:
    """The keys of a table's rows with the subject of each; None for a table whose rows are nobody's in particular."""
    if holder.whose:
        return Sql(holder.whose)
    columns = {field.column for field in holder.model._meta.concrete_fields}
    for column in ("subject_id", "person_id"):
        if column in columns:
            return sql("SELECT id, {} AS subject_id FROM {}", name(column), name(holder.model._meta.db_table))
    return None


# ---- striking out ----


def strike_out(words: Mapping[str, int], *, in_addresses: bool = True) -> list[str]:
    """Put numbers of subjects in place of their words, wherever they stand; which spared tables have them still.

    Whole words of every text and JSON column of every table, in any case of letters; not `in_addresses`: but where they
    are part of an email or of the address of a site. Every row is read, so that this takes seconds per million
    (`rows_to_read`).
    """
    spared = {name(table).text: label for table, label in registry.spared.items()}
    striking = Striking(words, in_addresses)
    still = []
    for table, columns in _columns() if words else ():
        if table.text not in spared:
            run(striking.statement(table, columns))
        elif value(sql("SELECT EXISTS (SELECT FROM {} held WHERE {})", table, striking.have(columns))):
            still.append(spared[table.text])
    return still


def rows_to_read() -> int:
    """About how many rows `strike_out` reads, as the database remembers it."""
    return int(value(Sql("SELECT sum(greatest(reltuples, 0))::bigint FROM pg_class WHERE relkind = 'r'")))


def _columns() -> Iterator[tuple[Sql, list[Column]]]:
    """Every table of ours with its columns of text."""
    found = rows(
        Sql(
            """SELECT n.nspname, c.relname, array_agg(a.attname::text), array_agg(t.typname IN ('json', 'jsonb')),
                      array_agg(greatest(a.atttypmod - 4, 0))
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
               JOIN pg_type t ON t.oid = a.atttypid
               WHERE n.nspname IN (current_schema(), 'work') AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                 AND c.relname NOT LIKE 'django\\_%%' AND t.typname IN ('text', 'varchar', 'json', 'jsonb')
               GROUP BY 1, 2 ORDER BY 1, 2"""
        )
    )
    for schema, table, columns, are_json, lengths in found:
        place = name(table) if schema != "work" else sql("work.{}", name(table))
        yield place, [(name(c), j, n) for c, j, n in zip(columns, are_json, lengths, strict=True)]


class Striking:
    """Which words are struck out, and how they are found."""

    def __init__(self, words: Mapping[str, int], in_addresses: bool) -> None:
        self.words = sorted(words, key=len, reverse=True)
        self.in_addresses = in_addresses
        self.by_number: dict[int, list[str]] = {}
        for word in self.words:
            self.by_number.setdefault(words[word], []).append(word)

    def statement(self, table: Sql, columns: list[Column]) -> Sql:
        """What strikes them out of a table."""
        struck = join(", ", (sql("{} = {}", each[0], self._struck(*each)) for each in columns))
        return sql("UPDATE {} held SET {} WHERE {}", table, struck, self.have(columns))

    def have(self, columns: list[Column]) -> Sql:
        """That a row has one of the words. To look for some letters first is cheap, and leaves few to look at."""
        texts = join(", ", (sql("held.{}::text", column) for column, _is_json, _length in columns))
        looked = [
            sql("held.{}::text ~* {}", column, pattern)
            for column, is_json, _length in columns
            for pattern, _by in self._patterns(self.words, is_json, "")
        ]
        letters, looks = _letters(self.words), join(" OR ", looked)
        return sql("lower(array_to_string(ARRAY[{}], ' ')) LIKE ANY (ARRAY[{}]) AND ({})", texts, letters, looks)

    def _struck(self, column: Sql, is_json: bool, length: int) -> Sql:
        text = sql("held.{}::text", column)
        for number, words in self.by_number.items():
            for pattern, by in self._patterns(words, is_json, f"#{number}"):
                text = sql("regexp_replace({}, {}, {}, 'gi')", text, pattern, by)
        if is_json:
            return sql("{}::jsonb", text)
        return sql("left({}, {})", text, length) if length else text

    def _patterns(self, words: list[str], is_json: bool, by: str) -> Iterator[tuple[str, str]]:
        """The words as patterns, and what to put in their place. In JSON a bare number must stay one."""
        if not is_json:
            yield self._whole(words), by
            return
        if spelt := [_in_json(word) for word in words if not _NUMBER.fullmatch(word)]:
            yield self._whole(spelt), by
        if numbers := [word for word in words if _NUMBER.fullmatch(word)]:
            yield f'"({_any(numbers)})"(?!\\s*:)', f'"{by}"'

    def _whole(self, words: list[str]) -> str:
        """Not within other words; in JSON a line end is spelt with a letter that is none.

        Chinese and Japanese write without blanks, so beside such a letter, the word's own or its neighbour's, a word
        may begin and end anywhere.
        """
        ways: dict[tuple[bool, bool], list[str]] = {}
        for word in words:
            ways.setdefault((_runs_on(word[0]), _runs_on(word[-1])), []).append(word)
        joined = rf"(?<=[{RUNNING_ON}])|(?<=\\[nrt])"
        before = rf"((?<![[:alnum:]{'' if self.in_addresses else '@.'}])|{joined})"
        after = rf"((?!{'' if self.in_addresses else '[@.]?'}[[:alnum:]])|(?=[{RUNNING_ON}]))"
        return "|".join(
            f"{'' if begins else before}({_any(some)}){'' if ends else after}" for (begins, ends), some in ways.items()
        )


# Letters of scripts that part no words: Han, Hiragana, Katakana, and Han of old compatibility.
RUNNING_ON = "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_RUNS_ON = re.compile(f"[{RUNNING_ON}]")


def runs_on(text: str) -> bool:
    """Whether a text is all in letters of scripts that part no words."""
    return bool(text) and all(map(_runs_on, text))


def _runs_on(letter: str) -> bool:
    return bool(_RUNS_ON.match(letter))


def _letters(words: list[str]) -> Sql:
    """Patterns of the longest piece of each word, which names in any order share, folded as the database folds."""
    pieces = {max(re.split(r"[\s,]+", word), key=len) for word in words}
    spelt = sorted({each for piece in pieces for each in (piece, _in_json(piece))})
    return join(", ", (sql("lower({})", "%" + re.sub(r"([\\%_])", r"\\\1", each) + "%") for each in spelt))


def _any(words: list[str]) -> str:
    return "|".join(re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", word) for word in words)


def _in_json(word: str) -> str:
    return json.dumps(word, ensure_ascii=False)[1:-1]

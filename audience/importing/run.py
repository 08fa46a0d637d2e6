"""One import while it is worked on: its columns as SQL, and its tables in the schema `work`.

`raw` and `raw_next` each hold a batch of cells as text, `rows` every row with typed values, `plan` what is to become of
each row. Further tables hold what the rows refer to (accounts, people, products), one row per name it goes by in the
file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from audience.belonging import domains
from audience.importing import reading, values, workbooks
from audience.importing.reading import Layout
from audience.importing.targets import ALL_PROPERTIES, CUSTOM, PROPERTIES, Kind, Target
from audience.importing.values import Type
from audience.models import Field, Import
from kit import installation
from kit.sql import Sql, name, run, sql, value

FILLED = tuple(
    f"audience_{each}"
    for each in (
        "person",
        "account",
        "fieldchange",
        "activity",
        "deal",
        "dealline",
        "dealrole",
        "purchase",
        "contract",
        "case",
        "consentrecord",
    )  # fmt: skip
)
TURN = "audience_rollback_seq"  # also the lock under which subjects are taken away
WIDE = 250  # columns; in a wider file only the mapped ones are staged, because a row must fit a page of the database


@dataclass(frozen=True)
class Mapped:
    """One field and where its value comes from: a column of the file or a fixed value.

    `words` are texts of the file that become others ("" for nothing); `zone` is that of times without an offset, where
    the column has one of its own.
    """

    target: str
    type: Type
    length: int
    column: int | None = None
    constant: str | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    zone: str = ""


@dataclass
class Run:
    """An import with what its steps share. `now` is the import's own time, the same in every attempt."""

    imported: Import
    kind: Kind
    mapped: list[Mapped]
    now: datetime
    zone: str = field(default_factory=lambda: installation.get("zone"))
    currency: str = field(default_factory=lambda: installation.get("currency"))
    by_domain: bool = field(default_factory=domains.puts)  # new people go into the account of their domain
    planned: dict[str, tuple[int, int]] | None = None  # what planning.planned has counted

    @property
    def source(self) -> str:
        return self.imported.source

    @property
    def fill(self) -> bool:
        return self.imported.policy == Import.Policy.FILL

    @property
    def creates(self) -> bool:
        """Rows that nobody knows yet are written."""
        return self.imported.policy != Import.Policy.UPDATE

    @property
    def updates(self) -> bool:
        """Rows that are known already may change."""
        return self.imported.policy != Import.Policy.CREATE

    @property
    def options(self) -> dict[str, Any]:
        return self.imported.mapping.get("options", {})

    @property
    def layout(self) -> Layout:
        header = tuple(self.imported.header)
        return Layout(self.imported.encoding, self.imported.delimiter, header, escape=self.options.get("escape", ""))

    @property
    def path(self) -> Path:
        """The text file that is read: what was uploaded, or the sheet of it that was written out."""
        path = Path(self.imported.path)
        return workbooks.rows_of(path) if "sheet" in self.options else path

    @cached_property
    def named(self) -> dict[str, Mapped]:
        """The mapped fields that have a column of their own: all but custom fields and properties."""
        return {each.target: each for each in self.mapped if not each.target.startswith((CUSTOM, PROPERTIES))}

    @cached_property
    def custom(self) -> list[Mapped]:
        return [each for each in self.mapped if each.target.startswith(CUSTOM)]

    @cached_property
    def chosen(self) -> dict[str, Field]:
        """The custom fields among them whose values are choices, by slug."""
        slugs = [each.target.removeprefix(CUSTOM) for each in self.custom]
        found = Field.objects.filter(of=self.kind.custom, slug__in=slugs) if slugs else ()
        return {each.slug: each for each in found if each.chosen}

    @cached_property
    def properties(self) -> list[Mapped]:
        return [each for each in self.mapped if each.target.startswith(PROPERTIES)]

    @property
    def tells_properties(self) -> bool:
        """Whether rows say anything that becomes properties."""
        return bool(self.properties) or self.has(ALL_PROPERTIES)

    @cached_property
    def picked(self) -> list[int] | None:
        """In a wide file the columns that are staged; None for all of them."""
        if len(self.imported.header) <= WIDE:
            return None
        return sorted({each.column for each in self.mapped if each.column is not None})

    @cached_property
    def staged(self) -> list[str]:
        """The names of the staged columns of text."""
        return [
            f"c{number}" for number in (self.picked if self.picked is not None else range(len(self.imported.header)))
        ]

    def cells_of(self, numbers: Sequence[int]) -> Iterator[tuple[int, list[str]]]:
        """The cells of some rows, given by their numbers in ascending order."""
        return reading.cells_of(self.path, self.layout, numbers)

    def has(self, *targets: str) -> bool:
        """Whether one of these fields is mapped."""
        return any(target in self.named for target in targets)

    def table(self, which: str) -> Sql:
        """One of this import's tables in the schema `work`."""
        return sql("work.{}", name(f"import_{self.imported.pk}_{which}"))

    def value(self, target: str, alias: str = "r") -> Sql:
        """A field's typed value in `rows`; a NULL of its type where it is not mapped."""
        if target in self.named:
            return sql("{}.{}", Sql(alias), name(target))
        return sql("NULL::{}", Sql(self._type(target).column))

    def _type(self, target: str) -> Type:
        known: Target | None = self.kind.by_name.get(target)
        return known.type if known else values.TEXT

    def create(self, which: str, query: Sql, key: str = "") -> int:
        """Make one of this import's tables out of a query, with an index on `key`; the number of its rows."""
        made = run(sql("CREATE UNLOGGED TABLE {} AS {}", self.table(which), query))
        if key:
            run(sql("CREATE INDEX ON {} ({})", self.table(which), Sql(key)))
        run(sql("ANALYZE {}", self.table(which)))
        return made

    def tell_planner(self) -> None:
        """Have the database count what imports fill, so that whoever asks next is not planned as for nothing."""
        run(sql("ANALYZE {}", Sql(", ".join(FILLED))))

    def drop(self, *which: str) -> None:
        """Drop tables of this import, where they are there."""
        for each in which or TABLES:
            run(sql("DROP TABLE IF EXISTS {}", self.table(each)))

    def is_staged(self, expected: int) -> bool:
        """Whether the typed rows are all there: a crash of the database empties unlogged tables."""
        there = value(sql("SELECT to_regclass({}) IS NOT NULL", f"work.import_{self.imported.pk}_rows"))
        return bool(there and value(sql("SELECT count(*) FROM {}", self.table("rows"))) == expected)

    @contextmanager
    def step(self) -> Iterator[None]:
        """A transaction in which local dates are the installation's and big statements may use memory.

        The zone is set back before it ends: whoever reads times in the same transaction takes the session for UTC.
        What is written within it is traced, and nobody takes subjects away meanwhile (rollback.py).
        """
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('TimeZone', %s, true), set_config('jit', 'off', true), "
                "set_config('work_mem', '64MB', true), set_config('default_statistics_target', '20', true), "
                "set_config('parallel_tuple_cost', '0.01', true), "
                "set_config('perennial.import', %s, true), pg_advisory_xact_lock_shared(hashtext(%s))",
                [self.zone, str(self.imported.pk) if self.imported.traced else "", TURN],
            )
            yield
            cursor.execute("SELECT set_config('TimeZone', 'UTC', true), set_config('perennial.import', '', true)")


TABLES = (
    "raw",
    "raw_next",
    "rows",
    "plan",
    "accounts",
    "people",
    "products",
    "owners",
    "parents",
    "titles",
    "kinds",
    "digests",
    "repeated",
    "handed",
    "said",
    "channels",
    "arrivals",
    "rows_domains",
    "people_domains",
    "contacts",
    "lines",
    "amendments",
    "steps",
)

"""What the columns of a file say, value by value: counted, held against what is known, and what each might become.

Before a dry run the first rows are counted, in a dry run all of them, batch by batch in the database. What a dry run
found lies beside the uploaded file, and goes with it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from audience.importing.headers import Column
from audience.importing.run import Run
from audience.importing.targets import CUSTOM, Kind
from audience.models import Field, Import
from kit.sql import Sql, join, name, rows, run, sql

MOST = 50  # different values of one column; one with more of them has names or texts, which nobody maps one by one
LONGEST = 100  # letters of such a value
SHOWN = 200  # values on one page
LOOKED_AT = 20_000  # rows, the latest, out of which known values are read
MOST_KNOWN = 2000
NEW_NAMES = 20  # names that nobody knows, of each sort, that a dry run tells
NEAR = 0.8  # how alike two names must be
NOTHING = frozenset(
    "select|n/a|na|#n/a|n.a.|-|--|null|(null)|none|(none)|nil|unknown|undefined|not set|(not set)|(blank)|not specified"
    "|not provided|tbd|?|.|keine angabe|k.a.|unbekannt|无|未知".split("|")
)
TYPES = ("text", "slug", "yes_no", "number", "integer", "money", "currency", "date", "instant")
OWN = ("first_name", "last_name", "phone", "name", "title", "wording")  # each row's own words, whatever repeats
# Where the values of a field stand that rows of a kind have; of references, the names that they go by.
COLUMNS = {
    **{("people", each): ("audience_person", each) for each in (
        "title_group", "seniority", "language", "source", "country", "region", "city")},
    **{("accounts", each): ("audience_account", each) for each in (
        "industry", "ownership", "country", "region", "city")},
    **{("deals", each): ("audience_deal", each) for each in ("pipeline", "stage", "reason", "currency")},
    ("products", "family"): ("audience_product", "family"),
    ("cases", "severity"): ("audience_case", "severity"),
    ("costs", "channel"): ("audience_cost", "channel"), ("costs", "campaign"): ("audience_cost", "campaign"),
    ("activities", "kind"): ("audience_activitykind", "label"),
    ("activities", "channel"): ("audience_activitykind", "channel"),
    ("deal_roles", "role"): ("audience_dealrole", "role"),
    ("account_roles", "role"): ("audience_accountrole", "role"),
}  # fmt: skip
NAMES = {"product": ("audience_product", "name"), "account_name": ("audience_account", "name"),
         "kind": ("audience_activitykind", "label")}  # fmt: skip


@dataclass(frozen=True)
class Value:
    """One value of a column, in how many rows it stands, what is proposed that it becomes (None: it stays) and why."""

    text: str
    rows: int
    proposed: str | None = None
    why: str = ""


@dataclass(frozen=True)
class Told:
    """A column with its values, and what is known already that they may become."""

    column: str
    values: list[Value]
    known: list[str]


@dataclass(frozen=True)
class NewName:
    """A name in the file that nobody knows, in how many rows it stands, and the nearest that is known ("" for none)."""

    target: str
    name: str
    rows: int
    nearest: str


# ---- counting ----


def of(imported: Import, columns: Sequence[Column]) -> dict[str, list[tuple[str, int]]]:
    """The values of each column that has few, the most frequent first: of all rows once they were tried, else a few."""
    kept = _read(imported).get("values")
    if isinstance(kept, dict):
        return {column.name: [(text, count) for text, count in kept.get(column.name, [])] for column in columns}
    return {column.name: sampled(column.cells) for column in columns}


def sampled(cells: Iterable[str]) -> list[tuple[str, int]]:
    """The values of a column that has few of them, and repeats them; else none."""
    counted = Counter(cell for cell in cells if cell)
    few = len(counted) <= MOST and (len(counted) * 2 <= counted.total() or len(counted) <= 10)
    return counted.most_common() if few and max(map(len, counted), default=0) <= LONGEST else []


def begin(work: Run, columns: Sequence[Column]) -> None:
    """Make the table of counts, in a dry run, and note which columns are worth counting."""
    run(sql("CREATE UNLOGGED TABLE {} (place int, text text, n bigint)", work.table("said")))
    places = [column.place for column in columns if sampled(column.cells) and f"c{column.place}" in work.staged]
    run(sql("INSERT INTO {} SELECT unnest({}::int[]), NULL, 0", work.table("said"), places))


def count(work: Run, raw: Sql) -> None:
    """Count the batch that stands in `raw`."""
    places = [place for (place,) in rows(sql("SELECT place FROM {} WHERE text IS NULL", work.table("said")))]
    if places:
        cells = join(", ", (sql("({}, c{})", place, Sql(str(place))) for place in places))
        run(
            sql(
                """INSERT INTO {} SELECT v.place, left(v.text, {}), count(*) FROM {} raw
                   CROSS JOIN LATERAL (VALUES {}) v (place, text) WHERE v.text IS NOT NULL GROUP BY 1, 2""",
                work.table("said"), LONGEST + 1, raw, cells,
            )
        )  # fmt: skip


def keep(work: Run) -> None:
    """Lay what a dry run found beside the file: the values of all rows, and the names that nobody knows."""
    new = [[each.target, each.name, each.rows, each.nearest] for each in _unknown(work)]
    path = _path(Path(work.imported.path))
    path.touch(mode=0o600)
    path.write_text(json.dumps({"values": _counted(work), "new_names": new}, ensure_ascii=False))


def forget(path: Path) -> None:
    """What was found of an uploaded file is of another sheet."""
    _path(path).unlink(missing_ok=True)


def new_names(imported: Import) -> list[NewName]:
    """The names that nobody knew when the file was tried."""
    return [NewName(*each) for each in _read(imported).get("new_names", [])]


def _unknown(work: Run) -> list[NewName]:
    """The names that would be made, the most frequent first, each with the nearest that is known."""
    found = []
    for target, table, key in (("product", "products", "product_key"), ("account_name", "accounts", "account_key")):
        if not work.has(target):
            continue
        told = rows(
            sql(
                """SELECT min(k.name), count(*) FROM {} k JOIN {} r ON r.{} = k.key
                   WHERE k.fresh AND k.name IS NOT NULL GROUP BY lower(k.name) ORDER BY 2 DESC, 1 LIMIT {}""",
                work.table(table), work.table("rows"), name(key), NEW_NAMES,
            )
        )  # fmt: skip
        known = known_of(work.kind, target) if told else []
        found += [NewName(target, text, n, nearest(text, known)) for text, n in told]
    return found


def _counted(work: Run) -> dict[str, list[tuple[str, int]]]:
    """The values of all rows, by column; a column that turned out to have many is left out."""
    found = rows(
        sql(
            """SELECT place, text, n FROM (
                 SELECT place, text, sum(n)::bigint AS n, count(*) OVER (PARTITION BY place) AS several,
                        max(length(text)) OVER (PARTITION BY place) AS longest
                 FROM {} WHERE text IS NOT NULL GROUP BY place, text) told
               WHERE several <= {} AND longest <= {} ORDER BY place, n DESC, text""",
            work.table("said"), MOST, LONGEST,
        )
    )  # fmt: skip
    answer: dict[str, list[tuple[str, int]]] = {}
    for place, text, n in found:
        answer.setdefault(work.imported.header[place], []).append((text, n))
    return answer


def _path(path: Path) -> Path:
    return path.with_suffix(".said.json")


def _read(imported: Import) -> dict[str, Any]:
    try:
        return dict(json.loads(_path(Path(imported.path)).read_text()))
    except (OSError, ValueError):
        return {}


# ---- what they may become ----


def told(kind: Kind, mapping: Mapping[str, Sequence[str]], values: Mapping[str, list[tuple[str, int]]]) -> list[Told]:
    """Each mapped column that has few values, with what each might become."""
    answer = []
    for column, fields in mapping.items():
        counted = values.get(column)
        if counted and (known := _mappable(kind, fields)) is not None:
            answer.append(Told(column, proposed(counted, known, names=bool(set(fields) & set(NAMES))), known))
    return answer


def proposed(counted: Sequence[tuple[str, int]], known: Sequence[str], *, names: bool = False) -> list[Value]:
    """The values with proposals: none for what says nothing, one spelling for several, a known one where it is meant.

    Of spellings that differ in capitals alone the known one is proposed, else the most frequent; of `names` also one
    that differs in blanks and signs.
    """
    folded = {each.casefold(): each for each in reversed(known)}
    squashed = {_squashed(each): each for each in reversed(known)} if names else {}
    first: dict[str, str] = {}
    answer = []
    for text, n in counted:
        fold = text.casefold()
        usual = folded.get(fold) or first.setdefault(fold, text)
        if fold in NOTHING and text not in known:
            answer.append(Value(text, n, "", _("says nothing")))
        elif usual != text:
            answer.append(Value(text, n, usual, _("another spelling of the same")))
        elif fold not in folded and (meant := squashed.get(_squashed(text))):
            answer.append(Value(text, n, meant, _("known under this name")))
        elif names and fold not in folded and (near := nearest(text, known)):
            answer.append(Value(text, n, None, _("nobody knows it; the nearest is “%(name)s”") % {"name": near}))
        else:
            answer.append(Value(text, n))
    return answer


def nearest(text: str, known: Sequence[str]) -> str:
    """The known name that is most like this one: but for blanks and signs the same, else nearly; "" for none."""
    squashed = {_squashed(each): each for each in reversed(known)}
    if same := squashed.get(_squashed(text)):
        return same
    alike = [each for each in squashed if each[:1] == _squashed(text)[:1]]
    found = get_close_matches(_squashed(text), alike, 1, NEAR)
    return squashed[found[0]] if found else ""


def known_of(kind: Kind, target: str) -> list[str]:
    """The values of a field that are in use, the most frequent first; of a reference, the names."""
    if target.startswith(CUSTOM):
        return _custom(kind, target.removeprefix(CUSTOM).partition(":")[0])
    where = COLUMNS.get((kind.name, target)) or NAMES.get(target)
    if where is None:
        return []
    table, column = where
    recent = sql("SELECT {} AS v FROM {} WHERE {} <> '' ORDER BY id DESC LIMIT {}",
                 name(column), name(table), name(column), LOOKED_AT)  # fmt: skip
    found = rows(sql("SELECT v FROM ({}) recent GROUP BY v ORDER BY count(*) DESC, v LIMIT {}", recent, MOST_KNOWN))
    return [text for (text,) in found]


def _custom(kind: Kind, slug: str) -> list[str]:
    field = Field.objects.filter(of=kind.custom, slug=slug).first()
    if field is None or field.type not in (Field.Type.TEXT, Field.Type.CHOICE):
        return []
    if field.type == Field.Type.CHOICE and field.choices:
        return [value for value, _label in field.labelled()]
    recent = sql("SELECT custom ->> {} AS v FROM {} WHERE custom ? {} ORDER BY id DESC LIMIT {}",
                 slug, name(f"audience_{kind.custom}"), slug, LOOKED_AT)  # fmt: skip
    found = rows(
        sql("SELECT v FROM ({}) recent WHERE v <> '' GROUP BY v ORDER BY count(*) DESC, v LIMIT {}", recent, MOST)
    )
    return [text for (text,) in found]


def _mappable(kind: Kind, fields: Sequence[str]) -> list[str] | None:
    """What values of a column with these fields may become that is known; None where nobody maps values one by one."""
    for field in fields:
        target = kind.by_name.get(field)
        if target is not None and (target.type.name not in TYPES or field in OWN or field.endswith("external_id")):
            return None
    return list(dict.fromkeys(each for field in fields for each in known_of(kind, field)))


def _squashed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())

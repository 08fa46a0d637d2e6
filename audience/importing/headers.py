"""Which column becomes which field: guessed from names and values, told by people, checked before anything runs.

A mapping is told as `{column: field}` or `{column: [field, field]}`; a column that begins with "=" is a fixed value
(`{"=won": "status"}`). A field is one of the kind's, `custom.<slug>` or `properties.<key>`; a custom field that is not
there yet is made, of the type that its values have, or that is said after a colon (`custom.size:number`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property, lru_cache
from typing import Any

from django.utils.text import slugify
from django.utils.translation import gettext as _

from audience.importing import abroad, formats, values
from audience.importing.refusals import Refused
from audience.importing.run import WIDE, Mapped
from audience.importing.targets import CUSTOM, PROPERTIES, Kind, Target, Text
from audience.importing.values import Type
from audience.models import Field
from audience.models.fields import LONGEST_TEXT
from kit import addresses
from kit.registry import registry
from kit.sql import Sql, rows, sql

SURE, LIKELY = 1.0, 0.6  # how well a name must fit to be taken for a field
MOST_WRONG = 0.5  # a column of which more values than that are none of the field's type is not that field
ABROAD = 2  # headings of another language that make a file one of it
NAMED, LACKING = 4, 3  # fields that a word of a file's name is worth, and those that are lost with one that is needed
SHARE, SOME = 4, 8  # one column in so many must be known, ids left out; of a file whose name says the same, and two
AGAINST, ENOUGH = 2, 3  # columns of one kind alone that outweigh another name; and what is needed and in no column
COPIED = "_fivetran"  # how columns begin that a copier adds to every file
SHOWN = 5  # sample values on the mapping page

CUSTOM_TYPES: dict[str, Type] = {
    Field.Type.TEXT: values.TEXT,
    Field.Type.CHOICE: values.TEXT,
    Field.Type.SEVERAL: values.TEXT,
    Field.Type.NUMBER: values.NUMBER,
    Field.Type.DATE: values.DATE,
    Field.Type.YES_NO: values.YES_NO,
    Field.Type.MONEY: values.MONEY,
}


@dataclass
class Column:
    """One column of a file: its name, some cells, what it seems to be and how sure that is (0 to 1).

    `abroad`: the headings are of a language that writes days first and fractions behind a comma.
    """

    name: str
    place: int
    cells: list[str]
    guess: str = ""
    score: float = 0.0
    abroad: bool = False

    @cached_property
    def examples(self) -> list[str]:
        """The first few different values."""
        return list(dict.fromkeys(cell[:80] for cell in self.cells if cell.strip()))[:SHOWN]

    @cached_property
    def order(self) -> str:
        """Of dates with the year last: "dmy" or "mdy"; "" when there are none."""
        if self.abroad and formats.is_open("dates", self.cells):
            return "dmy"
        return formats.order(self.cells) or formats.likely_order(self.cells)

    @cached_property
    def decimal(self) -> str:
        """How numbers are written: fractions behind "comma" or "point", or all in "micros"; "" where nothing tells."""
        if words(self.name).endswith(" micros"):
            return "micros"
        return "comma" if self.abroad and formats.is_open("numbers", self.cells) else formats.decimal(self.cells)

    @cached_property
    def custom_type(self) -> str:
        """The type that the column would have as a custom field: what all of its values are."""
        return _custom_type_of(self)


@dataclass
class Guess:
    """What a file's columns seem to be, and fixed values that they show. `notes` say what was doubtful."""

    columns: list[Column]
    notes: list[str] = field(default_factory=list)
    fixed: dict[str, str] = field(default_factory=dict)

    @property
    def mapping(self) -> dict[str, str]:
        return {column.name: column.guess for column in self.columns if column.guess} | self.fixed

    @property
    def unknown(self) -> list[str]:
        """The columns that nothing is known of, by name."""
        return [column.name for column in self.columns if not column.guess]


def look(header: Sequence[str], sample: Sequence[Sequence[str]]) -> list[Column]:
    """The columns with their cells, nothing guessed yet."""
    told = len(_telling().intersection(fold(name) for name in header)) >= ABROAD
    return [Column(name, place, [row[place] for row in sample], abroad=told) for place, name in enumerate(header)]


def guess(kind: Kind, header: Sequence[str], sample: Sequence[Sequence[str]], called: str = "") -> Guess:
    """What the columns are, by their names, as far as their values allow it, and by the file's.

    A column that is called as a custom field is that field, unless a field of the kind has that very name.
    """
    return _guess(kind, header, sample, called, _own_fields(kind))


def _guess(
    kind: Kind, header: Sequence[str], sample: Sequence[Sequence[str]], called: str, own: Mapping[str, Field]
) -> Guess:
    columns = look(header, sample)
    answer = Guess(columns)
    _give_to_own(answer, [each for each in columns if not _is_called_as_a_field(each, kind)], own)
    offers = sorted(
        (
            (_fit(column.name, target, kind), -order, _place(column, target, kind), column.place, target)
            for column in columns
            for order, target in enumerate(kind.targets)
        ),
        key=lambda offer: (-offer[0], -offer[1], *offer[2:4]),
    )
    offers = [offer for offer in offers if offer[0] >= LIKELY]
    taken: set[str] = set()
    for score, _order, _rank, place, target in offers:
        column = columns[place]
        if column.guess or target.name in taken:
            continue
        if _wrong_share(column, target.type) > MOST_WRONG or (target.name == "title" and _are_forms_of_address(column)):
            answer.notes.append(_is_none_of(column, target.label))
            continue
        column.guess, column.score = target.name, score
        taken.add(target.name)
        if doubt := formats.doubt(column.name, column.cells, target.type.name):
            answer.notes.append(doubt)
    _give_to_own(answer, columns, own)
    for column in columns:
        if not column.guess and (slug := slug_of(column.name)) in kind.reads:
            column.guess, column.score = f"{PROPERTIES}{slug}", SURE
    if "currency" in kind.by_name and "currency" not in taken:
        money = [target.name for target in kind.targets if target.type is values.MONEY]
        amounts = [each for each in columns if each.guess in money]
        answer.fixed = {f"={code}": "currency" for each in amounts if (code := formats.currency(each.cells))}
        if len(answer.fixed) > 1:
            answer.fixed = {}
    if _named(kind, called):
        there = set(answer.mapping.values())
        needed = {name for need in kind.needs if not there.intersection(need.any_of) for name in need.any_of}
        told = kind.told_by_name(words(called).split())
        answer.fixed |= {f"={value}": field for field, value in told.items() if field in needed}
    return answer


def _own_fields(kind: Kind) -> dict[str, Field]:
    """The custom fields that columns may become, by what they are called: by a label rather than by another's slug."""
    there = Field.objects.filter(of=kind.custom) if kind.custom else ()
    return {_joined(each.slug): each for each in there} | {_joined(each.label): each for each in there}


def _is_called_as_a_field(column: Column, kind: Kind) -> bool:
    return any(fold(column.name) in (fold(each.name), fold(str(each.label))) for each in kind.targets)


def _give_to_own(answer: Guess, columns: Sequence[Column], own: Mapping[str, Field]) -> None:
    """Those of the columns that nothing is known of yet become the custom fields that they are called as."""
    for column in columns:
        named = own.get(_joined(column.name))
        if named is None or column.guess or f"{CUSTOM}{named.slug}" in answer.mapping.values():
            continue
        of_type = CUSTOM_TYPES[named.type]
        if _wrong_share(column, of_type) > MOST_WRONG:
            answer.notes.append(_is_none_of(column, named.label))
            continue
        column.guess, column.score = f"{CUSTOM}{named.slug}", SURE
        if doubt := formats.doubt(column.name, column.cells, of_type.name):
            answer.notes.append(doubt)


def _is_none_of(column: Column, label: Text) -> str:
    note = _("“%(column)s” sounds like “%(field)s”, but what stands in it is none.")
    return note % {"column": column.name, "field": label}


def likely_kind(header: Sequence[str], sample: Sequence[Sequence[str]], called: str) -> str:
    """The kind of rows that a file most likely has, by its columns and its name; "" where too little tells."""
    kinds = [kind for kind in registry.import_kinds.values() if isinstance(kind, Kind)]
    told = {kind.name: _guess(kind, header, sample, called, {}) for kind in kinds}
    best = max(kinds, key=lambda kind: _likelihood(kind, told[kind.name], called))  # of several the first
    own = [column for column in header if [kind for kind in kinds if _knows(kind, column)] == [best]]
    return best.name if _is_shown(best, told[best.name], called, own) else ""


def _likelihood(kind: Kind, guess: Guess, called: str) -> float:
    fields = set(guess.mapping.values())
    ids = sum(field.endswith("external_id") for field in fields)  # anything has ids
    return len(fields) - ids / 2 + NAMED * _named(kind, called) - LACKING * _lacks(kind, guess)


def _is_shown(kind: Kind, guess: Guess, called: str, own: Sequence[str]) -> bool:
    """Whether enough speaks for a kind: columns that no other kind knows (`own`), or the file's name and some more.

    Ids alone say nothing, nor do columns that any kind may have, such as a name or a status.
    """
    if kind.custom == "person" and _is_of_a_person(guess):
        return False
    names = [each.name for each in guess.columns if each.guess and not each.guess.endswith("external_id")]
    columns = sum(not each.name.lower().startswith(COPIED) for each in guess.columns)
    known, telling, lacks = len(names) + len(guess.fixed), len(set(names) & set(own)), _lacks(kind, guess)
    mostly = known * SHARE >= columns and not lacks
    if _named(kind, called):
        some = known * SOME >= columns or (bool(kind.needs) and not lacks)
        says_it = bool(kind.needs) and not lacks and _named(kind, called) > 1  # by more than one word
        return bool(telling) or bool(known and mostly) or (known > 1 and some) or says_it
    if any(_named(each, called) for each in registry.import_kinds.values() if isinstance(each, Kind)):
        return telling >= AGAINST and mostly
    if kind.custom == "person" and "email" in guess.mapping.values() and mostly:
        return True  # an address of one's own, and hardly anything besides that a person has not
    if mostly and not _lacks(kind, guess, ids=False) and (telling or (kind.needs and known == columns)):
        return True
    return telling >= ENOUGH or (telling > 0 and len(kind.needs) > 1 and not lacks) or (telling > 1 and mostly)


def _is_of_a_person(guess: Guess) -> bool:
    """Whether rows have an id of their own, and name a person by another: an address of theirs, or a tag."""
    ids = {words(each.name) for each in guess.columns}
    return "id" in ids and not ids.isdisjoint(("customer id", "contact id", "lead id", "prospect id", "member id"))


def _named(kind: Kind, called: str) -> int:
    """Of how many words the name of the kind is that a file's name has; 0 for none."""
    told = set(words(called).split())
    return max((len(name.split()) for name in kind.names if told >= set(name.split())), default=0)


def _lacks(kind: Kind, guess: Guess, *, ids: bool = True) -> int:
    """How many of the things that a kind needs are told by nothing; without `ids`, by nothing but an id."""
    needed = [need.telling or need.any_of for need in kind.needs]
    needed = needed or [("external_id", "name")]  # what neither has is hardly a deal
    fields = {field for field in guess.mapping.values() if ids or not field.endswith("external_id")}
    return sum(not fields & set(any_of) for any_of in needed)


def _knows(kind: Kind, column: str) -> bool:
    return slug_of(column) in kind.reads or any(_fit(column, target, kind) >= LIKELY for target in kind.targets)


def read(
    kind: Kind, columns: Sequence[Column], told: Mapping[str, str | Sequence[str]], options: Mapping[str, Any]
) -> list[Mapped]:
    """The mapping as the engine takes it. Raises Refused for a column or field that is not there, or is needed."""
    header = [column.name for column in columns]
    formats.check(options, header)
    mapped: list[Mapped] = []
    for said, fields in told.items():
        constant = said[1:].strip() if said.startswith("=") and said not in header else None
        if constant is None and said not in header:
            reason = _("The file has no column called “%(column)s”. It has: %(columns)s.")
            raise Refused("unknown_column", reason % {"column": said, "columns": ", ".join(header[:50])})
        for name in [fields] if isinstance(fields, str) else fields:
            column = None if constant is not None else columns[header.index(said)]
            mapped.append(_mapped(kind, name, column, constant, options))
    twice = [each.target for i, each in enumerate(mapped) if each.target in [other.target for other in mapped[:i]]]
    if twice:
        raise Refused("mapped_twice", _("Two columns cannot both become “%(field)s”.") % {"field": twice[0]})
    if len(mapped) > WIDE:
        reason = _(
            "At most %(limit)s columns can be brought in at once. Leave some out and bring them in a second time."
        )
        raise Refused("too_many_columns", reason % {"limit": WIDE})
    for need in kind.needs:
        if not any(each.target in need.any_of for each in mapped):
            labels = " / ".join(str(kind.by_name[name].label) for name in need.any_of)
            raise Refused("missing_field", _("One of these fields must be mapped: %(fields)s.") % {"fields": labels})
    return mapped


def define(kind: Kind, mapped: Sequence[Mapped], labels: Mapping[str, str], now: datetime) -> list[str]:
    """Make the custom fields that are mapped and not there yet; their slugs."""
    slugs = {each.target.removeprefix(CUSTOM): each for each in mapped if each.target.startswith(CUSTOM)}
    there = set(Field.objects.filter(of=kind.custom, slug__in=slugs).values_list("slug", flat=True))
    new = [
        Field(of=kind.custom, slug=slug, label=labels.get(slug, slug)[:200], type=_custom_name(each), created_at=now)
        for slug, each in slugs.items()
        if slug not in there
    ]
    return [each.slug for each in Field.objects.bulk_create(new, ignore_conflicts=True)]


def slug_of(column: str) -> str:
    """The slug of the custom field that a column becomes."""
    return slugify(words(column)).replace("-", "_")[:64] or "field_" + format(abs(hash(column)) % 10**8, "08d")


def _mapped(kind: Kind, told: str, column: Column | None, constant: str | None, options: Mapping[str, Any]) -> Mapped:
    name, of_type, length = _field(kind, told, column)
    place, words, zone = None, {}, ""
    if column is not None:
        place, words = column.place, options.get("values", {}).get(column.name, {})
        zone = options.get("zones", {}).get(column.name, "")
    if of_type is values.EMAIL_ADDRESS:
        return Mapped(name, values.UNCHECKED_EMAIL, length, place, constant, words)
    return Mapped(name, _written(of_type, column, options), length, place, constant, words, zone)


def _field(kind: Kind, told: str, column: Column | None) -> tuple[str, Type, int]:
    """The field that is meant, its type, and how long it may be. Raises Refused."""
    name, _colon, type_name = told.partition(":")
    if name.startswith(CUSTOM) and kind.custom:
        return name, _custom_type(kind, name.removeprefix(CUSTOM), type_name, column), LONGEST_TEXT
    if name.startswith(PROPERTIES) and kind.properties and name != PROPERTIES:
        return name, values.TEXT, LONGEST_TEXT
    target = kind.by_name.get(name)
    if target is None:
        reason = _("%(kind)s have no field called “%(field)s”. There are: %(fields)s.")
        known = ", ".join(
            [*kind.by_name, *([f"{CUSTOM}…"] if kind.custom else []), *([f"{PROPERTIES}…"] if kind.properties else [])]
        )
        raise Refused("unknown_field", reason % {"kind": kind.label, "field": name, "fields": known})
    return name, target.type, target.length


def _written(of_type: Type, column: Column | None, options: Mapping[str, Any]) -> Type:
    """The type as the column writes it: as it was told, else as its values show."""
    if column is None:
        column = Column("", 0, [])
    if of_type.name in ("number", "integer", "money"):
        decimal = options.get("numbers", {}).get(column.name) or column.decimal
        return values.separated(of_type, decimal) if decimal else of_type
    if of_type.name not in ("instant", "date"):
        return of_type
    told = options.get("dates", {}).get(column.name) or options.get("date_order")
    return values.dated(of_type, told or column.order or "mdy", options.get("zones", {}).get(column.name, ""))


def _custom_type(kind: Kind, slug: str, type_name: str, column: Column | None) -> Type:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", slug):
        reason = _("“%(slug)s” is no name for a custom field: it takes small letters, digits, _ and -.")
        raise Refused("unknown_field", reason % {"slug": slug[:100]})
    if known := Field.objects.filter(of=kind.custom, slug=slug).first():
        return CUSTOM_TYPES[known.type]
    type_name = type_name or (column.custom_type if column else Field.Type.TEXT)
    if type_name not in CUSTOM_TYPES or type_name == Field.Type.SEVERAL:  # of which a file does not say the choices
        reason = _("There is no type “%(type)s”. There are: %(types)s.")
        raise Refused("unknown_type", reason % {"type": type_name, "types": ", ".join(CUSTOM_TYPES)})
    return CUSTOM_TYPES[type_name]


def _custom_name(mapped: Mapped) -> str:
    return next(name for name, of_type in CUSTOM_TYPES.items() if of_type.name == mapped.type.name)


@lru_cache(maxsize=4096)
def words(text: str) -> str:
    """A name as its words in lower case: “property_firstName” and “First name” are both “first name”."""
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text.removesuffix("__c"))
    text = re.sub(r"[^\w]+|_+", " ", text).strip().lower()
    return re.sub(r"^property (hs )?", "", text)


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """A name as its words without accents: “Geändert am” and “Geaendert am” are both “geaendert am”."""
    spelt = words(text).translate({ord("ä"): "ae", ord("ö"): "oe", ord("ü"): "ue", ord("ß"): "ss"})
    return "".join(sign for sign in unicodedata.normalize("NFKD", spelt) if not unicodedata.combining(sign))


def _joined(text: str) -> str:
    """A name as one word: “Job level” and “job_level” are both “joblevel”."""
    return fold(text).replace(" ", "")


@cache
def _telling() -> frozenset[str]:
    return frozenset(map(fold, abroad.telling()))


@cache
def _codes() -> frozenset[str]:
    return frozenset(map(fold, abroad.CODES))


@cache
def _names(kind: str, field: str, aliases: tuple[str, ...]) -> tuple[dict[str, int], frozenset[str]]:
    """All that a field goes by, with its place among them, and the same written as one word."""
    said = list(dict.fromkeys(map(fold, (field, *aliases, *abroad.names(kind, field)))))
    return {name: place for place, name in enumerate(said)}, frozenset(name.replace(" ", "") for name in said)


def _place(column: Column, target: Target, kind: Kind) -> int:
    """How far behind in the list of what a field goes by a column's name stands; an empty column is the last choice."""
    names, _joined = _names(kind.name, target.name, target.aliases)
    return names.get(fold(column.name), len(names)) if column.examples else len(names) + 1


def _fit(column: str, target: Target, kind: Kind) -> float:
    """How well a column's name fits a field: 1 for the very name, less for looser likeness, 0 for none."""
    said = fold(column)
    names, joined = _names(kind.name, target.name, target.aliases)
    if said in names or said == fold(str(target.label)):
        return SURE
    if _joined(column) in joined:
        return 0.95
    own = words(kind.name).removesuffix("s")
    if said.removeprefix(f"{own} ") in names and said.startswith(f"{own} "):
        return 0.9
    if (
        ": " in column
        and fold(column.partition(": ")[2]) in names
        and words(column.partition(": ")[0]) in _OWN.get(kind.name, ())
    ):
        return 0.9
    return 0.0


_OWN = {"people": ("contact", "lead", "person"), "accounts": ("account", "company"), "deals": ("opportunity", "deal")}


def _are_forms_of_address(column: Column) -> bool:
    """A title may be Mr or Mrs, and then it is no job."""
    forms = {"mr", "mrs", "ms", "miss", "dr", "mx", "prof", "herr", "frau", "sir"}
    return bool(column.examples) and all(example.lower().rstrip(".") in forms for example in column.examples)


def _wrong_share(column: Column, of_type: Type) -> float:
    """The share of a column's values that are none of a type, by the very expressions of the import."""
    if of_type.name == "text" or not column.examples:
        return 0.0
    dated = _written(of_type, column, {})
    cells = [cell[:1000] for cell in column.cells if cell]
    if of_type.name in ("email", "domain"):
        cells = [addresses.ascii_domain(cell) for cell in cells]  # as the import does before it looks at them
    [(said, good)] = rows(
        sql(
            "SELECT count(n), count(v) FROM (SELECT n, {} AS v FROM "
            "(SELECT {} AS n FROM unnest({}::text[]) c OFFSET 0) cleaned) told",
            dated.read(Sql("n")),
            dated.clean(Sql("c")),
            cells,
        )
    )
    return (said - good) / said if said else 0.0


def _custom_type_of(column: Column) -> str:
    if not column.examples or fold(column.name) in _codes():
        return str(Field.Type.TEXT)
    tried = ((Field.Type.YES_NO, values.YES_NO), (Field.Type.NUMBER, values.NUMBER), (Field.Type.DATE, values.DATE))
    found = next((name for name, of_type in tried if not _wrong_share(column, of_type)), Field.Type.TEXT)
    if found == Field.Type.YES_NO and set(column.examples) <= {"0", "1"}:
        found = Field.Type.NUMBER
    if found == Field.Type.NUMBER and any(re.fullmatch(r"0\d+|\d{12,}", each) for each in column.examples):
        found = Field.Type.TEXT  # codes and ids: a leading zero means something
    return str(found)

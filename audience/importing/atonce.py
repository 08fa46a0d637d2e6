"""A few rows that a program tells: staged, matched and merged as a file's rows are, in one go, with an answer for each.

Rows are objects by field: the kind's own, `custom.<slug>`, `properties.<key>`. Money is in minor units, instants and
days are ISO 8601. What a row does not say, or says as null, stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from audience.importing import headers, planning, sourced, staging, values
from audience.importing.kinds import people
from audience.importing.reading import BLANKS
from audience.importing.refusals import Refused
from audience.importing.run import WIDE, Mapped, Run
from audience.importing.targets import CUSTOM, PROPERTIES, Kind
from audience.models import Field, Import
from audience.subjects import exclusions
from kit import addresses, audit, installation, instants, turns
from kit.models import User
from kit.sql import join, name, sql
from kit.sql import rows as fetched

MOST = 1000
RIVALS = 5  # how often somebody else may write the same rows meanwhile
DEADLOCK = "40P01"
LONGEST_KEY = 100  # characters of a property's name
REFUSED = "refused"
OUTCOMES = (*dict.fromkeys(planning.COUNTED.values()), REFUSED)
UNKNOWN_OWNER = gettext_noop("No user who may sign in has this email.")
CODES = {
    values.EMAIL_ADDRESS.wrong: "bad_email",
    values.SITE.wrong: "bad_domain",
    values.SKIPPED: "time_does_not_exist",
    staging.TOO_LONG: "too_long",
    people.TAKEN: "email_taken",
    sourced.NOBODY: "unknown_person",
}
# What subjects are held by while somebody finds out whether they are there: the fields that name them, by room.
NAMES = {
    "accounts": ("account_external_id", "account_domain", "account_name"),
    "people": ("email", "person_external_id", "person_email"),
}
OWN_NAMES = {("accounts", "accounts"): ("external_id", "domain", "name"), ("people", "people"): ("external_id",)}


@dataclass(frozen=True)
class Became:
    """What became of one row (the first is 0): one of OUTCOMES, whose row it is now, or why it was refused."""

    row: int
    outcome: str
    id: int | None = None
    code: str = ""
    field: str = ""
    reason: str = ""


class NotAll(Exception):
    """Some rows were refused, and it was to be all or nothing: `refused` says which."""

    def __init__(self, refused: list[Became]) -> None:
        super().__init__(_("%(number)s rows were refused, so nothing was kept.") % {"number": len(refused)})
        self.refused = refused


class Wrong(ValueError):
    """A value that is none of its field."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Few(Run):
    """A run whose rows are at hand: the cells by number of row, as a file of them would have them."""

    cells: dict[int, list[str]] = field(default_factory=dict)

    def cells_of(self, numbers: Sequence[int]) -> Iterator[tuple[int, list[str]]]:
        return ((number, self.cells[number]) for number in numbers)


def merge(
    kind: Kind,
    given: Sequence[Mapping[str, Any]],
    *,
    source: str,
    policy: str = Import.Policy.UPSERT,
    all_or_nothing: bool = False,
    by: User | None,
    now: datetime,
) -> list[Became]:
    """Merge at most MOST rows; what became of each, in their order. Raises NotAll, and Refused for too many fields."""
    rivals = 0
    while True:
        try:
            with transaction.atomic():
                return _merge(kind, given, source, policy, all_or_nothing, by, now)
        except (IntegrityError, OperationalError) as clash:
            # Somebody else wrote one of these rows meanwhile. Nothing is written; all of it is matched again.
            deadlock = getattr(clash.__cause__, "pgcode", None) == DEADLOCK
            rivals += 1
            if rivals > RIVALS or not (deadlock or isinstance(clash, IntegrityError)):
                raise


def counted(became: Iterable[Became]) -> dict[str, int]:
    """How many rows had which outcome; all outcomes are there."""
    counts = Counter(each.outcome for each in became)
    return {outcome: counts[outcome] for outcome in OUTCOMES}


def _merge(
    kind: Kind,
    given: Sequence[Mapping[str, Any]],
    source: str,
    policy: str,
    all_or_nothing: bool,
    by: User | None,
    now: datetime,
) -> list[Became]:
    reading = _Reading(kind, given)
    became = {each.row: each for each in reading.refused}
    if reading.cells:
        imported = Import.objects.create(
            kind=kind.name, file_name="", path="", header=reading.fields, source=source, policy=policy, created_at=now,
            mapping={"columns": {}, "options": {}},
        )  # fmt: skip
        _in_turn(kind, reading, source)
        work = Few(imported, kind, reading.mapped, now, cells=reading.cells)
        with work.step():
            _write(work)
            became |= {each.row: each for each in _outcomes(work)}
            work.drop()
        imported.delete()
    told = [became[row] for row in range(len(given))]
    refused = [each for each in told if each.outcome == REFUSED]
    if all_or_nothing and refused:
        raise NotAll(refused)
    counts = counted(told)
    if counts["created"] or counts["updated"]:
        audit.record(f"{kind.name}.merge", source, by=by, now=now, after={"source": source, **counts})
    return told


def _write(work: Few) -> None:
    staging.begin(work)
    lines = ([number, *(cell or None for cell in cells)] for number, cells in work.cells.items())
    staging.take_few(work, lines)
    staging.finish(work)
    work.kind.match(work)
    planning.ready(work)
    if planning.writes(work):
        work.kind.prepare(work)
        work.kind.write(work, 0, planning.last_row(work))
        if work.kind.touches_people:
            columns = ("account",) if work.kind.name == "accounts" else ("person", "account")
            told = (sql("SELECT {} FROM {}", name(column), work.table("plan")) for column in columns)
            exclusions.refresh(work.now, among=join(" UNION ALL ", told))
    work.kind.conclude(work)


def _outcomes(work: Few) -> Iterator[Became]:
    """By the plan what was written; by the rejects what was not."""
    if work.kind.planned:
        found = sql("p.{}", name(work.kind.planned))
    else:
        same = sql("s.source = {} AND s.external_id = p.external_id", work.source)
        found = sql("(SELECT s.id FROM {} s WHERE {})", name(work.kind.table), same)
    planned = sql("SELECT p.row, p.action, {} FROM {} p", found, work.table("plan"))
    for row, action, pk in fetched(planned):
        if action in planning.COUNTED:
            is_there = action not in ("skip", "repeat") or not work.kind.planned
            yield Became(row - 1, planning.COUNTED[action], pk if is_there else None)
    needed = {str(need.reason): need.any_of[0] for need in work.kind.needs}
    meant = needed | {str(check.reason): check.target for check in work.kind.checks(work)}
    for reject in work.imported.rejects.all():
        code = "required" if reject.reason in needed else CODES.get(reject.reason, "bad_value")
        about = reject.column or meant.get(reject.reason, "")  # a field that no row says is no column
        yield Became(reject.row - 1, REFUSED, None, code, about, _(reject.reason))


def _in_turn(kind: Kind, reading: _Reading, source: str) -> None:
    """Whoever makes the same people or accounts at this moment is waited for, so that none is made twice."""
    for room, fields in NAMES.items():
        places = [
            (reading.fields.index(each), each)
            for each in (*fields, *OWN_NAMES.get((kind.name, room), ()))
            if each in reading.fields
        ]
        rows = reading.cells.values()
        keys = {_key(each, cells[place], source) for cells in rows for place, each in places if cells[place]}
        if keys:
            turns.take(room, keys)


def _key(named_by: str, text: str, source: str) -> str:
    if named_by.endswith("external_id"):
        return f"{source}/{text}"
    if named_by.endswith("email"):
        return addresses.email(text) or text
    return text.lower()


class _Reading:
    """The rows as cells: each value held against its field's type. The header would be row 0, so rows begin at 1."""

    def __init__(self, kind: Kind, given: Sequence[Mapping[str, Any]]) -> None:
        self.kind = kind
        self.zone = installation.zone()
        self.refused: list[Became] = []
        self.cells: dict[int, list[str]] = {}
        said = dict.fromkeys(each for row in given if isinstance(row, Mapping) for each in row)
        slugs = [each.removeprefix(CUSTOM) for each in said if each.startswith(CUSTOM)]
        self.custom = {each.slug: each for each in Field.objects.filter(of=kind.custom, slug__in=slugs)}
        # A field that every row needs is there even where none says it: then each row is refused for itself.
        needed = [need.any_of[0] for need in kind.needs if not set(need.any_of) & set(said)]
        self.fields = list(dict.fromkeys([*filter(self._known, said), *needed]))
        if len(self.fields) > WIDE:
            raise Refused("too_many_fields", _("At most %(most)s fields at once.") % {"most": WIDE})
        columns = headers.look(self.fields, [])
        read = headers.read(kind, columns, {each: each for each in self.fields}, {})
        self.mapped = [_in_minor_units(each) for each in read]
        self.owners = _owners(row.get("owner") for row in given if isinstance(row, Mapping))
        for number, row in enumerate(given):
            try:
                self.cells[number + 1] = self._row(row)
            except _Refusal as refusal:
                self.refused.append(Became(number, REFUSED, None, refusal.code, refusal.field, str(refusal)))

    def _known(self, told: str) -> bool:
        if told.startswith(CUSTOM):
            return told.removeprefix(CUSTOM) in self.custom
        if told.startswith(PROPERTIES):
            return self.kind.properties and 0 < len(told) - len(PROPERTIES) <= LONGEST_KEY
        return told in self.kind.by_name

    def _row(self, row: Any) -> list[str]:
        if not isinstance(row, Mapping):
            raise _Refusal("", "wrong_type", _("A row is an object."))
        for told in row:
            if told not in self.fields:
                raise _Refusal(told, "unknown_field", _("There is no such field."))
        if self.kind.digest and not row.get("external_id"):
            raise _Refusal("external_id", "required", _("Say by which id you know it, so that it is there once."))
        cells = []
        for each in self.mapped:
            try:
                cells.append(self._cell(each, row.get(each.target)).strip(BLANKS))
            except Wrong as wrong:
                raise _Refusal(each.target, wrong.code, str(wrong)) from wrong
        return cells

    def _cell(self, mapped: Mapped, value: Any) -> str:
        """The value as a file would have it; "" when nothing is said. Raises Wrong."""
        if value is None or value == "":
            return ""
        if mapped.target.startswith(CUSTOM):
            defined = self.custom[mapped.target.removeprefix(CUSTOM)]
            if not defined.takes(value):
                raise Wrong("wrong_type", _("It takes %(what)s.") % {"what": defined.taken()})
            return _written(value)
        if mapped.target.startswith(PROPERTIES):
            if not isinstance(value, str | int | float):
                raise Wrong("wrong_type", _("It takes a text, a number, true or false."))
            return _written(value)
        if mapped.target == "owner" and str(value).strip().lower() not in self.owners:
            raise Wrong("unknown_user", _(UNKNOWN_OWNER))
        return self._typed(mapped.type.name, value)

    def _typed(self, of_type: str, value: Any) -> str:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if of_type == "yes_no":
            return _written(value) if isinstance(value, bool) else _wrong(_("true or false"))
        if of_type == "integer":
            return str(value) if whole else _wrong(_("a whole number"))
        if of_type == "number":
            return str(value) if whole or isinstance(value, float) else _wrong(_("a number"))
        if not isinstance(value, str):
            return _wrong(_("a text"))
        if of_type == "instant":
            try:
                return instants.read(value, self.zone).isoformat()
            except instants.NoInstant as wrong:
                raise Wrong(wrong.code, str(wrong)) from wrong
        if of_type == "date":
            try:
                return date.fromisoformat(value).isoformat()
            except ValueError:
                return _wrong(_("a day such as 2025-03-31"))
        return value


class _Refusal(ValueError):
    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.field = field[:LONGEST_KEY]
        self.code = code


def _wrong(what: str) -> str:
    raise Wrong("wrong_type", _("It takes %(what)s.") % {"what": what})


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(value)
    return str(value)


def _in_minor_units(mapped: Mapped) -> Mapped:
    """Programs tell money in minor units, so there is nothing to work out."""
    return replace(mapped, type=values.INTEGER) if mapped.type.name == "money" else mapped


def _owners(said: Iterable[Any]) -> set[str]:
    """Those of the emails that belong to a user who may sign in."""
    emails = {each.strip().lower() for each in said if isinstance(each, str)}
    if not emails:
        return set()
    return set(User.objects.filter(email__in=emails, is_active=True).values_list("email", flat=True))

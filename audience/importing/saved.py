"""Mappings that are kept under a name: proposed for files like the one that they are from, used when they are named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.urls import reverse
from django.utils.translation import gettext as _

from audience.conditions import uses
from audience.importing import headers, running
from audience.importing.refusals import Refused
from audience.importing.targets import CUSTOM
from audience.models import Import, SavedMapping
from kit import audit
from kit.models import Job, User
from kit.registry import registry

ALIKE = 0.8  # the share of columns that two files must have in common
LONGEST_NAME = SavedMapping._meta.get_field("name").max_length or 0
OPTIONS = ("values", "dates", "numbers", "zones", "date_order", "create_people")  # what of the options is no file's own
MOST = 200  # mappings that are looked through for one that fits


def named(name: str) -> SavedMapping:
    """The mapping of this name. Raises Refused."""
    found = SavedMapping.objects.filter(name__iexact=name.strip()).first()
    if found is None:
        raise Refused("unknown_mapping", _("No mapping is kept under the name “%(name)s”.") % {"name": name[:100]})
    return found


def fitting(kind: str, header: Sequence[str]) -> list[SavedMapping]:
    """The mappings of this kind ("" for any) that fit a file with this header, the one most like it first."""
    words = {headers.words(column) for column in header}
    fit = []
    for each in SavedMapping.objects.filter(**({"kind": kind} if kind else {})).order_by("-used_at", "-pk")[:MOST]:
        own = {headers.words(column) for column in each.header}
        alike = len(words & own) / max(len(words | own), 1)
        if alike >= ALIKE and all(headers.words(column) in words for column in _columns(each)):
            fit.append((alike, each))
    return [each for _alike, each in sorted(fit, key=lambda pair: -pair[0])]


def fitted(saved: SavedMapping, header: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Its columns and options under the names that a file has for them; what the file does not have is left out."""
    names = {headers.words(column): column for column in reversed(header)}

    def there(told: Mapping[str, Any]) -> dict[str, Any]:
        return {names[headers.words(column)]: each for column, each in told.items() if headers.words(column) in names}

    columns = saved.mapping.get("columns", {})
    fixed = {column: fields for column, fields in columns.items() if column.startswith("=")}
    options = {
        name: there(told) if isinstance(told, dict) else told for name, told in saved.mapping.get("options", {}).items()
    }
    return {**there({column: each for column, each in columns.items() if column not in fixed}), **fixed}, options


def kept() -> Iterator[uses.Use]:
    """The custom fields that mappings fill, for the register of who asks what."""
    for each in SavedMapping.objects.order_by("name"):
        of = getattr(registry.import_kinds.get(each.kind), "custom", "")
        told = each.mapping.get("columns", {}).values()
        fields = [field for some in told for field in ([some] if isinstance(some, str) else some)]
        asked = {f"{of}.{field.partition(':')[0]}" for field in fields if of and field.startswith(CUSTOM)}
        yield uses.Use(_("Mapping"), each.name, reverse("import_mapping", args=[each.pk]), None, tuple(sorted(asked)))


@transaction.atomic
def begin(imported: Import, saved: SavedMapping, *, dry_run: bool = False, by: User | None, now: datetime) -> Job:
    """Bring a file in as this mapping says. Raises Refused, also for a file without a column that it needs."""
    if imported.kind != saved.kind:
        running.choose_kind(imported, saved.kind)
    lacking = [column for column in _columns(saved) if headers.words(column) not in map(headers.words, imported.header)]
    if lacking:
        reason = _("The mapping “%(name)s” needs columns that the file does not have: %(columns)s.")
        raise Refused("columns_missing", reason % {"name": saved.name, "columns": ", ".join(lacking[:20])})
    columns, options = fitted(saved, imported.header)
    SavedMapping.objects.filter(pk=saved.pk).update(used_at=now)
    return running.begin(
        imported, mapping=columns, policy=saved.policy, dry_run=dry_run, by=by, now=now, options=options
    )


def of_import(imported: Import, name: str, *, by: User | None, now: datetime) -> SavedMapping:
    """Keep how an import reads its file under a name; one that is there under it already is changed. Raises Refused."""
    there = SavedMapping.objects.filter(name__iexact=name.strip()).first()
    told: dict[str, Any] = {
        "kind": imported.kind, "header": imported.header, "source": imported.source, "policy": imported.policy,
        "columns": imported.mapping["columns"], "options": imported.mapping["options"],
    }  # fmt: skip
    if there is None:
        return create(name, **told, by=by, now=now)
    if there.kind != imported.kind:
        reason = _("The mapping “%(name)s” is for rows of another kind. Choose another name.")
        raise Refused("name_taken", reason % {"name": there.name})
    change(there, name=there.name, **{key: each for key, each in told.items() if key != "kind"}, by=by, now=now)
    return there


@transaction.atomic
def create(
    name: str,
    *,
    kind: str,
    header: Sequence[str],
    columns: Mapping[str, str | Sequence[str]],
    options: Mapping[str, Any],
    source: str,
    policy: str,
    by: User | None,
    now: datetime,
) -> SavedMapping:
    """Keep a mapping. Raises Refused for a name that is taken and for what no file could be read by."""
    kept = SavedMapping(kind=kind, created_by=by, created_at=now)
    _write(kept, name, header, columns, options, source, policy, now)
    audit.record("mapping.create", kept.name, by=by, now=now, after=_told(kept))
    return kept


@transaction.atomic
def change(
    saved: SavedMapping,
    *,
    name: str,
    header: Sequence[str] | None = None,
    columns: Mapping[str, str | Sequence[str]],
    options: Mapping[str, Any],
    source: str,
    policy: str,
    by: User | None,
    now: datetime,
) -> None:
    """Read files by it differently from now on. Raises Refused as `create` does."""
    before = _told(saved)
    _write(saved, name, saved.header if header is None else header, columns, options, source, policy, now)
    audit.record("mapping.change", saved.name, by=by, now=now, before=before, after=_told(saved))


@transaction.atomic
def delete(saved: SavedMapping, *, by: User | None, now: datetime) -> None:
    """Keep it no more. Raises Refused while a schedule needs it."""
    before = _told(saved)
    try:
        saved.delete()
    except ProtectedError as error:
        needed = ", ".join(sorted(str(each) for each in error.protected_objects)[:5])
        raise Refused("in_use", _("It is needed by: %(names)s.") % {"names": needed}) from error
    audit.record("mapping.delete", saved.name, by=by, now=now, before=before)


def _write(
    kept: SavedMapping,
    name: str,
    header: Sequence[str],
    columns: Mapping[str, str | Sequence[str]],
    options: Mapping[str, Any],
    source: str,
    policy: str,
    now: datetime,
) -> None:
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME or "\x00" in name:
        raise Refused("bad_name", _("A name has one to %(most)s letters.") % {"most": LONGEST_NAME})
    if policy not in Import.Policy.values:
        reason = _("There is no policy “%(policy)s”. There are: %(policies)s.")
        raise Refused("unknown_policy", reason % {"policy": policy, "policies": ", ".join(Import.Policy.values)})
    own = {each: options[each] for each in OPTIONS if each in options}
    headers.read(running.kind_of(kept.kind), headers.look(header, []), columns, own)
    kept.name, kept.header, kept.policy, kept.updated_at = name, list(header), policy, now
    kept.source = source.strip()[:64] or "file"
    lists = {column: [fields] if isinstance(fields, str) else list(fields) for column, fields in columns.items()}
    kept.mapping = {"columns": lists, "options": own}
    try:
        with transaction.atomic():
            kept.save()
    except IntegrityError as error:
        raise Refused("name_taken", _("A mapping of this name is kept already.")) from error


def _columns(saved: SavedMapping) -> list[str]:
    """The columns of files that it needs."""
    return [column for column in saved.mapping.get("columns", {}) if not column.startswith("=")]


def _told(saved: SavedMapping) -> dict[str, Any]:
    """What the trail keeps of it: no values, which may be somebody's."""
    columns = saved.mapping.get("columns", {})
    return {"kind": saved.kind, "policy": saved.policy, "source": saved.source, "columns": columns}

"""What changed, told so that nobody who reads on from where they were misses anything.

Triggers note every statement's rows (`Change`), with the transaction that wrote them. A reader remembers the snapshot
up to which everything was told; the next piece is what a newer snapshot sees and that one did not. So a transaction
that began long ago and is committed late is told when it is committed, and holds nobody else's changes back.

What stood before the first look is told first, by key, kind after kind; whatever changes meanwhile is news afterwards.
Told is how a row is now, not each state that it had: whoever was away gets its latest state, perhaps more than once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from audience import merging
from integrations.models import Change
from kit.instance import HERE
from kit.sql import Sql, rows, run, sql

CREATED, CHANGED, REMOVED, ERASED, PRESENT = "created", "changed", "removed", "erased", "present"
MERGED = "merged"  # into another, which the item of the merge names
SPARE = timedelta(days=1)  # for which notes are kept longer than cursors are good


class Elsewhere(Exception):
    """The cursor is of another database than this one."""


class TooOld(Exception):
    """What changed since the cursor is not kept any more."""


@dataclass(frozen=True)
class Mark:
    """How far somebody has read.

    What the snapshot `seen` (taken at `seen_at`) saw has been told. `until` is the one that is being told now, up to
    `last`: a transaction, a note of it, and how many of that note's ids. `before` is the kind whose rows from before
    the first look are being told, up to the key `row`; without one they all were.
    """

    here: str
    seen: str
    seen_at: float
    until: str = ""
    until_at: float = 0
    last: tuple[int, int, int] = (0, 0, 0)
    before: str = ""
    row: int = 0

    @classmethod
    def of(cls, values: Sequence[Any]) -> Mark:
        """The mark whose values, in order, a cursor carried."""
        mark = cls(*values)
        xid, note, told = mark.last
        return replace(mark, last=(xid, note, told))


@dataclass(frozen=True)
class Item:
    """That something was done to a row, and the row as it is now; none for what was erased, merged or removed."""

    kind: str
    id: int
    action: str
    at: datetime | None
    row: Any = None


@dataclass(frozen=True)
class Page:
    """Some of what changed; `more` when there is, or may be, more of it already."""

    items: list[Item]
    mark: Mark
    more: bool


Sources = Mapping[str, QuerySet[Any]]


def begin(now: datetime, *, kinds: Sequence[str] = ()) -> Mark:
    """A reader who has seen nothing: of these kinds everything is told that is there, and then what changes."""
    here, snapshot = here_and_now()
    return Mark(here, snapshot, now.timestamp(), before=kinds[0] if kinds else "")


def read(mark: Mark, sources: Sources, now: datetime, *, limit: int) -> Page:
    """The next at most `limit` items of these kinds. `sources` has, by kind, the rows that the reader sees.

    Raises Elsewhere, and TooOld.
    """
    here, snapshot = here_and_now()
    if mark.here != here or is_later(mark.seen, snapshot):
        raise Elsewhere(_("This cursor was given by another database. Begin without one."))
    if mark.seen_at < (now - timedelta(days=settings.CHANGES_KEPT_DAYS)).timestamp():
        raise TooOld(_("What changed since this cursor is not kept any more. Begin without one."))
    if mark.before:
        return _from_before(mark, sources, limit)
    if is_latest := not mark.until:
        mark = replace(mark, until=snapshot, until_at=now.timestamp(), last=(0, 0, 0))
    noted = list(_noted(mark, list(sources), limit))
    told = list(_with_rows(_merged(noted[:limit]), sources))
    if len(noted) > limit:
        return Page(told, replace(mark, last=noted[limit - 1].place), more=True)
    return Page(told, Mark(mark.here, mark.until, mark.until_at), more=not is_latest)


def forget(now: datetime) -> int:
    """Drop the notes that no cursor asks for any more."""
    old = now - timedelta(days=settings.CHANGES_KEPT_DAYS) - SPARE
    return Change.objects.filter(at__lt=old).delete()[0]


def forget_foreign(_now: datetime) -> None:
    """Drop the notes that a dump brought from a cluster that had counted its transactions further than this one.

    No cursor asks for them; in time this cluster would come to their numbers and tell them as news.
    """
    run(sql("DELETE FROM integrations_change WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint"))


def here_and_now() -> tuple[str, str]:
    """Which database this is, and what it sees at this moment."""
    [(here, snapshot)] = rows(sql("SELECT {}, pg_current_snapshot()::text", HERE))
    return here, snapshot


def between(xid: Sql, seen: str, until: str) -> Sql:
    """As a condition: what the transaction wrote is seen by the snapshot `until` and was not by `seen`."""
    return sql(
        """({} >= pg_snapshot_xmin({}::pg_snapshot)::text::bigint
            AND {} < pg_snapshot_xmax({}::pg_snapshot)::text::bigint
            AND NOT pg_visible_in_snapshot({}::text::xid8, {}::pg_snapshot)
            AND pg_visible_in_snapshot({}::text::xid8, {}::pg_snapshot))""",
        xid, seen, xid, until, xid, seen, xid, until,
    )  # fmt: skip


def is_later(seen: str, snapshot: str) -> bool:
    """Whether a snapshot is of a cluster that had counted further than this one: it means nothing here."""
    return _last_of(seen) > _last_of(snapshot)


# ---- what stood before ----


def _from_before(mark: Mark, sources: Sources, limit: int) -> Page:
    found = list(sources[mark.before].filter(pk__gt=mark.row).order_by("pk")[:limit])
    shown = [Item(mark.before, row.pk, PRESENT, None, row) for row in found if not _is_erased(row)]
    if len(found) == limit:
        return Page(shown, replace(mark, row=found[-1].pk), more=True)
    kinds = [*sources, ""]
    return Page(shown, replace(mark, before=kinds[kinds.index(mark.before) + 1], row=0), more=True)


# ---- what changed ----


@dataclass(frozen=True)
class _Noted:
    kind: str
    id: int
    action: str
    at: datetime
    place: tuple[int, int, int]


def _noted(mark: Mark, kinds: list[str], limit: int) -> Iterator[_Noted]:
    """What `until` saw and `seen` did not, after `last`, id by id: more than `limit` of them if there are so many."""
    xid, note, told = mark.last
    asked = sql(
        """SELECT xid, id, at, kind, action, ids FROM (
               SELECT change.*, sum(cardinality(ids)) OVER (ORDER BY xid, id) - cardinality(ids) AS ids_before
               FROM integrations_change change
               WHERE {} AND (xid, id) >= ({}, {}) AND kind = ANY ({})
               ORDER BY xid, id LIMIT {}
           ) news WHERE ids_before <= {} ORDER BY xid, id""",
        between(Sql("xid"), mark.seen, mark.until), xid, note, kinds, limit + 2, limit + told,
    )  # fmt: skip
    for row_xid, row_id, at, kind, action, ids in rows(asked):
        begun = told if (row_xid, row_id) == (xid, note) else 0
        for number, each in enumerate(ids[begun:], begun + 1):
            yield _Noted(kind, each, action, at, (row_xid, row_id, number))


def _merged(noted: Sequence[_Noted]) -> list[_Noted]:
    """Once for each row, where it was last noted; what was made and then changed was made."""
    last: dict[tuple[str, int], _Noted] = {}
    for each in noted:
        before = last.pop((each.kind, each.id), None)
        made = before is not None and before.action == CREATED and each.action == CHANGED
        last[each.kind, each.id] = replace(each, action=CREATED) if made else each
    return list(last.values())


def _with_rows(noted: Sequence[_Noted], sources: Sources) -> Iterator[Item]:
    """Each with its row as it is now, in one query for each kind. Who does not see a row hears nothing of it.

    That one is gone is told to everybody, by its id alone: whoever has it from before must know.
    """
    found: dict[tuple[str, int], Any] = {}
    erased: set[tuple[str, int]] = set()
    for kind, source in sources.items():
        if ids := {each.id for each in noted if each.kind == kind}:
            here = {row.pk: row for row in source.filter(pk__in=ids)}
            found |= {(kind, pk): row for pk, row in here.items() if not _is_erased(row)}
            gone = {pk for pk, row in here.items() if _is_erased(row)} | _erased(source, ids - set(here))
            erased |= {(kind, pk) for pk in gone}
    merged = merging.merged({pk for _kind, pk in erased})
    for each in noted:
        row = found.get((each.kind, each.id))
        if (each.kind, each.id) in erased:
            yield Item(each.kind, each.id, MERGED if each.id in merged else ERASED, each.at)
        elif row is not None:
            yield Item(each.kind, each.id, CHANGED if each.action == REMOVED else each.action, each.at, row)
        elif each.action == REMOVED:
            yield Item(each.kind, each.id, REMOVED, each.at)


def _erased(source: QuerySet[Any], ids: set[int]) -> set[int]:
    if not ids or not any(field.name == "erased_at" for field in source.model._meta.fields):
        return set()
    return set(source.model._default_manager.filter(pk__in=ids, erased_at__isnull=False).values_list("pk", flat=True))


def _is_erased(row: Any) -> bool:
    return getattr(row, "erased_at", None) is not None


def _last_of(snapshot: str) -> int:
    """The first transaction that had not begun when the snapshot was taken."""
    return int(snapshot.split(":")[1])

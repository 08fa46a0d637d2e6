"""Filling a version from history: the rules walked day by day over what is known to have happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction

from audience import live
from kit import installation
from kit.sql import Sql, dicts, name, sql, value
from lifecycle import querysets
from lifecycle.engine import passes, rules
from lifecycle.ledger import ledgers
from lifecycle.models import Movement, Version

LONGEST_STRIDE = 512  # days


@dataclass(frozen=True)
class Day:
    """One replayed day: the how-manieth of how many, and the movements written up to and with it."""

    day: date
    number: int
    of: int
    moved: int


# Called at the end of each day, inside the day's transaction.
Progress = Callable[[Day], None]


@installation.remembering()
def run(
    version: Version,
    *,
    now: datetime,
    after: date | None = None,
    among: Sql | None = None,
    until: datetime | None = None,
    progress: Progress | None = None,
    asked: rules.Rules | None = None,
) -> int:
    """Walk the rules over history up to `until` (default now); the number of movements written.

    Each local day is one pass at the midnight that ends it, over the subjects to whom something happened that day or
    for whom time alone changed something, in a transaction of its own; then one pass for the day that is not over.
    `after` resumes behind a day that is done already; `asked` are other rules than the version's.
    Equal to passes run live at each of those midnights.
    """
    asked = asked or rules.read(version)
    end = until or now + timedelta(microseconds=1)
    first = _first_day(asked, among)
    if first is None:
        return 0
    last = installation.day_before(end, asked.zone)
    day = first if after is None else max(first, after + timedelta(days=1))
    moved, stride, counted = 0, 1, 0
    while day <= last:
        begins = installation.midnight(day, asked.zone)
        ends = min(installation.midnight(day + timedelta(days=stride), asked.zone), end)
        touched = _touched(asked, begins, ends, among)
        if stride > 1:
            # Quiet days are passed over by ever longer strides; nobody touched in a span is touched in a part of it.
            if value(sql("SELECT EXISTS ({})", touched)):
                stride //= 2
            else:
                day, stride = day + timedelta(days=stride), min(stride * 2, LONGEST_STRIDE)
            continue
        with transaction.atomic(), live.without_marks():
            moves = passes.apply(asked, among=touched, at=ends, now=now, kind=Movement.Kind.REPLAY)
            moved += moves
            if progress:
                progress(Day(day, (day - first).days + 1, (last - first).days + 1, moved))
        if moved > 4 * counted + 1000:
            asked.ledger.count()
            counted = moved
        day, stride = day + timedelta(days=1), 1 if moves else 2
    return moved


def preview(version: Version, *, now: datetime, progress: Progress | None = None) -> dict[str, Any]:
    """What a replay would do, by doing it and taking it back: movements, and per stage how many came, are in, left;
    those whom no figure counts are among them, and told apart.

    Beside the ledger, so that it tells the same whether or not another version is live.
    """
    ledger = ledgers.aside(f"lifecycle_preview_{version.pk}")
    with transaction.atomic(), ledgers.instead(version.lifecycle.slug, ledger):
        ledgers.make(ledger)
        moved = run(version, now=now, progress=progress)
        summary = {"movements": moved, **_subjects(version), "stages": stages_of(version)}
        transaction.set_rollback(True)
    return summary


def _first_day(asked: rules.Rules, among: Sql | None) -> date | None:
    """The local day on which the first of the subjects was seen; None without any."""
    table = name("audience_person" if asked.of == "person" else "audience_account")
    whose = sql("id IN ({})", among) if among else Sql("true")
    first = value(sql("SELECT min(first_seen_at) FROM {} WHERE erased_at IS NULL AND {}", table, whose))
    return first and first.astimezone(asked.zone).date()


def _touched(asked: rules.Rules, begins: datetime, ends: datetime, among: Sql | None) -> Sql:
    """Whom the pass at `ends` must look at: those touched by the day, and those whom the pass before has moved.

    Who has just arrived in a stage is new to the rules that lead out of it, even if nothing else happens.
    """
    touched = sql(
        """
        {} UNION
        SELECT membership.subject_id FROM {} movement
        JOIN {} membership ON membership.id = movement.membership_id
        WHERE movement.version_id = {} AND movement.occurred_at >= {} AND movement.occurred_at <= {}
        """,
        rules.touched(asked, begins, ends),
        asked.ledger.movements,
        asked.ledger.memberships,
        asked.version.pk,
        installation.midnight(installation.day_before(begins, asked.zone), asked.zone),
        begins,
    )
    if among is None:
        return touched
    return sql("SELECT subject_id FROM ({}) touched WHERE subject_id IN ({})", touched, among)


def _subjects(version: Version) -> dict[str, int]:
    """How many passes there are, and how many of these are of somebody whom no figure counts."""
    [counted] = dicts(
        sql(
            "SELECT count(*) AS subjects, count(*) FILTER (WHERE subject_id IN ({})) AS left_out FROM {}",
            querysets.left_out(version.lifecycle.of),
            ledgers.of(version.lifecycle.slug).memberships,
        )
    )
    return counted


def stages_of(version: Version) -> list[dict[str, Any]]:
    """Per stage how many came, left and are in it, by the movements of the version."""
    return dicts(
        sql(
            """
            SELECT stage.slug, stage.name, stage.path, stage.kind,
                   count(*) FILTER (WHERE movement.to_stage_id = stage.id) AS came,
                   count(*) FILTER (WHERE movement.from_stage_id = stage.id) AS "left",
                   count(*) FILTER (WHERE movement.to_stage_id = stage.id)
                       - count(*) FILTER (WHERE movement.from_stage_id = stage.id) AS are_in
            FROM lifecycle_stage stage
            LEFT JOIN {} movement
                ON movement.version_id = stage.version_id AND stage.id IN (movement.from_stage_id, movement.to_stage_id)
            WHERE stage.version_id = {} GROUP BY stage.id ORDER BY stage."order"
            """,
            ledgers.of(version.lifecycle.slug).movements,
            version.pk,
        )
    )

"""Comparing segments with their conditions: whoever differs has entered or left, by one statement."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DataError, ProgrammingError, transaction
from django.utils.translation import gettext as _

from audience.conditions import compile, tree
from audience.conditions.tree import ConditionError
from audience.models import Segment
from kit import reading
from kit.sql import Sql, rows, run, sql

FEW = 20  # may leave at once whatever the segment's size, unless nobody is left
EMPTIED = 3  # leave at once, and nobody is left: that looks like a condition that finds nobody any more
SHARE = 0.3  # of a segment; if more leave within LATELY, the rest waits for somebody's word
LATELY = timedelta(hours=1)
FAULTS = (ConditionError, DataError, ProgrammingError, reading.TooSlow)  # of the condition; a lost connection is none

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Difference:
    """What one comparison with the condition changed; `held_back` would have left too, and wait."""

    entered: int = 0
    left: int = 0
    held_back: int = 0


def refresh(
    segment: Segment, *, at: datetime, now: datetime, among: Sql | None = None, confirmed: bool = False
) -> Difference:
    """Bring a dynamic segment up to date as of `at`, for everybody or for the subjects of `among`, by one statement.

    Whoever enters or leaves does so at `now`. Unless `confirmed`, nobody leaves when too many would at once. Raises one
    of FAULTS when the condition cannot be asked; then nothing has changed.
    """
    with transaction.atomic():
        if among is None:
            segment = Segment.objects.select_for_update().get(pk=segment.pk)  # one comparison of all of it at a time
        since, segment.held_back_at = segment.held_back_at, segment.held_back_at if among else None
        if confirmed:
            segment.confirmed_at = now
        node = tree.parse(segment.condition, of=segment.of)
        members = compile.members(node, of=segment.of, at=at, among=among)
        if among is None:
            members = _kept_aside(members)
        held = sql("SELECT subject_id, {}::bigint AS segment_id FROM ({}) members", segment.pk, members)
        done = difference([segment], held, among, now, confirmed=confirmed)[segment.pk]
        if among is None:
            Segment.objects.filter(pk=segment.pk).update(
                looked_until=at,
                failure="",
                failed_at=None,
                confirmed_at=segment.confirmed_at,
                held_back_at=(since or now) if done.held_back else None,
            )
    return done


def _kept_aside(members: Sql) -> Sql:
    """The members in a table for the transaction: several processes fill one, but not for one that writes."""
    run(Sql("DROP TABLE IF EXISTS pg_temp.held_members"))
    run(sql("CREATE TEMPORARY TABLE held_members ON COMMIT DROP AS {}", members))
    run(Sql("ANALYZE held_members"))
    return Sql("SELECT subject_id FROM held_members")


def difference(
    some: list[Segment], held: Sql, among: Sql | None, now: datetime, *, confirmed: bool = False
) -> dict[int, Difference]:
    """Make the members of segments those of `held` (subject_id, segment_id; once each), by one statement."""
    ids = [each.pk for each in some]
    of = some[0].of
    only = sql(" AND m.subject_id IN ({})", among) if among else Sql("")
    found = rows(
        sql(
            """
            WITH differing AS MATERIALIZED (
                SELECT COALESCE(held.segment_id, here.segment_id) AS segment_id,
                       held.subject_id AS comes, here.id AS leaves
                FROM ({}) held FULL JOIN (
                    SELECT m.id, m.segment_id, m.subject_id FROM audience_segmentmember m
                    WHERE m.left_at IS NULL AND m.segment_id = ANY ({}){}
                ) here ON here.segment_id = held.segment_id AND here.subject_id = held.subject_id
                WHERE held.subject_id IS NULL OR here.id IS NULL
            ),
            verdict AS MATERIALIZED (
                SELECT leaving.segment_id, count(*) AS number, {} AS is_held_back
                FROM differing leaving WHERE leaving.leaves IS NOT NULL GROUP BY leaving.segment_id
            ),
            gone AS (
                UPDATE audience_segmentmember m SET left_at = {}
                WHERE m.left_at IS NULL AND m.id = ANY (ARRAY(
                    SELECT leaves FROM differing JOIN verdict USING (segment_id)
                    WHERE leaves IS NOT NULL AND NOT is_held_back))
                RETURNING m.segment_id
            ),
            come AS (
                INSERT INTO audience_segmentmember (segment_id, {}, entered_at)
                SELECT segment_id, comes, {} FROM differing WHERE comes IS NOT NULL
                ON CONFLICT DO NOTHING RETURNING segment_id
            )
            SELECT segment_id, count(*) FILTER (WHERE what = 'come'), count(*) FILTER (WHERE what = 'gone'),
                   (SELECT number FROM verdict
                    WHERE verdict.segment_id = told.segment_id AND verdict.is_held_back)
            FROM (SELECT segment_id, 'come' AS what FROM come UNION ALL SELECT segment_id, 'gone' FROM gone
                  UNION ALL SELECT segment_id, '' FROM verdict WHERE is_held_back) told
            GROUP BY segment_id
            """,
            held,
            ids,
            only,
            Sql("false") if confirmed else _too_many(some, now),
            now,
            owner(of),
            now,
        )
    )
    told = {pk: Difference(entered, left, held_back or 0) for pk, entered, left, held_back in found}
    return {pk: told.get(pk, Difference()) for pk in ids}


def _too_many(some: list[Segment], now: datetime) -> Sql:
    """Whether all leave, or so many within the hour and since somebody's last word, that it looks like an accident."""
    waiting = [each.pk for each in some if each.held_back_at]
    since = [max(filter(None, [now - LATELY, each.confirmed_at])) for each in some]
    lately = sql(
        "(SELECT count(*) FROM audience_segmentmember w WHERE w.segment_id = leaving.segment_id AND w.left_at > "
        "(SELECT word.at FROM unnest({}::bigint[], {}::timestamptz[]) word (id, at) "
        "WHERE word.id = leaving.segment_id))",
        [each.pk for each in some],
        since,
    )
    there = Sql(
        "(SELECT count(*) FROM audience_segmentmember w WHERE w.segment_id = leaving.segment_id AND w.left_at IS NULL)"
    )
    nobody_comes = Sql(
        "NOT EXISTS (SELECT FROM differing d WHERE d.segment_id = leaving.segment_id AND d.comes IS NOT NULL)"
    )
    return sql(
        "CASE WHEN leaving.segment_id = ANY ({}::bigint[]) THEN true "
        "WHEN count(*) >= {} AND count(*) = {} AND {} THEN true WHEN count(*) + {} <= {} THEN false "
        "ELSE count(*) + {} > {} * ({} + {}) END",
        waiting,
        EMPTIED,
        there,
        nobody_comes,
        lately,
        FEW,
        lately,
        SHARE,
        there,
        lately,
    )


def in_words(fault: Exception) -> str:
    """Why a segment could not be brought up to date."""
    if isinstance(fault, reading.TooSlow):
        return _("Its condition took too long to ask. Nobody was removed; it is tried again by itself.")
    if isinstance(fault, ConditionError):
        return _("Its condition cannot be asked any more: %(why)s") % {"why": fault.message}
    return _("Its condition compares with a value that is too large or too odd. Nobody was removed.")


def note_failure(some: Iterable[Segment], fault: Exception, now: datetime) -> None:
    """Keep with the segments why their conditions could not be asked."""
    for each in some:
        logger.warning("the segment %s could not be asked: %s", each.slug, fault)
        Segment.objects.filter(pk=each.pk).update(failure=in_words(fault)[:500], failed_at=now)


def owner(of: str) -> Sql:
    """The column of a member that names its subject."""
    return Sql({"person": "person_id", "account": "account_id"}[of])


def subjects(of: str) -> Sql:
    """The table of the subjects that a segment is of."""
    return Sql({"person": "audience_person", "account": "audience_account"}[of])

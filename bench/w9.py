"""W9: many enter a campaign; many who are due take a send step; ten thousand due of many; nobody due.

Two references write the same rows (step run, message with its own id, the enrollment at the wait behind) into the same
tables with their keys, checks and triggers. *Ranges*: two workers take chunks of ids, known beforehand, by one statement
each, written for this campaign and this step alone. *Loop*: two workers take a thousand at a time by SKIP LOCKED in the
order in which they are due, as work queues do.

Entering is held against one insert of everybody who is neither erased nor left out nor in the campaign already, and the
exact count before it against the count of the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from audience import live
from bench import history, mailing, measuring
from campaigns import entry, journeys
from campaigns.models import Enrollment, Message, Step, StepRun
from kit.sql import Sql, rows, sql, value
from kit.sql import run as execute

WORKERS = 2
CHUNK = 5_000
LOT = 1_000
FEW = 10_000
WEEK = timedelta(days=7)


def run(number: int, activities: int, repeats: int) -> Iterator[dict[str, Any]]:
    """Six figures; `activities` is not asked for. A figure's reference is in its case."""
    now = timezone.now().replace(microsecond=0)
    first = _campaign(number, now)
    size = {"people": number}

    def compare(case: str, hand: Callable[[], Any], due: int) -> dict[str, Any]:
        figure = measuring.compare(
            lambda: _ours(now), hand, before=lambda: _due(first, number, due, now), repeats=repeats
        )
        assert _written() == (due, due), (case, _written())
        return {"case": case, **size, **figure, "rows": due, "peak_rss_mb": measuring.peak_rss_mb()}

    everybody = Sql("SELECT id AS subject_id FROM audience_person")
    at = now + live.INSTANT

    def entering(case: str, ours: Callable[[], Any], hand: Callable[[], Any]) -> dict[str, Any]:
        figure = measuring.compare(ours, hand, before=_nobody_is_in, repeats=repeats)
        return {"case": case, **size, **figure, "rows": number, "peak_rss_mb": measuring.peak_rss_mb()}

    chosen = entry.by_hand(first.version, everybody, why="bench", at=at)
    assert value(sql("SELECT count(*) FROM ({}) counted", chosen)) == number
    yield entering(
        "counted before they enter",
        lambda: value(sql("SELECT count(*) FROM ({}) counted", chosen)),
        lambda: value(sql("SELECT count(*) FROM ({}) counted", _outside(first))),
    )
    yield entering(
        "everybody enters",
        lambda: entry.enroll(first.version.campaign, everybody, by=None, now=now),
        lambda: _enter_by_hand(first, now),
    )
    assert Enrollment.objects.filter(state="active", step=first, wake_at=now).count() == number
    yield compare("all due, against ranges", lambda: _ranges(first, now), number)
    yield compare("all due, against a loop", lambda: _loop(first, now), number)
    few = min(FEW, number)
    yield compare(f"{few} due, against ranges", lambda: _few(first, now), few)
    _due(first, number, 0, now)
    yield {"case": "nobody due", **size, **measuring.compare(
        lambda: [journeys.run_once(now) for _n in range(100)], lambda: [_nobody(now) for _n in range(100)],
        before=lambda: None, repeats=repeats,
    ), "rows": 0, "of": "a hundred looks", "peak_rss_mb": measuring.peak_rss_mb()}  # fmt: skip


def _campaign(number: int, now: datetime) -> Step:
    history.spoil()
    execute(Sql("TRUNCATE audience_person, audience_topic, campaigns_campaign, audience_dirty CASCADE"))
    execute(Sql("SET perennial.marks = 'off'"))
    execute(
        sql(
            "INSERT INTO audience_person (email, first_seen_at) SELECT 'p' || n || '@example.com', {} "
            "FROM generate_series(1, {}) n",
            now,
            number,
        )
    )
    return mailing.launch(now)


def _nobody_is_in() -> None:
    execute(Sql("TRUNCATE campaigns_enrollment RESTART IDENTITY CASCADE"))


def _outside(first: Step) -> Sql:
    """Whoever may enter, as somebody writes it who knows that nothing else is asked."""
    return sql(
        """SELECT p.id FROM audience_person p WHERE p.erased_at IS NULL AND NOT p.is_excluded AND NOT EXISTS (
               SELECT FROM campaigns_enrollment e WHERE e.campaign_id = {} AND e.subject_id = p.id)""",
        first.version.campaign_id,
    )


def _enter_by_hand(first: Step, now: datetime) -> None:
    """In one statement, whose search for those who are in must not meet, one by one, the rows that it writes."""
    with transaction.atomic():
        execute(Sql("SET LOCAL enable_nestloop = off"))
        execute(
            sql(
                """INSERT INTO campaigns_enrollment (campaign_id, version_id, person_id, state, step_id, step_at, wake_at,
                                                     why, reason, entered_at)
                   SELECT {}, {}, id, 'active', {}, {}, {}, 'bench', '', {} FROM ({}) outside""",
                first.version.campaign_id, first.version_id, first.pk, now, now, now, _outside(first),
            )
        )  # fmt: skip


def _due(first: Step, number: int, due: int, now: datetime) -> None:
    """Everybody is in the campaign anew; so many of them, spread evenly, are due."""
    _nobody_is_in()
    execute(
        sql(
            """INSERT INTO campaigns_enrollment (campaign_id, version_id, person_id, state, step_id, step_at, wake_at, why,
                                                 reason, entered_at)
               SELECT {}, {}, id, 'active', {}, {}, CASE WHEN n %% {} = 0 THEN {} - (n %% 3600) * interval '1 second'
                                                         ELSE {} END, 'bench', '', {}
               FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM audience_person) person""",
            first.version.campaign_id,
            first.version_id,
            first.pk,
            now,
            number // due if due else number + 1,
            now,
            now + WEEK,
            now,
        )
    )


def _together(work: Callable[[int], None]) -> None:
    """Two workers, each on a connection of its own."""
    failed: list[Exception] = []

    def one(nth: int) -> None:
        try:
            work(nth)
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=one, args=(nth,)) for nth in range(WORKERS)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    for error in failed:
        raise error


def _ours(now: datetime) -> None:
    _together(lambda _nth: journeys.run_all(now) and None)


def _nobody(now: datetime) -> None:
    value(sql("SELECT count(*) FROM campaigns_enrollment WHERE state = 'active' AND wake_at <= {}", now))


def _ranges(first: Step, now: datetime) -> None:
    [(low, high)] = rows(Sql("SELECT min(id), max(id) FROM campaigns_enrollment"))

    def work(nth: int) -> None:
        for start in range(low + nth * CHUNK, high + 1, WORKERS * CHUNK):
            chosen = sql(
                "e.id >= {} AND e.id < {} AND e.state = 'active' AND e.wake_at <= {}", start, start + CHUNK, now
            )
            execute(_by_hand(first, chosen, now))

    _together(work)


def _few(first: Step, now: datetime) -> None:
    """Who knows that they are few takes them by the index, half of the ids each."""
    middle = value(Sql("SELECT max(id) / 2 FROM campaigns_enrollment"))

    def work(nth: int) -> None:
        half = sql("e.id <= {}", middle) if nth else sql("e.id > {}", middle)
        execute(_by_hand(first, sql("{} AND e.state = 'active' AND e.wake_at <= {}", half, now), now))

    _together(work)


def _loop(first: Step, now: datetime) -> None:
    def work(_nth: int) -> None:
        while True:
            with transaction.atomic():
                chosen = sql(
                    """e.id IN (SELECT id FROM campaigns_enrollment WHERE state = 'active' AND campaign_id = {}
                                AND wake_at <= {} ORDER BY wake_at LIMIT {} FOR UPDATE SKIP LOCKED)""",
                    first.version.campaign_id,
                    now,
                    LOT,
                )
                if not execute(_by_hand(first, chosen, now)):
                    return

    _together(work)


def _by_hand(first: Step, chosen: Sql, now: datetime) -> Sql:
    """Whoever knows that all of them are at one send step, with a wait of a week behind it, writes this."""
    campaign = first.version.campaign
    return sql(
        """WITH moved AS (
               UPDATE campaigns_enrollment e SET step_id = {}, step_at = {}, wake_at = {}
               WHERE {} AND e.step_id = {} RETURNING e.id, e.person_id),
           ran AS (
               INSERT INTO campaigns_steprun (enrollment_id, step_id, at, outcome, next_id)
               SELECT id, {}, {}, 'queued', {} FROM moved ON CONFLICT DO NOTHING)
           INSERT INTO campaigns_message (id, purpose, campaign_id, enrollment_id, step_id, topic_id, sender_id,
                                          content_version_id, person_id, state, policy, due_at, created_at)
           SELECT encode(substr(sha256(convert_to(id || ':' || {} || ':1:email', 'UTF8')), 1, 16), 'hex')::uuid,
                  'campaign', {}, id, {}, {}, {}, {}, person_id, 'queued', 'at_most_once', {}, {}
           FROM moved ON CONFLICT DO NOTHING""",
        first.next_id, now, now + WEEK, chosen, first.pk, first.pk, now, first.next_id, first.pk, campaign.pk, first.pk,
        campaign.topic_id, campaign.sender_id, first.content_version_id, now, now,
    )  # fmt: skip


def _written() -> tuple[int, int]:
    assert Enrollment.objects.filter(strikes__gt=0).count() == 0
    return StepRun.objects.count(), Message.objects.count()

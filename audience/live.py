"""The live engine: whoever changed is judged again within seconds, and whom time alone changes without anybody's doing.

Every fact marks its subjects by itself: triggers on the tables of facts write a row into `audience_dirty` in the
transaction that writes the fact. A worker claims marks and has everything judged that depends on their subjects, in
one order: scores, then stages, then segments. Claim, judgement and its effects are one transaction, so a killed worker
leaves its marks to the next. Floors above register their judges in `AppConfig.ready`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.db import transaction

from audience.asked import related
from kit import installation
from kit.sql import Sql, rows, run, sql, value

SHARDS = 8  # of the subjects; each is judged by one worker at a time, so nobody is judged twice at once
BATCH = 20_000  # marks that are claimed at once
FEW = 1000  # marks of all shards together that one worker judges in one go
INSTANT = timedelta(microseconds=1)  # as of an instant is strictly before it, and what is now must count

SUBJECTS = Sql("SELECT subject_id FROM live_subject")


class Judges(Protocol):
    """Brings up to date, as of `at`, what depends on the subjects that the statement `subjects` yields."""

    def __call__(self, subjects: Sql, *, at: datetime, now: datetime) -> object: ...


@dataclass(frozen=True)
class Judge:
    """What one app judges of subjects, and how it finds those whom time alone changes.

    `judge` runs in the transaction that claimed the marks. `clock(now)` runs every minute, and marks those whose
    answers may differ from when it last looked, or deals with them at once.
    """

    name: str
    order: int
    judge: Judges
    clock: Callable[[datetime], object]


_judges: dict[str, Judge] = {}


def register(judge: Judge) -> None:
    """Add a judge; call it in `AppConfig.ready`. Scores have order 10, stages 20, segments 30."""
    _judges[judge.name] = judge


def judges() -> list[Judge]:
    """All judges in the order in which they are asked: each may ask what those before it have found."""
    return sorted(_judges.values(), key=lambda each: each.order)


def mark(subjects: Sql) -> int:
    """Have the subjects of a statement judged again. Only for what no fact tells: a judge's own changed answer."""
    return run(sql("INSERT INTO audience_dirty (subject_id) SELECT subject_id FROM ({}) marked", subjects))


def mark_everybody(of: str) -> int:
    """Have every person, or every account, judged again: after a change of what they are judged by."""
    table = Sql(f"audience_{of}")
    return mark(sql("SELECT id AS subject_id FROM {} WHERE erased_at IS NULL", table))


def run_once(now: datetime) -> int:
    """Judge once whoever waits in the shards that nobody else is at; how many subjects that were.

    A few are judged together, because a judgement costs the same for one as for a thousand; of many each shard by
    itself, so that other workers find some to do.
    """
    shards = random.sample(range(SHARDS), SHARDS)
    if _few_wait():
        return _judge_shards(shards, now)
    return sum(_judge_shards([shard], now) for shard in shards)


def run_all(now: datetime) -> int:
    """Judge until no mark is left that this worker may claim; for tests, commands and loading."""
    judged = 0
    while found := run_once(now):
        judged += found
    return judged


def hold(subject_id: int) -> None:
    """Wait until no worker judges this subject, and let none until the transaction ends."""
    run(sql("SELECT pg_advisory_xact_lock(hashtext('audience_live'), {})", subject_id % SHARDS))


def hold_everybody() -> None:
    """Wait until no worker judges anybody, and let none until the transaction ends; before it writes, as `hold`."""
    for shard in range(SHARDS):
        run(sql("SELECT pg_advisory_xact_lock(hashtext('audience_live'), {})", shard))


def judge_at_once(subjects: Sql, now: datetime) -> None:
    """Judge the subjects of a statement, all of whom this transaction holds: what follows bears its instant."""
    with installation.remembering():
        for each in judges():
            each.judge(subjects, at=now + INSTANT, now=now)


def clock(now: datetime) -> None:
    """Find whom time alone has changed since the last look: ages reached, windows left, facts whose date has come."""
    with installation.remembering():
        for each in judges():
            each.clock(now)


@contextmanager
def without_marks() -> Iterator[None]:
    """Within it, in one transaction, facts leave no marks: for a long load after which everybody is marked at once."""
    run(Sql("SET LOCAL perennial.marks = 'off'"))
    yield
    run(Sql("SET LOCAL perennial.marks = 'on'"))


def waiting() -> tuple[int, datetime | None]:
    """How many marks wait, and since when the oldest does: the watchdog's figure."""
    [(count, since)] = rows(Sql("SELECT count(*), min(marked_at) FROM audience_dirty"))
    return count, since


def _few_wait() -> bool:
    return value(sql("SELECT count(*) FROM (SELECT FROM audience_dirty LIMIT {}) waiting", FEW + 1)) <= FEW


def _judge_shards(shards: list[int], now: datetime) -> int:
    """Claim a batch of the marks of those of the shards that nobody else holds, and have its subjects judged."""
    with transaction.atomic(), installation.remembering():
        held = [shard for shard in shards if _take(shard)]
        claimed = _claim(held) if held else 0
        if claimed:
            for each in judges():
                each.judge(SUBJECTS, at=now + INSTANT, now=now)
    return claimed


def _take(shard: int) -> bool:
    return bool(value(sql("SELECT pg_try_advisory_xact_lock(hashtext('audience_live'), {})", shard)))


def _claim(shards: list[int]) -> int:
    """Take marks of these shards into the session's table of subjects to judge; how many subjects."""
    marks = sql(
        "SELECT id FROM audience_dirty WHERE subject_id %% {} = ANY ({}) ORDER BY id LIMIT {}", SHARDS, shards, BATCH
    )
    if not value(sql("SELECT EXISTS ({})", marks)):
        return 0
    run(
        Sql(
            """CREATE TEMPORARY TABLE IF NOT EXISTS live_subject (subject_id bigint NOT NULL, itself boolean NOT NULL);
               TRUNCATE live_subject"""
        )
    )
    claimed = run(
        sql(
            """WITH taken AS (DELETE FROM audience_dirty WHERE id IN ({}) RETURNING subject_id, passed_on)
               INSERT INTO live_subject SELECT subject_id, NOT bool_and(passed_on) FROM taken GROUP BY subject_id""",
            marks,
        )
    )
    run(Sql("ANALYZE live_subject"))
    related.pass_on(Sql("SELECT subject_id FROM live_subject WHERE itself"))
    return claimed

"""What a report is asked: which lifecycle, which days, which stage, and how narrowly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from django.db import transaction

from kit import installation
from kit.sql import Sql, run, sql
from reporting.plans import Direction, Plan
from reporting.splits import Split
from reporting.windows import Window


@dataclass(frozen=True)
class Question:
    """A lifecycle and a window, and for one figure of it a stage and what else tells it from the others.

    `today` is the local day on which it is asked; `within` the days a cohort is given (None: any time since);
    `bucket` one value of `split` (empty: the unknown; None: everybody). `reason` keeps to moves made for that reason
    (empty: none given; None: whatever the reason), `detour` to those that led to it, `speed` to hand-offs accepted so
    fast, `owner` to those of whom a user had the subject then (empty: nobody; None: whoever), `channel` to members who
    came in by it (empty: by none that is known; None: by any). `now` is the instant of asking, for what may be late.
    `table` holds the entries: all, or those that had happened when the day `past` began, and were known when `known`
    did. Made by `ask`.
    """

    plan: Plan
    window: Window
    today: date
    within: int | None = None
    split: Split | None = None
    buckets: Sql = Sql("")
    bucket: str | None = None
    stage: str = ""
    target: str = ""
    order: str = ""
    moment: str = ""
    directions: tuple[Direction, ...] = ()
    reason: str | None = None
    detour: str = ""
    speed: str = ""
    owner: str | None = None
    channel: str | None = None
    now: datetime | None = None
    known: date | None = None
    past: date | None = None
    table: Sql = Sql("reporting_stageentry")

    def about(self, **changes: object) -> Question:
        """The same question about something else."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def entries(self, *, day_before: bool = False) -> Sql:
        """FROM and WHERE over `reporting_stageentry entry`, of this lifecycle and bucket, in the window; with
        `day_before` everything before its end."""
        return sql(
            """{} entry {}
               WHERE entry.lifecycle_id = {} AND entry.day < {} {} {}""",
            self.table,
            self.joined(),
            self.plan.lifecycle.pk,
            self.window.end,
            Sql("") if day_before else sql("AND entry.day >= {}", self.window.start),
            self.in_bucket(),
        )

    def entries_since(self, day: date) -> Sql:
        """The same from another day on, before the window as a rule, up to its end."""
        return sql("{} AND entry.day >= {}", self.entries(day_before=True), day)

    @property
    def rolled_up(self) -> bool:
        """Whether the roll-ups by day answer: of everybody, as it is and as known now. Else the entries do."""
        return self.split is None and not self.is_past

    @property
    def is_past(self) -> bool:
        """Whether less is in it than has happened and is known."""
        return self.known is not None or self.past is not None

    @property
    def zone(self) -> str:
        """The zone whose days are counted."""
        return str(installation.zone())

    @property
    def as_of(self) -> datetime:
        """The end of the window, or the instant of asking where the window is not over."""
        zone = installation.zone()
        end = installation.midnight(self.window.end, zone)
        return min(end, self.now or installation.midnight(self.today + timedelta(days=1), zone))

    def as_of_day(self, day: date) -> datetime:
        """The instant at which a day begins."""
        return installation.midnight(day, installation.zone())

    def joined(self) -> Sql:
        """The join that gives each entry its bucket; nothing when nobody is parted."""
        return sql("JOIN ({}) part USING (membership_id)", self.buckets) if self.split else Sql("")

    @contextmanager
    def in_order(self) -> Iterator[None]:
        """Within it, each membership is given its bucket before its entries are looked at, as `joined` is written.

        The planner takes the filter for one that leaves few entries, and would look up membership and subject for each.
        """
        if not self.split:
            yield
            return
        with transaction.atomic():
            run(Sql("SET LOCAL join_collapse_limit = 1; SET LOCAL work_mem = '64MB'"))
            yield
            run(Sql("SET LOCAL join_collapse_limit = DEFAULT; SET LOCAL work_mem = DEFAULT"))

    def in_bucket(self) -> Sql:
        """A further condition that keeps to the bucket asked for, if one is."""
        return sql("AND part.bucket = {}", self.bucket) if self.split and self.bucket is not None else Sql("")

    @property
    def bucket_column(self) -> Sql:
        """The bucket of an entry, as SQL; one bucket for all when nobody is parted."""
        return Sql("part.bucket") if self.split else Sql("''")


def ask(
    plan: Plan,
    window: Window,
    today: date,
    *,
    within: int | None = None,
    split: Split | None = None,
    now: datetime | None = None,
    known: date | None = None,
    past: date | None = None,
) -> Question:
    """A question about a whole lifecycle; a split parts everybody by the value at the end of the window."""
    question = Question(plan, window, today, within=within, now=now, known=known, past=past)
    if split is None:
        return question
    at = installation.midnight(window.end, installation.zone())
    then = installation.midnight(known, installation.zone()) if known else None
    return question.about(split=split, buckets=split.buckets(plan.lifecycle, at, then))

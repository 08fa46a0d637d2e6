"""A dry run: a version's flow on real people and a clock that runs ahead, in a transaction that can only read.

The same statements as in earnest say who enters, who is held out, how a condition answers at the simulated instant, and
who may be written to. Whoever is together at a step at one instant is one place, and each place is taken on by a few
statements. Nobody does anything meanwhile: what changes is what time alone changes. Nothing is left behind.
"""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from audience import consent, live
from audience.conditions import compile, tree
from campaigns import capping, entry, flows, stepping, waits
from campaigns.models import CampaignVersion, Step
from kit import installation, reading
from kit.sql import Sql, rows, run, sql, value

Kind = Step.Kind
PATIENCE = 10.0  # seconds for one statement
NEVER = datetime.max.replace(tzinfo=UTC)
A_MOMENT = timedelta(seconds=1)
LATELY = 28  # days whose arrivals say how many come a day
# The session's own, empty outside of a dry run: a read-only transaction may fill them, and takes that back.
TABLES = """
CREATE TEMPORARY TABLE IF NOT EXISTS forecast_place (place int NOT NULL, subject_id bigint NOT NULL);
CREATE TEMPORARY TABLE IF NOT EXISTS forecast_sent (subject_id bigint NOT NULL, at timestamptz NOT NULL);
"""


@dataclass
class Stop:
    """Some people at one step at one instant: how many came, what came of it, and how many get no message, and why."""

    step: Step
    at: datetime
    day: date
    came: int
    outcomes: dict[str, int] = field(default_factory=dict)
    held_back: dict[str, int] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        """How many messages leave."""
        return self.came - sum(self.held_back.values()) if self.step.kind == Kind.SEND else 0


@dataclass
class Forecast:
    """What would happen within so many days if the version were launched at `at`.

    `arriving`: whom the entry brings; `entering`: those of them who may enter, the held out among them; `a_day`: how
    many arrived a day lately, for an entry that goes on bringing people. `on_the_way`: who is when the days are over.
    """

    at: datetime
    days: int
    arriving: int = 0
    entering: int = 0
    held_out: int = 0
    a_day: float | None = None
    on_the_way: int = 0
    ended: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    stops: list[Stop] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """How many messages leave in all."""
        return sum(stop.sent for stop in self.stops)

    @property
    def held_back(self) -> dict[str, int]:
        """How many messages do not leave, by the reason, the most frequent first."""
        found: dict[str, int] = defaultdict(int)
        for stop in self.stops:
            for reason, number in stop.held_back.items():
                found[reason] += number
        return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))

    def by_day(self) -> dict[date, dict[int, int]]:
        """How many messages leave on which local day at which step (its id); days without any are left out."""
        found: dict[date, dict[int, int]] = {}
        for stop in self.stops:
            if stop.sent:
                steps = found.setdefault(stop.day, {})
                steps[stop.step.pk] = steps.get(stop.step.pk, 0) + stop.sent
        return dict(sorted(found.items()))


def dry_run(version: CampaignVersion, *, at: datetime, days: int = 30) -> Forecast:
    """Walk everybody who would enter through the flow. Raises ConditionError, and TooSlow for a slow condition."""
    run(Sql(TABLES))
    with reading.only(PATIENCE):
        run(Sql("DELETE FROM forecast_place; DELETE FROM forecast_sent"))
        return _Walk(version, at, days).walked()


class _Walk:
    """One dry run in the making: the places that are still to be taken on, by their instants."""

    def __init__(self, version: CampaignVersion, at: datetime, days: int) -> None:
        self.version = version
        self.zone: ZoneInfo = installation.zone()
        self.found = Forecast(at, days)
        self.end = at + timedelta(days=days)
        self.steps = {step.pk: step for step in flows.laid_out(version)}
        self.order = {pk: number for number, pk in enumerate(self.steps)}
        self.numbers = itertools.count(1)
        self.places: dict[tuple[datetime, int, datetime], int] = {}
        self.waiting: list[tuple[datetime, int, int, datetime]] = []
        self.ends = [
            (tree.parse(condition, of="person"), words)
            for condition, words in ((version.goal, _("reached the goal")), (version.exit, _("left by the exit")))
            if condition is not None
        ]

    def walked(self) -> Forecast:
        """The whole of it, place by place in the order of their instants."""
        self._let_in(next(iter(self.steps.values()), None))
        while self.waiting and self.waiting[0][0] < self.end:
            at, _order, step, vain = heapq.heappop(self.waiting)
            self._take(self.steps[step], self.places.pop((at, step, vain)), at, vain)
        self.found.on_the_way = int(value(Sql("SELECT count(*) FROM forecast_place")))
        return self.found

    def _let_in(self, first: Step | None) -> None:
        found, at = self.found, self.found.at + live.INSTANT
        found.arriving = int(value(sql("SELECT count(*) FROM ({}) a", entry.arrivals(self.version, at=at))))
        found.entering = run(
            sql(
                """INSERT INTO forecast_place SELECT CASE WHEN {} THEN -1 ELSE 0 END, entering.subject_id
                   FROM ({}) entering""",
                entry.held_out(self.version.campaign, Sql("entering.subject_id")),
                entry.entrants(self.version, at=at),
            )
        )
        found.held_out = run(Sql("DELETE FROM forecast_place WHERE place = -1"))
        found.a_day = _a_day(self.version, at)
        run(Sql("ANALYZE forecast_place"))
        self._go(0, first, found.at)

    def _go(self, place: int, to: Step | None, at: datetime, *, ends: str = "") -> None:
        """Everybody of a place comes to a step, or to an end."""
        if to is not None:
            self._wait(place, to, at if waits.at_once(to) else waits.over(to, at, self.zone) or at)
        elif number := run(sql("DELETE FROM forecast_place WHERE place = {}", place)):
            self.found.ended[ends or _("went through")] += number

    def _wait(self, place: int, step: Step, until: datetime, vain: datetime = NEVER) -> None:
        """Everybody of a place is looked at again at that instant; with `vain`, their wait for something ends then."""
        key = (until, step.pk, vain)
        if key not in self.places:
            self.places[key] = next(self.numbers)
            heapq.heappush(self.waiting, (until, self.order[step.pk], step.pk, vain))
        run(sql("UPDATE forecast_place SET place = {} WHERE place = {}", self.places[key], place))

    def _take(self, step: Step, place: int, at: datetime, vain: datetime) -> None:
        if at > self.found.at:
            for node, words in self.ends:
                self._go(self._part(place, node, at), None, at, ends=words)
        came = self._count(place)
        if not came:
            return
        if vain == NEVER:
            self.found.stops.append(Stop(step, at, at.astimezone(self.zone).date(), came))
        if step.kind == Kind.SEND:
            self._send(step, place, at)
            self._go(place, step.next, at)
        elif step.kind == Kind.MOVE:
            self._move(step, place, at)
        elif step.kind in flows.ASKING:
            self._ask(step, place, at, vain)
        else:
            [way] = stepping.ways(step)
            self._go(place, way.to, at, ends=way.reason)

    def _part(self, place: int, node: tree.Node, at: datetime) -> int:
        """Those of a place of whom a condition holds are a place of their own."""
        here = sql("SELECT subject_id FROM forecast_place WHERE place = {}", place)
        holding = compile.members(node, of="person", at=at + live.INSTANT, among=here)
        return self._apart(place, sql("SELECT subject_id FROM ({}) holding", holding))

    def _apart(self, place: int, some: Sql) -> int:
        other = next(self.numbers)
        run(sql("UPDATE forecast_place SET place = {} WHERE place = {} AND subject_id IN ({})", other, place, some))
        return other

    def _ask(self, step: Step, place: int, at: datetime, vain: datetime) -> None:
        """Those of whom the condition holds go one way, the others the other one; or they wait until it does."""
        holds, fails = stepping.ways(step)
        node = tree.parse(step.condition, of="person")
        told = next(each for each in reversed(self.found.stops) if each.step.pk == step.pk).outcomes
        apart = self._part(place, node, at)
        told[holds.outcome] = told.get(holds.outcome, 0) + self._count(apart)
        self._go(apart, holds.to, at, ends=holds.reason)
        if step.kind == Kind.WAIT_UNTIL and at < vain:
            vain = (waits.over(step, at, self.zone) or self.end) if vain == NEVER else vain
            if at < vain:
                self._wait(place, step, min(vain, self._late(at)) if _comes_by_time(node) else vain, vain)
                return
        told[fails.outcome] = told.get(fails.outcome, 0) + self._count(place)
        self._go(place, fails.to, at)

    def _late(self, at: datetime) -> datetime:
        """The end of the day: what time alone changes in a day is looked at then. The day after, if it is that late."""
        day = at.astimezone(self.zone).date()
        ends = (installation.midnight(day + timedelta(days=n), self.zone) - A_MOMENT for n in (1, 2))
        return next(end for end in ends if end > at).astimezone(UTC)

    def _count(self, place: int) -> int:
        return int(value(sql("SELECT count(*) FROM forecast_place WHERE place = {}", place)))

    def _send(self, step: Step, place: int, at: datetime) -> None:
        """Who may be written to at that instant, and why the others get nothing; they all go on."""
        here = sql("SELECT subject_id FROM forecast_place WHERE place = {}", place)
        judged = consent.verdicts(here, topic=self.version.campaign.topic, at=at)
        limit = capping.cap()
        if limit is not None:
            judged = _capped(judged, here, limit, at)
        told = dict(rows(sql("SELECT reason, count(*) FROM ({}) judged GROUP BY reason", judged)))
        self.found.stops[-1].held_back = {reason: number for reason, number in told.items() if reason is not None}
        if limit is not None:
            run(sql("INSERT INTO forecast_sent SELECT subject_id, {} FROM ({}) j WHERE reason IS NULL", at, judged))

    def _move(self, step: Step, place: int, at: datetime) -> None:
        here = sql("SELECT subject_id FROM forecast_place WHERE place = {}", place)
        moved, refused = stepping.ways(step)
        some = sql("SELECT subject_id FROM ({}) judged WHERE why = ''", stepping.moving(step, here))
        apart = self._apart(place, some)
        self.found.stops[-1].outcomes = {"moved": self._count(apart), "refused": self._count(place)}
        self._go(apart, moved.to, at, ends=moved.reason)
        self._go(place, refused.to, at)


def _capped(judged: Sql, here: Sql, limit: capping.Cap, at: datetime) -> Sql:
    """The same verdicts, and the cap: by what was really sent until now, and by what the dry run has sent."""
    return sql(
        """SELECT judged.subject_id,
                  CASE WHEN judged.reason IS NOT NULL THEN judged.reason
                       WHEN coalesce(spent.number, 0) + coalesce(sent.number, 0) >= {} THEN {} END AS reason
           FROM ({}) judged
           LEFT JOIN ({}) spent USING (subject_id)
           LEFT JOIN (SELECT subject_id, count(*) AS number FROM forecast_sent WHERE at > {} GROUP BY subject_id) sent
               USING (subject_id)""",
        limit.messages,
        _("frequency cap"),
        judged,
        capping.spent(here, limit, at=at),
        at - timedelta(days=limit.days),
    )


def _comes_by_time(node: tree.Node) -> bool:
    """Whether time alone can make a condition hold."""
    if isinstance(node, tree.Leaf):
        return node.comes_by_time
    if isinstance(node, tree.Not):
        return True
    return any(_comes_by_time(part) for part in node.parts)


def _a_day(version: CampaignVersion, at: datetime) -> float | None:
    """How many came a day in the last weeks, by when it was so: a replay that was recorded lately is no rush."""
    since = at - timedelta(days=LATELY)
    if version.entry == CampaignVersion.Entry.STAGE and version.campaign.lifecycle_id:
        came = sql(
            """SELECT count(DISTINCT m.subject_id) FROM lifecycle_movement v
               JOIN lifecycle_membership m ON m.id = v.membership_id
               JOIN lifecycle_stage g ON g.id = v.to_stage_id
               WHERE m.lifecycle_id = {} AND g.slug = {} AND v.occurred_at >= {} AND v.occurred_at < {}""",
            version.campaign.lifecycle_id,
            version.campaign.stage,
            since,
            at,
        )
    elif version.entry == CampaignVersion.Entry.SEGMENT and version.segment:
        # Whoever was there when the segment was made did not come then.
        came = sql(
            """SELECT count(DISTINCT m.subject_id) FROM audience_segmentmember m
               WHERE m.segment_id = {} AND m.entered_at >= {} AND m.entered_at > {} AND m.entered_at < {}""",
            version.segment_id,
            since,
            version.segment.created_at,
            at,
        )
    else:
        return None
    return int(value(came)) / LATELY

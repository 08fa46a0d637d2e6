"""The hand-offs of one stage in one window: what became of the offers, deadlines, speed, reasons; whole and split."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace

from kit.sql import join, rows, sql
from kit.statistics import Counts, Share
from reporting import offers
from reporting.metrics import accepted_so_fast
from reporting.offers import Outcome, Speed
from reporting.plans import Place
from reporting.questions import Question
from reporting.splits import EMPTY


@dataclass
class Body:
    """The hand-offs of everybody, or of one bucket. The outcomes add up to what was offered."""

    outcomes: Counter[str] = field(default_factory=Counter)
    hours: Counts = field(default_factory=Counts)  # from offer to acceptance
    met: int = 0
    missed: int = 0
    late: int = 0
    coming: int = 0
    reached: int = 0  # of the accepted, the target

    @property
    def offered(self) -> int:
        return self.outcomes.total()

    @property
    def acceptance(self) -> Share:
        return Share(self.outcomes[Outcome.ACCEPTED], self.offered)

    @property
    def attainment(self) -> Share:
        return Share(self.met, self.met + self.missed)


@dataclass(frozen=True)
class Receiver:
    """What was offered to one user (or to a team, or to nobody) by the hand-offs made here, by what became of it."""

    user_id: int | None
    name: str
    team_id: int | None
    team: str
    states: dict[str, int]
    missed: int

    @property
    def offered(self) -> int:
        return sum(self.states.values())


@dataclass(frozen=True)
class HandOffs:
    """The answer: everybody, the buckets of the question's split (the largest first), conversion by speed, reasons."""

    question: Question
    everybody: Body
    buckets: tuple[tuple[str, Body], ...]
    by_speed: dict[Speed, Share]
    rejected: tuple[tuple[str, int], ...]  # reason ("" none given) and how many, the most frequent first
    receivers: tuple[Receiver, ...] = ()


def of_stage(question: Question, stage: Place) -> Question:
    """The question about the hand-offs out of a stage with a limit: accepted in the next, come to the one behind it."""
    onward = question.plan.next(stage.slug)
    assert onward is not None
    target = question.plan.next(onward.slug) or onward
    return question.about(stage=stage.slug, target=target.slug)


def answer(question: Question) -> HandOffs:
    """The hand-offs that a question (with stage and target) asks for, in a fixed number of statements."""
    whole = question.about(split=None)
    everybody = _bodies(whole).get(EMPTY) or Body()
    buckets = sorted(_bodies(question).items(), key=lambda each: (-each[1].offered, each[0] == EMPTY, each[0]))
    shown = tuple(buckets) if question.split else ()
    return HandOffs(question, everybody, shown, _by_speed(whole), _reasons(whole), _receivers(whole))


def _bodies(question: Question) -> dict[str, Body]:
    found: dict[str, Body] = defaultdict(Body)
    hours: dict[str, list[tuple[int, int]]] = defaultdict(list)
    statement = sql(
        """SELECT bucket, outcome, CASE WHEN outcome = 'accepted' THEN (seconds / 3600.0)::int END, count(*),
                  count(*) FILTER (WHERE outcome = 'accepted' AND {})
           FROM ({}) offer GROUP BY 1, 2, 3""",
        accepted_so_fast.reached(question),
        offers.made(question),
    )
    for bucket, outcome, length, count, reached in rows(statement):
        found[bucket].outcomes[outcome] += count
        found[bucket].reached += reached
        if length is not None:
            hours[bucket].append((length, count))
    for bucket, pairs in hours.items():
        found[bucket].hours = Counts(pairs)
    deadlines = sql(
        """SELECT bucket, count(*) FILTER (WHERE met), count(*) FILTER (WHERE missed), count(*) FILTER (WHERE late),
                  count(*) FILTER (WHERE NOT (met OR missed))
           FROM ({}) offer GROUP BY 1""",
        offers.dated(question),
    )
    for bucket, met, missed, late, coming in rows(deadlines):
        body = found[bucket]
        body.met, body.missed, body.late, body.coming = met, missed, late, coming
    return found


def _by_speed(question: Question) -> dict[Speed, Share]:
    speeds = [sql("WHEN {} THEN {}", offers.of_speed(speed), speed.value) for speed in Speed]
    statement = sql(
        "SELECT CASE {} END, count(*) FILTER (WHERE {}), count(*) FROM ({}) offer WHERE outcome = {} GROUP BY 1",
        join(" ", speeds),
        accepted_so_fast.reached(question),
        offers.made(question),
        str(Outcome.ACCEPTED),
    )
    told = {speed: Share(hits, of) for speed, hits, of in rows(statement)}
    return {speed: told.get(speed.value, Share(0, 0)) for speed in Speed}


def _reasons(question: Question) -> tuple[tuple[str, int], ...]:
    statement = sql(
        "SELECT reason, count(*) FROM ({}) offer WHERE outcome = {} GROUP BY 1 ORDER BY 2 DESC, 1",
        offers.made(question),
        str(Outcome.REJECTED),
    )
    return tuple(rows(statement))


def _receivers(question: Question) -> tuple[Receiver, ...]:
    """The offers made here in the window, by whom they went to; what was imported or replayed went to nobody here."""
    zone = question.zone
    statement = sql(
        """SELECT held.user_id, COALESCE(NULLIF(u.name, ''), u.email, ''), held.team_id, COALESCE(team.name, ''),
                  held.state, count(*), count(held.missed_at)
           FROM lifecycle_handoff held
           JOIN lifecycle_stage stage ON stage.id = held.stage_id AND stage.slug = {}
           JOIN lifecycle_version version ON version.id = stage.version_id AND version.lifecycle_id = {}
           LEFT JOIN kit_user u ON u.id = held.user_id LEFT JOIN kit_team team ON team.id = held.team_id
           WHERE (held.offered_at AT TIME ZONE {})::date >= {} AND (held.offered_at AT TIME ZONE {})::date < {}
           GROUP BY 1, 2, 3, 4, 5 ORDER BY 4, 2, 1, 3""",
        question.stage,
        question.plan.lifecycle.pk,
        zone,
        question.window.start,
        zone,
        question.window.end,
    )
    found: dict[tuple[int | None, int | None], Receiver] = {}
    for user_id, name, team_id, team, state, count, missed in rows(statement):
        held = found.get((user_id, team_id)) or Receiver(user_id, name, team_id, team, {}, 0)
        held.states[state] = count
        found[user_id, team_id] = replace(held, missed=held.missed + missed)
    return tuple(found.values())

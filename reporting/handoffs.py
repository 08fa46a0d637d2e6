"""The hand-offs of one stage in one window: what became of the offers, deadlines, speed, reasons; whole and split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Count, Q

from kit.models import User
from kit.sql import Sql, join, rows, sql
from kit.statistics import Counts, Share
from lifecycle.handoffs import queue
from lifecycle.models import Handoff
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
class Owned:
    """The hand-offs of the subjects that one user had when they came into the stage; `user` is "" for nobody's."""

    user: str
    name: str
    body: Body


@dataclass(frozen=True)
class Receiver:
    """What was offered to one user (or to a team, or to nobody) by the hand-offs made here, by what became of it.

    `met`: left in time. `missed`: not answered in time by them. `late`: missed, and waiting.
    """

    user_id: int | None
    name: str
    team_id: int | None
    team: str
    states: Mapping[str, int]
    met: int
    missed: int
    late: int

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
    owners: tuple[Owned, ...] = ()  # who had most first, nobody last; they add up to everybody
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
    return HandOffs(question, everybody, shown, _by_speed(whole), _reasons(whole), _owners(whole), _receivers(whole))


def _bodies(question: Question, *, by_owner: bool = False) -> dict[str, Body]:
    """The hand-offs of each bucket of the question's split, or of each owner."""
    bucket = Sql("owner" if by_owner else "bucket")
    found: dict[str, Body] = defaultdict(Body)
    hours: dict[str, list[tuple[int, int]]] = defaultdict(list)
    statement = sql(
        """SELECT {}, outcome, CASE WHEN outcome = 'accepted' THEN (seconds / 3600.0)::int END, count(*),
                  count(*) FILTER (WHERE outcome = 'accepted' AND {})
           FROM ({}) offer GROUP BY 1, 2, 3""",
        bucket,
        accepted_so_fast.reached(question),
        offers.made(question, owned=by_owner),
    )
    for part, outcome, length, count, reached in rows(statement):
        found[part].outcomes[outcome] += count
        found[part].reached += reached
        if length is not None:
            hours[part].append((length, count))
    for part, pairs in hours.items():
        found[part].hours = Counts(pairs)
    deadlines = sql(
        """SELECT {}, count(*) FILTER (WHERE met), count(*) FILTER (WHERE missed), count(*) FILTER (WHERE late),
                  count(*) FILTER (WHERE NOT (met OR missed))
           FROM ({}) offer GROUP BY 1""",
        bucket,
        offers.dated(question, owned=by_owner),
    )
    for part, met, missed, late, coming in rows(deadlines):
        body = found[part]
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


def _owners(question: Question) -> tuple[Owned, ...]:
    found = _bodies(question, by_owner=True)
    users = User.objects.in_bulk([int(user) for user in found if user])
    told = [Owned(user, str(users[int(user)]) if user else "", body) for user, body in found.items()]
    return tuple(sorted(told, key=lambda each: (not each.user, -each.body.offered, each.name, each.user)))


def _receivers(question: Question) -> tuple[Receiver, ...]:
    """The offers made here in the window, by whom they went to; what was imported or replayed went to nobody here."""
    window = question.window
    made = Handoff.objects.filter(
        stage__slug=question.stage,
        stage__version__lifecycle=question.plan.lifecycle,
        offered_at__gte=question.as_of_day(window.start),
        offered_at__lt=question.as_of_day(window.end),
    )
    whose = ("user_id", "user__name", "user__email", "team_id", "team__name")
    counts = {state: Count("pk", filter=Q(state=state)) for state in Handoff.State.values}
    clocks = {"met": queue.MET, "missed": queue.MISSED, "late": queue.LATE}
    told = made.values(*whose).annotate(
        **counts, **{f"is_{name}": Count("pk", filter=asked) for name, asked in clocks.items()}
    )
    found = [
        Receiver(
            each["user_id"], each["user__name"] or each["user__email"] or "", each["team_id"], each["team__name"] or "",
            {state: each[state] for state in counts if each[state]}, *(each[f"is_{name}"] for name in clocks),
        )
        for each in told
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda each: (each.team, each.name, each.user_id or 0)))

"""Everybody on their way through campaigns: who is due is taken a step further, range by range of enrollments.

A round takes everybody of a range one step on, by one statement per kind of step (`stepping`), in one transaction: the
step runs and messages are written, or nothing is. Nothing here sends, renders or waits. Any number of workers may run:
rows that one of them holds are passed over by the others.

Steps that ask something of somebody (a branch, a goal, a wait until, a move) may fail for one of them. So a strike is
written down before each such look, in a transaction of its own, and taken away with success. The more strikes, the
fewer are looked at together: whoever is to blame is soon alone, and set aside after five; the others go on.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _

from audience.conditions.tree import ConditionError
from audience.subjects import erasure
from campaigns import plans, stepping
from campaigns.models import Campaign, Enrollment, Message, Step
from kit import installation, reading
from kit.models import User
from kit.sql import Sql, rows, run, sql, value

State = Enrollment.State
Kind = Step.Kind
PLAIN = (Kind.SEND, Kind.WAIT, Kind.EXIT)  # ask nothing, so that nobody can be to blame
SPAN = 5_000  # ids of enrollments in a range; fixed, so that no two workers' ranges overlap
TOGETHER = (5_000, 500, 50, 5, 1)  # how many are looked at at once, by the strikes that they have
STRIKES = len(TOGETHER)  # after so many somebody is set aside
LOOK_TIME = 30.0  # seconds for one look
FEW, SHARE = 10, 0.01  # set aside: if more than both, of all who entered, the campaign pauses

logger = logging.getLogger(__name__)


def run_once(now: datetime) -> int:
    """Take everybody who is due as far as they can go now; how many steps that were (a look that failed is one too)."""
    tick = read(now)
    return sum(_advance(tick, span) for span in tick.spans) if tick else 0


def run_all(now: datetime) -> int:
    """Advance until nobody is due; for tests, commands and loading."""
    done = 0
    while more := run_once(now):
        done += more
    return done


# ---- leaving ----


def leave(enrollments: Sql, *, state: str, reason: str, now: datetime) -> int:
    """Those of the statement (enrollment_id) who are on the way leave; their messages that have not left are cancelled.

    How many left. At which step they were stays written down.
    """
    with transaction.atomic():
        left = rows(
            sql(
                """UPDATE campaigns_enrollment e SET state = {}, reason = {}, ended_at = {}, wake_at = NULL
                   WHERE e.state = {} AND e.id IN (SELECT enrollment_id FROM ({}) leaving) RETURNING e.id""",
                state,
                reason[:300],
                now,
                State.ACTIVE,
                enrollments,
            )
        )
        # A statement of its own: what a worker wrote while we waited for its rows must be seen.
        _cancel([row[0] for row in left], reason)
    return len(left)


def erase(subject_id: int, *, by: User | None, now: datetime) -> None:
    """Whoever is erased leaves every campaign, and gets nothing more. Raises erasure.Refused."""
    theirs = sql("SELECT id AS enrollment_id FROM campaigns_enrollment WHERE subject_id = {}", subject_id)
    reason = _("erased")
    leave(theirs, state=State.EXITED, reason=reason, now=now)
    _cancel_those(sql("subject_id = {}", subject_id), reason)
    if Message.objects.filter(subject_id=subject_id, state=Message.State.SENDING).exists():
        raise erasure.Refused(_("A message to this person is leaving at this moment. Try again in a minute."))


def _cancel(enrollment_ids: Collection[int], reason: str) -> None:
    if enrollment_ids:
        _cancel_those(sql("enrollment_id = ANY ({})", list(enrollment_ids)), reason)


def _cancel_those(which: Sql, reason: str) -> None:
    run(
        sql(
            # In the order in which senders lock them, so that neither waits for the other for ever.
            """UPDATE campaigns_message m SET state = {}, reason = {} FROM (
                   SELECT id FROM campaigns_message WHERE {} AND state IN ('queued', 'claimed')
                   ORDER BY id FOR NO KEY UPDATE) held
               WHERE m.id = held.id""",
            Message.State.CANCELLED,
            reason[:300],
            which,
        )
    )


# ---- who is due ----


@dataclass(frozen=True)
class Span:
    """A range of enrollments, `[low, high)`, and the steps at which some of them are due."""

    low: int
    high: int
    steps: frozenset[int]

    @property
    def rows(self) -> Sql:
        return sql("e.id >= {} AND e.id < {}", self.low, self.high)


@dataclass(frozen=True)
class Tick:
    """What one run goes by: the instant, the zone, where somebody is due, and the steps of campaigns that run."""

    now: datetime
    zone: ZoneInfo
    spans: list[Span]
    steps: dict[int, Step]


def read(now: datetime) -> Tick | None:
    """Who is due as of now; None when nobody is, which costs next to nothing."""
    running = list(Campaign.objects.filter(state=Campaign.State.RUNNING).values_list("pk", flat=True))
    found = rows(
        sql(
            """SELECT e.id / {} AS block, array_agg(DISTINCT e.step_id) FROM campaigns_enrollment e
               WHERE e.state = 'active' AND e.campaign_id = ANY ({}) AND e.wake_at <= {}
               GROUP BY block ORDER BY block""",
            SPAN,
            running,
            now,
        )
    )
    if not found:
        return None
    due = Step.objects.filter(pk__in={pk for _block, at in found for pk in at})
    steps = Step.objects.filter(version__in=due.values("version"))
    known = steps.select_related("version__campaign__lifecycle", "lifecycle", "next", "other")
    spans = [Span(block * SPAN, (block + 1) * SPAN, frozenset(at)) for block, at in found]
    return Tick(now, installation.zone(), spans, {step.pk: step for step in known})


# ---- taking them on ----


def _advance(tick: Tick, span: Span) -> int:
    """Round after round, each a step further, until nobody of the range is due; how many steps."""
    with _taken(span) as is_ours:
        if not is_ours:
            return 0
        done, at = 0, set(span.steps)
        for _round in range(plans.MOST_STEPS):
            reached, number = _round_of(tick, span, [tick.steps[pk] for pk in sorted(at) if pk in tick.steps])
            done += number
            at = reached
            if not at:
                break
        return done


@contextmanager
def _taken(span: Span) -> Iterator[bool]:
    """Whether this worker alone is at the range, so that nobody gets two strikes for one look."""
    key = sql("hashtext('campaigns_journeys'), {}", span.low // SPAN)
    is_ours = bool(value(sql("SELECT pg_try_advisory_lock({})", key)))
    try:
        yield is_ours
    finally:
        if is_ours:
            run(sql("SELECT pg_advisory_unlock({})", key))


def _round_of(tick: Tick, span: Span, steps: list[Step]) -> tuple[set[int], int]:
    """One step of everybody due at these steps: to which steps they came, and how many steps that were."""
    reached: set[int] = set()
    number = 0
    kinds: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        kinds[step.kind].append(step)
    with transaction.atomic():
        for kind in PLAIN:
            if kinds[kind]:
                went = stepping.take(kinds[kind], span.rows, now=tick.now, zone=tick.zone)
                reached |= {pk for pk in went if pk is not None}
                number += sum(went.values())
    for step in (each for each in steps if each.kind not in PLAIN):
        went, failed = _look(tick, span, step)
        reached |= {pk for pk in went if pk is not None}
        number += sum(went.values()) + failed
    return reached, number


# ---- steps that ask ----


def _look(tick: Tick, span: Span, step: Step) -> tuple[dict[int | None, int], int]:
    """One look at those due at a step that asks: how many went where, and for how many the look failed."""
    went: dict[int | None, int] = defaultdict(int)
    failed = 0
    for some, strikes in _by_strikes(tick, span, step):
        if strikes >= STRIKES:
            failed += _set_aside(step, some, _("looking at it failed five times"), tick.now)
            continue
        struck = _strike(some)
        whom = sql("e.id = ANY ({})", struck)
        try:
            with reading.in_time(LOOK_TIME):
                found = stepping.take([step], whom, now=tick.now, zone=tick.zone)
        except (ConditionError, reading.TooSlow) as fault:
            _let_off(whom)
            plans.pause(step.version.campaign, because=_because(step, fault), by=None, now=tick.now)
            return went, failed
        except Exception as fault:  # whatever it is, the others go on
            logger.exception("the step %s failed for some of %s enrollments", step.pk, len(struck))
            failed += len(struck)
            if strikes + 1 >= STRIKES:
                _set_aside(step, struck, f"{type(fault).__name__}: {fault}", tick.now)
        else:
            for to, number in found.items():
                went[to] += number
    return went, failed


def _by_strikes(tick: Tick, span: Span, step: Step) -> Iterator[tuple[list[int], int]]:
    """Those due at a step, as many at once as their strikes allow."""
    found = rows(
        sql(
            """SELECT e.strikes, array_agg(e.id ORDER BY e.id) FROM campaigns_enrollment e
               WHERE {} AND e.state = 'active' AND e.step_id = {} AND e.wake_at <= {}
                 AND e.campaign_id IN (SELECT c.id FROM campaigns_campaign c WHERE c.state = 'running')
               GROUP BY 1 ORDER BY 1""",
            span.rows,
            step.pk,
            tick.now,
        )
    )
    for strikes, ids in found:
        size = TOGETHER[min(strikes, STRIKES - 1)]
        for start in range(0, len(ids), size):
            yield ids[start : start + size], strikes


def _strike(some: list[int]) -> list[int]:
    """A strike for each of them whom nobody else holds, committed before anything is asked of them; who they are."""
    with transaction.atomic():
        struck = rows(
            sql(
                """UPDATE campaigns_enrollment e SET strikes = strikes + 1 WHERE e.id IN (
                       SELECT free.id FROM campaigns_enrollment free
                       WHERE free.id = ANY ({}) AND free.state = 'active' FOR NO KEY UPDATE SKIP LOCKED)
                   RETURNING e.id""",
                some,
            )
        )
    return [row[0] for row in struck]


def _let_off(whom: Sql) -> None:
    """It was nobody's own fault."""
    run(sql("UPDATE campaigns_enrollment e SET strikes = strikes - 1 WHERE {} AND e.strikes > 0", whom))


def _set_aside(step: Step, some: list[int], why: str, now: datetime) -> int:
    """Set enrollments aside, and pause the campaign when they are too many to be exceptions."""
    logger.error("enrollments %s are set aside at step %s: %s", some, step.pk, why)
    chosen = sql("SELECT unnest({}::bigint[]) AS enrollment_id", some)
    number = leave(chosen, state=State.QUARANTINED, reason=f"“{step}”: {why}", now=now)
    campaign = step.version.campaign
    entered = Enrollment.objects.filter(campaign=campaign).exclude(state=State.HOLDOUT)
    aside = entered.filter(state=State.QUARANTINED).count()
    if aside > FEW and aside > SHARE * entered.count():
        because = _("“%(step)s” failed for %(number)s people: %(why)s") % {"step": step, "number": aside, "why": why}
        plans.pause(campaign, because=because, by=None, now=now)
    return number


def _because(step: Step, fault: Exception) -> str:
    if isinstance(fault, reading.TooSlow):
        return _("The condition of “%(step)s” took too long to ask. Nobody has left by that.") % {"step": step}
    return _("“%(step)s” cannot be asked any more: %(why)s") % {"step": step, "why": fault}

"""Deliveries are sent: at least once, each webhook by one lane at a time, so that a slow one holds nobody else up.

Whoever holds a webhook (a lease on the database's clock) sends what is due for it, one after the other, and notes each
outcome as it comes. Killed in between, it leaves the delivery waiting, which is sent again once the lease is over.

Two things wait after a failure. The delivery has its own schedule. The address is left alone for a while when it was
the address that failed (no answer, too many requests, a gateway), so that its other deliveries are not all tried in
vain; they are given up when it could not be reached for days.
"""

from __future__ import annotations

import email.utils
import queue
import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils.translation import gettext as _

from integrations.models import Webhook, WebhookDelivery
from integrations.webhooks import events, keeping, noting, signing
from kit import instance, notices, outside, secrets, writing
from kit.sql import rows, run, sql

# After each failed try, as the text of Standard Webhooks has it; after the tenth none follows.
DELAYS = (
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=5),
    timedelta(hours=10), timedelta(hours=14), timedelta(hours=20), timedelta(hours=24),
)  # fmt: skip
MOST_TRIES = len(DELAYS) + 1
JITTER = 0.2  # of a delay, at most, on top of it
REST, LONGEST_REST = timedelta(seconds=5), timedelta(minutes=5)  # of an address: doubled each time, up to that
LONGEST_WAIT = timedelta(days=1)  # that a Retry-After may ask for
UNREACHED = timedelta(hours=80)  # after which what waited for an address is given up: longer than all tries of one take
BUSY = (429, 502, 503, 504)  # that tell of the address and not of what was sent
GONE = 410

WITHIN = 20.0  # seconds for one answer
LANES = 16  # webhooks that one process sends to at once
AT_ONCE = 50  # deliveries that a lane takes with it
TURN = 20.0  # seconds after which a lane begins no further one
LEASE = timedelta(seconds=120)  # longer than a lane may take: its turn, one more answer, and looking up a name
BREATH = 0.5  # seconds between two looks for what is new while lanes are open
KEPT, DEAD_KEPT = timedelta(days=30), timedelta(days=90)
NOTICE = "webhook"
State, Failure = WebhookDelivery.State, WebhookDelivery.Failure
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Letter:
    """One delivery as a lane sends it."""

    delivery: WebhookDelivery
    url: str
    keys: Sequence[str]
    body: bytes


@dataclass(frozen=True)
class Outcome:
    """What came of one try."""

    delivery: WebhookDelivery
    at: datetime
    took: float
    status: int | None = None
    failure: str = ""
    retry_after: str = ""

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_of_address(self) -> bool:
        """Whether it says that nothing else would get through either."""
        return self.status is None or self.status in BUSY


@dataclass(frozen=True)
class Lane:
    """A webhook that is held by this process, and what is sent to it in this turn; `noted` once for each outcome."""

    hook: Webhook
    holder: uuid.UUID
    letters: Sequence[Letter]
    noted: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


News = tuple[Lane, Outcome | None]  # without an outcome: the lane has ended


def run_all(clock: Clock, *, longest: float) -> int:
    """Note what is new and send what is due, until nothing is, or for so many seconds; how many were sent.

    Any number of processes may do so at once.
    """
    until = time.monotonic() + longest
    told: queue.SimpleQueue[News] = queue.SimpleQueue()
    open_lanes = sent = 0
    while True:
        if time.monotonic() < until:
            noting.note(clock())
            for lane in _claim(clock(), LANES - open_lanes):
                threading.Thread(target=_drive, args=[lane, told, clock], daemon=True).start()
                open_lanes += 1
        if not open_lanes:
            return sent
        try:
            lane, outcome = told.get(timeout=BREATH)
        except queue.Empty:
            continue
        if outcome is None:
            _let_go(lane)
            open_lanes -= 1
        else:
            note_outcome(outcome)
            lane.noted.release()
            sent += 1


# ---- lanes ----


def _claim(now: datetime, most: int) -> list[Lane]:
    """Take webhooks that have something due and that nobody holds; in a copy of the installation none."""
    if most <= 0:
        return []
    holder = uuid.uuid4()
    taken = rows(
        sql(
            """UPDATE integrations_webhook SET holder = {}, held_until = clock_timestamp() + {}::interval
               WHERE id IN (
                   SELECT hook.id FROM integrations_webhook hook
                   WHERE hook.paused_at IS NULL AND (hook.held_until IS NULL OR hook.held_until < clock_timestamp())
                     AND (hook.rest_until IS NULL OR hook.rest_until <= {}) AND {} AND EXISTS (
                         SELECT FROM integrations_webhookdelivery due
                         WHERE due.webhook_id = hook.id AND due.state = 'waiting' AND due.next_at <= {})
                   ORDER BY hook.held_until NULLS FIRST, hook.id LIMIT {} FOR UPDATE SKIP LOCKED)
               RETURNING id""",
            holder, LEASE, now, instance.fence(), now, most,
        )
    )  # fmt: skip
    lanes = []
    for hook in Webhook.objects.filter(pk__in=[pk for (pk,) in taken]).order_by("pk"):
        if (keys := _keys(hook, now)) is not None:
            lanes.append(Lane(hook, holder, _letters(hook, keys, now)))
    return lanes


def _keys(hook: Webhook, now: datetime) -> list[str] | None:
    """The secrets that sign now; None when they cannot be read, for which the webhook is paused."""
    try:
        keys = [secrets.opened(hook.secret)]
        if hook.former_secret and hook.former_until and now < hook.former_until:
            keys.append(secrets.opened(hook.former_secret))
        return keys
    except secrets.Unreadable:
        _stop(hook, _("Its secret was kept under another key of the installation. Give it a new one."), now)
        return None


def _letters(hook: Webhook, keys: Sequence[str], now: datetime) -> list[Letter]:
    due = list(
        hook.deliveries.filter(state=State.WAITING, next_at__lte=now).order_by("next_at", "pk")[:AT_ONCE]
    )  # fmt: skip
    bodies = events.bodies(due)
    if vanished := [each.pk for each in due if each.pk not in bodies]:
        _give_up(hook, vanished, Failure.VANISHED, now)
    return [Letter(each, hook.url, keys, bodies[each.pk]) for each in due if each.pk in bodies]


def _drive(lane: Lane, told: queue.SimpleQueue[News], clock: Clock) -> None:
    """Send a lane's letters, in a thread without a connection to the database, and each once the one before is noted:
    so whoever is killed leaves one of each lane that is sent again. Last of all it is told that the lane has ended."""
    until = time.monotonic() + TURN
    try:
        for letter in lane.letters:
            if time.monotonic() > until:
                break
            outcome = send(letter, clock())
            told.put((lane, outcome))
            if not lane.noted.acquire(timeout=TURN) or outcome.is_of_address or outcome.status == GONE:
                break
    finally:
        told.put((lane, None))


def send(letter: Letter, now: datetime) -> Outcome:
    """One try. Whatever happens is an outcome."""
    headers = signing.headers(letter.keys, letter.delivery.message_id, int(now.timestamp()), letter.body)
    began = time.monotonic()
    try:
        answer = outside.post(
            letter.url, letter.body, headers={"Content-Type": "application/json", **headers}, within=WITHIN
        )
    except outside.Refused as refused:
        return Outcome(letter.delivery, now, time.monotonic() - began, failure=refused.why or Failure.ADDRESS)
    took = time.monotonic() - began
    failure = "" if 200 <= answer.status < 300 else Failure.STATUS
    return Outcome(letter.delivery, now, took, answer.status, failure, answer.retry_after)


def _let_go(lane: Lane) -> None:
    """Somebody else may hold it again; nothing when the lease was over and somebody does."""
    Webhook.objects.filter(pk=lane.hook.pk, holder=lane.holder).update(holder=None, held_until=None)


# ---- outcomes ----


@transaction.atomic
def note_outcome(outcome: Outcome) -> None:
    """Write down what came of a try, and what follows from it. One that came too late to count changes nothing."""
    delivery, at = outcome.delivery, outcome.at
    tries = delivery.tries + 1
    took = round(outcome.took * 1000)
    line = {
        "at": at.isoformat(), "status": outcome.status, "failure": str(outcome.failure), "took_ms": took,
    }  # fmt: skip
    told: dict[str, Any] = {
        "tries": tries, "tried_at": at, "status": outcome.status, "failure": outcome.failure, "took_ms": took,
        "log": [*delivery.log, line][-2 * MOST_TRIES :],
    }  # fmt: skip
    if outcome.is_taken:
        told |= {"state": State.DELIVERED, "ended_at": at}
    elif outcome.status == GONE:
        told |= {"next_at": at}
    elif tries >= MOST_TRIES:
        told |= {"state": State.DEAD, "ended_at": at}
    else:
        told |= {"next_at": at + max(_jittered(DELAYS[tries - 1]), _asked(outcome))}
    waiting = WebhookDelivery.objects.filter(pk=delivery.pk, state=State.WAITING)
    if not outcome.is_taken:
        waiting = waiting.filter(tries=delivery.tries, since=delivery.since)
    if not waiting.update(**told):
        return
    hook = Webhook.objects.get(pk=delivery.webhook_id)
    if outcome.is_taken:
        Webhook.objects.filter(pk=hook.pk).update(failures=0, rest_until=None, told_at=None, answered_at=at)
    elif outcome.status == GONE:
        _stop(hook, _("It answered 410: whoever is there wants to be told nothing any more."), at)
    elif outcome.is_of_address:
        _rest(hook, outcome)
    if told.get("state") == State.DEAD:
        _tell_of_dead(hook, at)


def _rest(hook: Webhook, outcome: Outcome) -> None:
    """Leave the address alone for a while, and give up what has waited for it for days."""
    rest = min(REST * 2 ** min(hook.failures, 20), LONGEST_REST)
    until = outcome.at + max(_jittered(rest), _asked(outcome))
    Webhook.objects.filter(pk=hook.pk).update(failures=F("failures") + 1, rest_until=until)
    old = hook.deliveries.filter(state=State.WAITING, since__lt=outcome.at - UNREACHED).values_list("pk", flat=True)
    if found := list(old):
        _give_up(hook, found, Failure.UNREACHED, outcome.at)


def _give_up(hook: Webhook, deliveries: Sequence[int], failure: str, now: datetime) -> None:
    given_up = WebhookDelivery.objects.filter(pk__in=deliveries, state=State.WAITING)
    if given_up.update(state=State.DEAD, ended_at=now, failure=failure):
        _tell_of_dead(hook, now)


def _jittered(delay: timedelta) -> timedelta:
    return delay * random.uniform(1, 1 + JITTER)


def _asked(outcome: Outcome) -> timedelta:
    """How long the other side asks to be left alone: by seconds or a date, within a day; anything else is nothing."""
    told = outcome.retry_after.strip()
    if not told or outcome.status not in (*BUSY, 500):
        return timedelta(0)
    if told.isascii() and told.isdigit():
        wait = timedelta(seconds=min(int(told[:9]), 10**8))
    else:
        try:
            at = email.utils.parsedate_to_datetime(told)
        except ValueError:
            return timedelta(0)
        wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - outcome.at
    return min(max(wait, timedelta(0)), LONGEST_WAIT)


# ---- what administrators are told ----


def _stop(hook: Webhook, because: str, now: datetime) -> None:
    """Pause it by itself, and say so."""
    if keeping.pause(hook, by=None, now=now, because=because):
        title = _("The webhook “%(name)s” is paused") % {"name": hook.name}
        more = _("What happens from here on waits for it. Resume it once that is put right, or remove it.")
        notices.tell(None, NOTICE, title, f"{because}\n{more}", link=hook.get_absolute_url(), now=now)


def _tell_of_dead(hook: Webhook, now: datetime) -> None:
    """Say that something was given up, once until it answers again."""
    if Webhook.objects.filter(pk=hook.pk, told_at=None).update(told_at=now):
        title = _("The webhook “%(name)s” does not take what it is told") % {"name": hook.name}
        more = _("Events were given up after %(tries)s tries or %(span)s. Once it works, they can all be sent again.")
        told = {"tries": MOST_TRIES, "span": writing.span(UNREACHED)}
        link = f"{reverse('webhook_deliveries', args=[hook.pk])}?state=dead"
        notices.tell(None, NOTICE, title, more % told, link=link, now=now)


# ---- by night ----


def forget(now: datetime) -> int:
    """Drop what was delivered long ago, and longer ago given up; what a paused webhook never got is given up."""
    ended = WebhookDelivery.objects.filter(ended_at__lt=now - KEPT)
    gone = ended.filter(state=State.DELIVERED).delete()[0]
    gone += ended.filter(state=State.DEAD, ended_at__lt=now - DEAD_KEPT).delete()[0]
    run(
        sql(
            """UPDATE integrations_webhookdelivery waits SET state = 'dead', ended_at = {}, failure = {}
               FROM integrations_webhook hook WHERE hook.id = waits.webhook_id AND hook.paused_at IS NOT NULL
                 AND waits.state = 'waiting' AND waits.since < {}""",
            now,
            str(Failure.PAUSED),
            now - KEPT,
        )
    )
    return gone

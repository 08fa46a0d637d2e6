"""How messages leave: nothing twice, nothing lost, nothing unexplained.

    queued → claimed → sending → sent | failed | unknown        (claiming, fence, outcomes)
    queued or claimed → suppressed | skipped | expired | cancelled
    claimed → queued when its lease ends; sending → queued only on a definite “no”; unknown → sent on late evidence,
    or → queued by a person (sweeping, outcomes, asking)

A worker takes a lot of due messages and commits; writes them; then batch by batch commits the intents, together with
the outcomes of the batch before, and only then lets bytes go. Whatever it dies of, its rows tell how far it had come.
The database refuses every other change of state. docs/delivery.md tells it at length.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns import channels, faults, letters
from campaigns.channels import Channel, Connection, Down, Outcome, Outgoing
from campaigns.letters import Unwritten
from campaigns.models import ChannelSetting
from campaigns.sending import claiming, fence, lines, outcomes
from campaigns.sending.asking import Refused, notify, resend, test
from campaigns.sending.outcomes import late_evidence
from campaigns.sending.sweeping import sweep
from campaigns.sending.watching import Open, oldest_open
from kit import instance, leases

__all__ = [
    "Open",
    "Refused",
    "Unwritten",
    "Writer",
    "late_evidence",
    "notify",
    "oldest_open",
    "resend",
    "run_all",
    "run_once",
    "sweep",
    "test",
]

LOT = 200  # messages that are claimed and written together
LONGEST = 30.0  # seconds that a worker goes on with a lot; the rest is given back, so that `now` stays near the truth
TRIAL = timedelta(minutes=1)  # in which one worker tries a channel that paused by itself

Writer = Callable[[Sequence[uuid.UUID], datetime], Mapping[uuid.UUID, Outgoing | Unwritten]]


def run_once(now: datetime, *, owner: str, write: Writer = letters.write) -> int:
    """Take one lot of due messages of each channel as far as it goes; how many were taken.

    `owner` names the worker. Any number may run at once. Nothing is taken while this copy of the installation is not
    known to be the live one. Between two commits it may die at any point: see the crash table in docs/delivery.md.
    """
    if not instance.is_live():
        return 0
    taken = 0
    for setting in _settings():
        if limit := _may_go(setting, now):
            taken += _Turn(setting, owner, now).take(limit, write)
    return taken


def run_all(now: datetime, *, owner: str = "", write: Writer = letters.write) -> int:
    """Send until nothing is due that this worker may take; for tests, commands and measuring."""
    owner, sent = owner or f"all-{uuid.uuid4().hex[:8]}", 0
    while taken := run_once(now, owner=owner, write=write):
        sent += taken
    return sent


def _settings() -> list[ChannelSetting]:
    return list(ChannelSetting.objects.order_by("channel")) or [channels.setting_of("email")]


def _may_go(setting: ChannelSetting, now: datetime) -> int:
    """How many messages may be taken: a lot, none of a paused channel, one when it is this worker's turn to try it."""
    if setting.paused_at is None:
        return LOT
    due = ChannelSetting.objects.filter(pk=setting.pk, retry_at__lte=now)
    return int(bool(due.update(retry_at=now + TRIAL)))


class _Turn:
    """One worker's way with one lot of messages."""

    def __init__(self, setting: ChannelSetting, owner: str, now: datetime) -> None:
        self.setting, self.now = setting, now
        self.owner = f"{owner[:50]}/{uuid.uuid4().hex[:8]}"  # of this turn alone: an earlier one's claims are not ours
        self.began = time.monotonic()
        self.told: list[outcomes.Told] = []

    def take(self, limit: int, write: Writer = letters.write) -> int:
        ids = claiming.claim(self.setting.channel, self.owner, self.now, limit=limit)
        if not ids:
            return 0
        faults.point("after-claim")
        with leases.kept(lambda: claiming.renew(self.owner), f"messages of {self.owner}"):
            going = self._written(write(ids, self.now))
            try:
                with channels.of(self.setting) as channel:
                    self._send(channel, going)
            except Down as down:
                outcomes.pause_for_trouble(self.setting, str(down), now=self._clock())
            finally:
                self._note()  # whatever else went wrong: what is known of the last batch is not to be lost
            claiming.release(ids, self.owner)
        lines.tell(ids)
        return len(ids)

    def _written(self, found: Mapping[uuid.UUID, Outgoing | Unwritten]) -> list[Outgoing]:
        """The letters that can leave; what could not be written is struck or passed over, what may not go now waits."""
        going = [each for each in found.values() if isinstance(each, Outgoing)]
        without: dict[str, dict[uuid.UUID, str]] = {"strike": {}, "later": {}, "skip": {}, "fail": {}}
        for pk, letter in found.items():
            if isinstance(letter, Unwritten):
                without[letter.then][pk] = letter.reason
        if without["strike"]:
            claiming.strike(without["strike"], self.owner, now=self.now)
        if without["fail"]:
            claiming.strike(without["fail"], self.owner, now=self.now, strikes=claiming.STRIKES)
        if without["skip"]:
            claiming.hold_back(without["skip"], self.owner, state="skipped")
        if without["later"]:
            claiming.release(list(without["later"]), self.owner, due_at=self.now + claiming.PAUSE)
        return self._without_paused_domains(going)

    def _without_paused_domains(self, written: list[Outgoing]) -> list[Outgoing]:
        paused = outcomes.paused_domains(self.setting.channel, self.now)
        going: list[Outgoing] = []
        waiting: dict[str, list[uuid.UUID]] = {}
        for each in written:
            domain = outcomes.domain_of(each.recipient)
            if domain in paused:
                waiting.setdefault(domain, []).append(each.id)
            else:
                going.append(each)
        for domain, ids in waiting.items():
            why = _("waits, because %(domain)s will not have our mail: %(because)s")
            reason = why % {"domain": domain, "because": paused[domain].because}
            claiming.release(ids, self.owner, due_at=paused[domain].until, reason=reason)
        return going

    def _send(self, channel: Channel, going: list[Outgoing]) -> None:
        """A batch for each connection: its intents are committed, with what became of those before; then bytes go.

        Raises Down when there is no way (any more), before the intents of the messages that would have gone it.
        """
        while going and time.monotonic() - self.began < LONGEST:
            ways = channel.ways(-(-len(going) // self.setting.batch))
            room = len(ways) * self.setting.batch
            these, going = going[:room], going[room:]
            with transaction.atomic(durable=True):  # within another transaction nothing would be committed here
                stands = self._tell()
                intents = [] if stands else self._intend(channel, these)
                faults.point("before-intent")
            self.told = []
            if stands:
                return
            faults.point("after-intent")
            began = self._clock()
            by_id = {each.outgoing.id: each for each in intents}
            sent, wrong = _carried(ways, [each.outgoing for each in intents])
            self.told = [outcomes.Told(by_id[each.id], each, began, self._clock()) for each in sent]
            if wrong:
                raise wrong

    def _note(self) -> None:
        """What became of the last batch."""
        with transaction.atomic(durable=True):
            self._tell()
            faults.point("before-outcome")
        self.told = []
        faults.point("after-outcome")

    def _tell(self) -> bool:
        """True when what became of the last batch has the channel stand still."""
        return outcomes.note(self.told, self.owner, setting=self.setting)

    def _intend(self, channel: Channel, batch: list[Outgoing]) -> list[fence.Intent]:
        return fence.intend(batch, self.owner, setting=self.setting, longest=channel.longest, now=self._clock())

    def _clock(self) -> datetime:
        """`now`, and the whole seconds that have passed since."""
        return self.now + timedelta(seconds=int(time.monotonic() - self.began))


def _carried(ways: Sequence[Connection], these: Sequence[Outgoing]) -> tuple[list[Outcome], Exception | None]:
    """Send over all connections at once, to each its share: no more than the setting's `batch` is in the air on one.

    And what went wrong that nobody foresaw: the messages of that connection have no outcome, the others have theirs.
    """
    share = -(-len(these) // len(ways))
    parts = [these[start : start + share] for start in range(0, len(these), share or 1)]
    if len(parts) <= 1:
        return (ways[0].send(these) if these else []), None
    sent, wrong = [], None
    with ThreadPoolExecutor(len(ways)) as pool:
        for each in [pool.submit(way.send, part) for way, part in zip(ways, parts, strict=False)]:
            try:
                sent += each.result()
            except Exception as error:
                wrong = error
    return sent, wrong

"""Providers that carry messages: each is one file with one class, known by its name.

The protocol of delivery (`campaigns/sending`) asks two things of a provider. It opens a connection, or raises `Down`
when nobody can be reached at all. The connection carries a batch, and says of each message how far it came. The rule
that everything else rests on: whatever may have been taken is `unknown`, never `deferred`. To be told of a definite
“no” is to be free to send again.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol

from django.db import transaction
from django.db.models import QuerySet

from campaigns.models import ChannelSetting
from kit import audit, secrets
from kit.models import User


class Down(Exception):
    """The provider cannot be reached, or will not have us: the channel pauses. The message says why, in its words."""


@dataclass(frozen=True)
class Outgoing:
    """One message as it leaves: to one reader, byte by byte."""

    id: uuid.UUID
    envelope_from: str
    recipient: str
    raw: bytes


ACCEPTED = "accepted"  # the other side has it
DEFERRED = "deferred"  # definitely not taken; to be tried again
BOUNCED = "bounced"  # definitely not taken, and the address does not exist
REFUSED = "refused"  # definitely not taken, for good
POLICY = "policy"  # definitely not taken: the other side will not have mail like this, or from us
UNKNOWN = "unknown"  # perhaps taken


@dataclass(frozen=True)
class Outcome:
    """What became of one message, and the other side's words. `began` is False when it was never its turn."""

    id: uuid.UUID
    result: str
    phase: str  # connect, hello, mail, recipient, data, dot, outcome: how far the protocol had come
    code: int | None = None
    enhanced: str = ""
    reply: str = ""
    began: bool = True


class Connection(Protocol):
    """An open way to the provider, of one worker."""

    def ready(self) -> bool:
        """Whether it is still open, as far as can be told; what is not is opened anew."""

    def send(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """Carry the messages; one outcome for each, whatever happens. Never raises for what the other side did."""

    def close(self) -> None:
        """Say goodbye, if there is anybody to say it to."""


class Channel(AbstractContextManager["Channel"]):
    """One kind of provider. A new one is a subclass in a file of its own, registered in `campaigns/apps.py`."""

    name: ClassVar[str]
    label: ClassVar[Any]
    longest: ClassVar[timedelta]  # that `send` may take over a batch, whatever the other side does

    def __init__(self, setting: ChannelSetting) -> None:
        self.setting = setting
        self._open: list[Connection] = []
        self._most = self.at_once()

    def at_once(self) -> int:
        """How many ways one worker keeps open. With more than one, each carries its messages in a thread of its own."""
        return 1

    def connect(self) -> Connection:
        """Open a way to the provider. Raises Down."""
        raise NotImplementedError

    def tried(self) -> str:
        """Open a way and close it again, and say in words what was found. Raises Down."""
        self.way()
        self._drop()
        return ""

    @classmethod
    def arrived(cls, ids: Collection[uuid.UUID]) -> Iterable[uuid.UUID]:
        """Those of the messages that the provider, asked afterwards, has taken; none when it cannot be asked."""
        return ()

    def way(self) -> Connection:
        """The connection at hand, or a new one. Raises Down."""
        return self.ways(1)[0]

    def ways(self, wanted: int) -> list[Connection]:
        """So many connections, or as many as may be; those that have ended are opened anew. Raises Down for none."""
        for ended in [each for each in self._open if not each.ready()]:
            ended.close()
            self._open.remove(ended)
        while len(self._open) < min(wanted, self._most):
            try:
                self._open.append(self.connect())
            except Down:
                if not self._open:
                    raise
                self._most = len(self._open)  # it will not have more of us at once
        return self._open[:wanted]

    def _drop(self) -> None:
        while self._open:
            self._open.pop().close()

    def __exit__(self, *_: object) -> None:
        self._drop()


_kinds: dict[str, type[Channel]] = {}


def register(kind: type[Channel]) -> None:
    """Make a provider known by its name; call it in `AppConfig.ready`."""
    _kinds[kind.name] = kind


def kinds() -> dict[str, type[Channel]]:
    """All providers by name."""
    return dict(_kinds)


def of(setting: ChannelSetting) -> Channel:
    """The provider that carries this channel's messages. Raises Down for one that this version does not know."""
    if setting.provider not in _kinds:
        raise Down(f"no provider is called {setting.provider!r}")
    return _kinds[setting.provider](setting)


def setting_of(channel: str) -> ChannelSetting:
    """The channel's setting; at first the built-in mailbox carries it."""
    return ChannelSetting.objects.get_or_create(channel=channel, defaults={"provider": "mailbox"})[0]


def change(
    setting: ChannelSetting,
    *,
    provider: str,
    settings: dict[str, Any],
    batch: int,
    password: str | None = None,
    by: User | None,
    now: datetime,
) -> None:
    """Another provider, or other settings of it. `password` None: the one that is kept stays; it is never told.

    A channel that paused by itself is tried again at once.
    """
    before = {"provider": setting.provider, "settings": setting.settings, "batch": setting.batch}
    setting.provider, setting.settings, setting.batch = provider, settings, batch
    if password is not None:
        setting.secret = secrets.seal(password)
    after = {"provider": provider, "settings": settings, "batch": batch, "password": password is not None}
    with transaction.atomic():
        setting.save(update_fields=["provider", "settings", "batch", "secret"])
        ChannelSetting.objects.filter(pk=setting.pk).exclude(retry_at=None).update(retry_at=now)
        audit.record("channel.change", setting.channel, by=by, now=now, before=before, after=after)


def pause(setting: ChannelSetting, because: str, *, retry_at: datetime | None, now: datetime) -> bool:
    """The channel stands still, until somebody lets it go on or, with `retry_at`, is tried again by itself."""
    still = ChannelSetting.objects.filter(pk=setting.pk)
    first = still.filter(paused_at=None).update(paused_at=now, paused_because=because[:500], retry_at=retry_at)
    # One that stands still by hand stays so whatever a worker in the middle of something finds.
    return bool(first or still.exclude(retry_at=None).update(paused_because=because[:500], retry_at=retry_at))


def resume(setting: ChannelSetting) -> bool:
    """The channel goes on, as somebody says."""
    return _goes_on(ChannelSetting.objects.filter(pk=setting.pk))


def recovered(setting: ChannelSetting) -> bool:
    """The channel was found well: it goes on, unless somebody has it stand still, however long ago we looked."""
    return _goes_on(ChannelSetting.objects.filter(pk=setting.pk).exclude(retry_at=None))


def _goes_on(settings: QuerySet[ChannelSetting]) -> bool:
    still = settings.exclude(paused_at=None)
    return bool(still.update(paused_at=None, paused_because="", retry_at=None))

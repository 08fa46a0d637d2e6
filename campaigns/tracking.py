"""The signed addresses within a message, and who it probably was that followed one: a human, a machine, a proxy.

An address carries the message, the place of the link among the message's links, and an HMAC-SHA256 over kind, message
and place. Where a link leads stands in the message's rows, never in the address, so there is nothing to redirect to
but what was written. The key is made from `settings.LASTING_KEY`: links in mails that have left work on for years.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

from audience.activity import agents
from audience.models import Activity
from campaigns import rendering
from campaigns.models import Message
from kit import installation

MAC = 18  # bytes of the signature: with 16 of the message and 2 of the link a whole number of letters, so that
TOKEN = re.compile(r"[A-Za-z0-9_-]{48}", re.ASCII)  # … each letter counts and none can be changed unnoticed
LASTS = timedelta(days=3 * 365)  # that a link of a message leads on; leaving a list has no end
AT_ONCE = timedelta(seconds=2)  # nobody reads so fast: what follows a link so soon after sending is a machine
MOST_LINKS = 2**16

Actor = Activity.Actor


class Kind(StrEnum):
    """What an address is for; one signed for a purpose is worth nothing for another."""

    CLICK = "c"
    OPEN = "o"
    READER = "r"  # leaving the list, and choosing among topics


# ---- addresses ----


@dataclass(frozen=True)
class Addresses:
    """The addresses of one message, absolute and signed."""

    message_id: UUID
    base: str

    def click(self, number: int, /) -> str:
        """The way to the link at this place of the message's links; the first is 0."""
        return f"{self.base}/c/{token(Kind.CLICK, self.message_id, number)}"

    @property
    def open(self) -> str:
        """The picture that tells that the message was shown."""
        return f"{self.base}/o/{token(Kind.OPEN, self.message_id)}.gif"

    @property
    def unsubscribe(self) -> str:
        """The page with one button, which takes one-click requests as well (RFC 8058)."""
        return f"{self.base}/u/{self._reader}"

    @property
    def preferences(self) -> str:
        """The page on which topics are chosen."""
        return f"{self.base}/u/{self._reader}/topics"

    @cached_property
    def _reader(self) -> str:
        return token(Kind.READER, self.message_id)


def addresses(message_id: UUID) -> Addresses:
    """The signed addresses of a message. Reads a setting: wrap many in `installation.remembering()`."""
    return Addresses(message_id, installation.address())


def token(kind: Kind, message_id: UUID, link: int = 0) -> str:
    """48 letters, safe in an address. Raises ValueError for a link that no message has."""
    if not 0 <= link < MOST_LINKS:
        raise ValueError("a message has fewer links")
    told = message_id.bytes + link.to_bytes(2, "big")
    return base64.urlsafe_b64encode(told + _mac(kind, told)).decode()


def read(kind: Kind, text: str) -> tuple[UUID, int] | None:
    """The message and the link's place that a token was signed for; None for anything that was not signed here."""
    if not TOKEN.fullmatch(text):
        return None
    raw = base64.urlsafe_b64decode(text)
    told, mac = raw[:18], raw[18:]
    if not hmac.compare_digest(mac, _mac(kind, told)):
        return None
    return UUID(bytes=told[:16]), int.from_bytes(told[16:], "big")


def _mac(kind: Kind, told: bytes) -> bytes:
    return hmac.digest(_key(settings.LASTING_KEY), kind.value.encode() + told, "sha256")[:MAC]


@lru_cache(maxsize=4)
def _key(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"links", "sha256")


# ---- where a link leads ----


def target(message: Message, link: int, *, now: datetime) -> str | None:
    """Where a link of the message leads; None for one that it has not, that leads nowhere, or that has expired."""
    links = message.leads_to
    if not 0 <= link < len(links) or now - message.created_at > LASTS:
        return None
    address = str(links[link])
    if not _leads_somewhere(address):
        return None
    return rendering.tagged(address, campaign=message.campaign.slug) if message.campaign else address


def _leads_somewhere(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:  # such as https://[2001:db8
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


# ---- who it was ----


def agent(headers: Mapping[str, str]) -> str:
    """What the program calls itself."""
    return headers.get("User-Agent", "").strip()


def who_opened(headers: Mapping[str, str], *, sent_at: datetime | None, at: datetime) -> Actor:
    """Who has loaded the picture of a message, as far as the request tells."""
    told = agent(headers)
    if agents.is_proxy(told):
        return Actor.PROXY  # they load for humans, and whether or not one looks
    if _is_machine(headers, told) or _too_soon(sent_at, at):
        return Actor.BOT
    return Actor.HUMAN if agents.is_browser(told) else Actor.UNKNOWN


def who_clicked(headers: Mapping[str, str], *, sent_at: datetime | None, at: datetime) -> Actor:
    """Who has followed a link, as far as the request tells; how its links were followed tells more (`responses`)."""
    told = agent(headers)
    if _is_machine(headers, told) or agents.is_proxy(told) or _too_soon(sent_at, at):
        return Actor.BOT
    if not agents.is_browser(told):
        return Actor.UNKNOWN
    # A browser names its languages; what borrows a browser's name mostly does not.
    return Actor.HUMAN if headers.get("Accept-Language") else Actor.BOT


def _is_machine(headers: Mapping[str, str], told: str) -> bool:
    fetched_ahead = any("prefetch" in headers.get(name, "").lower() or "preview" in headers.get(name, "").lower()
                        for name in ("Purpose", "X-Purpose", "Sec-Purpose", "X-Moz"))  # fmt: skip
    return fetched_ahead or agents.is_machine(told)


def _too_soon(sent_at: datetime | None, at: datetime) -> bool:
    return sent_at is not None and at - sent_at < AT_ONCE

"""What recipients wish, said on the pages that messages lead to: to leave a topic or all, to choose, to have peace.

Whoever holds the signed address of a message speaks for its reader; nothing else is asked, and nothing happens by
merely looking. What is done is done once, however often it is asked for.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from audience import consent
from audience.models import Person, Topic
from campaigns import responses, tracking
from campaigns.models import Message

PAUSE = timedelta(days=30)
ONE_CLICK = "List-Unsubscribe=One-Click"


@dataclass(frozen=True)
class Reader:
    """Who holds a message's signed address: the person it was sent to, or nobody for whom anything can be changed."""

    message: Message
    person: Person | None

    @property
    def is_test(self) -> bool:
        """Whether the message was a test or a notice to a user, by which nobody's wishes are changed."""
        return self.message.purpose != Message.Purpose.CAMPAIGN


@dataclass(frozen=True)
class Wishes:
    """What was chosen on the page of topics, of those that it showed."""

    shown: Collection[str]
    topics: Collection[str]
    may_track: bool


def reader(token: str) -> Reader | None:
    """Whose token it is; None when it was not signed here, or the message is not there."""
    signed = tracking.read(tracking.Kind.READER, token)
    if signed is None:
        return None
    message = Message.objects.select_related("person", "topic", "campaign").filter(pk=signed[0]).first()
    if message is None:
        return None
    mine = message.purpose == Message.Purpose.CAMPAIGN and message.person and not message.person.erased_at
    return Reader(message, message.person if mine else None)


def unsubscribe(token: str, *, wording: str, at: datetime, now: datetime) -> bool:
    """No more of the topic of this message to its reader (without a topic: nothing more). True when that is new.

    A token that is none, or of a reader who is not there any more, changes nothing and raises nothing.
    """
    found = reader(token)
    if found is None or found.person is None:
        return False
    with transaction.atomic():
        topic, source = found.message.topic, _source(found)
        left = consent.withdraw(found.person, topic=topic, wording=wording, source=source, at=at, now=now)
        responses.record(found.message, responses.Kind.UNSUBSCRIBED, at=at, now=now)
    return left


@transaction.atomic
def leave_everything(found: Reader, *, wording: str, at: datetime, now: datetime) -> None:
    """Nothing more to this reader, of any topic."""
    if found.person is not None:
        consent.withdraw(found.person, topic=None, wording=wording, source=_source(found), at=at, now=now)
        responses.record(found.message, responses.Kind.UNSUBSCRIBED, at=at, now=now)


@transaction.atomic
def choose(found: Reader, wishes: Wishes, *, at: datetime, now: datetime) -> None:
    """Keep what differs from how it stands: topics given and withdrawn, and whether openings may be counted."""
    if found.person is None:
        return
    shown = [topic for topic in consent.offered() if topic.slug in wishes.shown]
    for stand in consent.standing(found.person, shown):
        topic = stand.topic
        if topic is None or stand.wanted == (topic.slug in wishes.topics):
            continue
        said = consent.withdraw if stand.wanted else consent.give
        said(found.person, topic=topic, wording=wording_of(topic), source=_source(found), at=at, now=now)
        if stand.wanted and topic == found.message.topic:
            responses.record(found.message, responses.Kind.UNSUBSCRIBED, at=at, now=now)
    if wishes.may_track != consent.may_track(found.person.pk):
        said = consent.give if wishes.may_track else consent.withdraw
        said(found.person, topic=None, channel=consent.TRACKING, wording=str(tracking_wording()),
             source=_source(found), at=at, now=now)  # fmt: skip


def rest(found: Reader, *, now: datetime) -> None:
    """Nothing to this reader for a while; begun again by whoever presses the button again."""
    if found.person is not None:
        consent.pause(found.person, until=now + PAUSE, source=_source(found), now=now)


def go_on(found: Reader, *, now: datetime) -> None:
    """A pause is over."""
    if found.person is not None and consent.paused_until(found.person, at=now):
        consent.pause(found.person, until=now, source=_source(found), now=now)


def wording_of(topic: Topic) -> str:
    """What the page says beside the box of a topic."""
    return f"{topic.label}: {topic.description}" if topic.description else topic.label


def tracking_wording() -> str:
    """What the page says beside the box of counting."""
    return _("Let us see whether you open our emails and which links you follow")


def masked(address: str) -> str:
    """Enough of an address for its owner to know it."""
    local, _at, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}" if domain else ""


def _source(found: Reader) -> str:
    name = found.message.campaign.name if found.message.campaign else ""
    return (_("link in an email of “%(campaign)s”") % {"campaign": name})[:100]

"""Messages for tests of sending: due, of a running campaign, to people who agreed; and channels that answer as told."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from audience import consent
from audience.models import Person
from campaigns import channels
from campaigns.channels import Outcome, Outgoing
from campaigns.models import CampaignVersion, ChannelSetting, Enrollment, Message, message_id
from kit import installation
from tests.campaigns.making import launched, simple, steps, topic
from tests.factories import NOW, person

_number = itertools.count(1)


def running(name: str = "Nurture") -> CampaignVersion:
    """A campaign that runs."""
    installation.put("postal_address", "Marlow Creek, 1 Mill Lane")
    return launched(simple(name))


def reader(**values: Any) -> Person:
    """Somebody with an address who agreed to hear of the topic."""
    made = person(**{"email": f"reader{next(_number)}@example.com", "first_name": "Rea"} | values)
    consent.give(made, topic=topic(), source="tests", at=NOW - timedelta(days=9), now=NOW - timedelta(days=9))
    return made


def queued(version: CampaignVersion, to: Person | None = None, *, now: datetime = NOW, **values: Any) -> Message:
    """The message of a reader's first step, as advancing writes it."""
    to = to or reader()
    step = steps(version)[0]
    enrollment, _new = Enrollment.objects.get_or_create(
        campaign=version.campaign, version=version, person=to, defaults={"entered_at": now, "state": "finished"}
    )
    visit = values.pop("visit", 1)
    told = {
        "campaign": version.campaign,
        "topic": version.campaign.topic or topic(),
        "content_version": step.content_version,
        "due_at": now,
        "created_at": now,
    }
    return Message.objects.create(
        id=message_id(enrollment.pk, step.pk, visit), enrollment=enrollment, step=step, person=to, visit=visit,
        **told | values,
    )  # fmt: skip


def plainly(ids: Sequence[uuid.UUID], now: datetime) -> dict[uuid.UUID, Outgoing]:
    """Letters that say little, to the readers' own addresses."""
    found = Message.objects.filter(pk__in=ids).select_related("person", "to_user")
    return {each.pk: plain(each.pk, each.person.email if each.person else each.to_user.email) for each in found}


def plain(pk: uuid.UUID, recipient: str, text: str = "Hello") -> Outgoing:
    """One letter."""
    head = (
        f"Message-ID: <{pk}@marlowcreek.example>\r\nFrom: ada@marlowcreek.example\r\nTo: {recipient}\r\nSubject: Hi\r\n"
    )
    return Outgoing(pk, "ada@marlowcreek.example", recipient, f"{head}\r\n{text}\r\n".encode())


def email(**values: Any) -> ChannelSetting:
    """The setting of email, changed."""
    setting = channels.setting_of("email")
    for name, value in values.items():
        setattr(setting, name, value)
    setting.save()
    return setting


class Scripted:
    """A provider for tests: what it answers is told by `answer`; what it was handed is kept in `handed`."""

    handed: list[Outgoing] = []
    answer: Callable[[Outgoing], Outcome | None]

    def __init__(self, answer: Callable[[Outgoing], Outcome | None]) -> None:
        self.handed = []
        self.answer = answer
        self.connections = 0

    def installed(self, monkeypatch: Any) -> Scripted:
        """Have it carry email."""
        outer = self

        class Provider(channels.Channel):
            name = "scripted"
            label = "Scripted"
            longest = timedelta(seconds=60)

            def connect(self) -> Any:
                outer.connections += 1
                return outer

        monkeypatch.setitem(channels._kinds, "scripted", Provider)
        email(provider="scripted")
        return self

    def ready(self) -> bool:
        return True

    def send(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        self.handed += batch
        accepted = [Outcome(each.id, channels.ACCEPTED, "outcome", 250, "2.0.0", "OK") for each in batch]
        return [self.answer(each) or yes for each, yes in zip(batch, accepted, strict=True)]

    def close(self) -> None:
        pass

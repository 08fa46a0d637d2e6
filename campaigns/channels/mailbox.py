"""The built-in mailbox: letters arrive as rows. What a new installation sends into."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from email import message_from_bytes, policy

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from campaigns import channels, faults
from campaigns.channels import Connection, Outcome, Outgoing
from campaigns.models import Letter
from kit.sql import Sql, join, run, sql


class Box:
    """The way into the mailbox. It stands for another machine: what it takes is committed before we hear of it."""

    def ready(self) -> bool:
        return True

    def send(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """All of the batch arrives, or (an error of the database, which passes through) none."""
        faults.point("before-dot")
        with transaction.atomic():
            run(_arrival(batch))
        faults.point("after-dot")
        return [Outcome(each.id, channels.ACCEPTED, "outcome", 250, "2.0.0", "taken by the mailbox") for each in batch]

    def close(self) -> None:
        pass


class Mailbox(channels.Channel):
    """Into rows of this database."""

    name = "mailbox"
    label = _("Built-in mailbox")
    longest = timedelta(seconds=60)

    def connect(self) -> Connection:
        return Box()

    @classmethod
    def arrived(cls, ids: Collection[uuid.UUID]) -> Iterable[uuid.UUID]:
        return Letter.objects.filter(message_id__in=ids).values_list("message_id", flat=True)


def _arrival(batch: Sequence[Outgoing]) -> Sql:
    """A letter that has arrived already arrives once."""
    letters = [
        sql(
            "({}::uuid, {}, {}, {}, {}::bytea, clock_timestamp())",
            each.id,
            each.envelope_from,
            each.recipient,
            subject(each.raw),
            each.raw,
        )
        for each in batch
    ]
    return sql(
        "INSERT INTO campaigns_letter (message_id, sender, recipient, subject, raw, received_at) VALUES {} "
        "ON CONFLICT (message_id) DO NOTHING",
        join(", ", letters),
    )


def subject(raw: bytes) -> str:
    """The subject line of a message, as its reader sees it."""
    head = raw.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n"
    return str(message_from_bytes(head, policy=policy.default).get("Subject", ""))

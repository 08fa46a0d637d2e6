"""Messages that somebody asks for: a test, a notice of ours, another copy of one that was perhaps sent."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from audience.models import Person
from campaigns import senders
from campaigns.models import Campaign, ContentVersion, Message
from kit import audit, hints, origin
from kit.models import User
from kit.sql import Sql, run, sql

TASK = "campaigns.tasks.send_now"
FRESH = timedelta(days=7)  # a notice that is older is no news


class Refused(ValueError):
    """What cannot be sent, in the user's words."""


def test(content_version: ContentVersion, *, to: User, person: Person | None, now: datetime) -> Message:
    """Send content to one of us, written as for `person`. It needs nobody's consent and counts nowhere.

    Raises Refused without a sender.
    """
    sender = senders.default()
    if sender is None:
        raise Refused(_("Nobody is there in whose name to send. Add a sender first."))
    message = Message.objects.create(
        id=uuid.uuid4(),
        purpose=Message.Purpose.TEST,
        policy=Message.Policy.AT_LEAST_ONCE,
        to_user=to,
        person=person,
        content_version=content_version,
        sender=sender,
        due_at=now,
        created_at=now,
        request_id=origin.request_id(),
    )
    audit.record("content.test", content_version.content.name, by=to, now=now, after={"to": to.email})
    hints.later(TASK, 0)
    return message


def notify(now: datetime) -> int:
    """Write a message for each notice that has none yet, to one of us or to a person; how many. The poller calls it."""
    sender = senders.default()
    if sender is None:
        return 0
    return run(
        sql(
            """
            INSERT INTO campaigns_message
                (id, purpose, policy, state, to_user_id, person_id, notice_id, sender_id, due_at, created_at)
            SELECT {}, 'notice', 'at_least_once', 'queued', u.id, p.id, n.id, {}, {}, {}
            FROM kit_notice n
            LEFT JOIN kit_user u ON u.id = n.user_id AND u.is_active
            LEFT JOIN audience_person p ON p.id = n.subject_id AND p.erased_at IS NULL AND n.address <> ''
            WHERE (u.id IS NOT NULL OR p.id IS NOT NULL) AND n.by_mail AND n.read_at IS NULL AND n.created_at > {}
              AND NOT EXISTS (SELECT FROM campaigns_message m WHERE m.id = {})
            ON CONFLICT (id) DO NOTHING
            """,
            _notice_id(),
            sender.pk,
            now,
            now,
            now - FRESH,
            _notice_id(),
        )
    )


def _notice_id() -> Sql:
    return Sql("encode(substr(sha256(convert_to('notice:' || n.id, 'UTF8')), 1, 16), 'hex')::uuid")


@transaction.atomic
def resend(message: Message, *, by: User | None, now: datetime) -> bool:
    """Send a message that is perhaps sent once more: somebody knows better, or takes it upon themselves.

    It passes the fence like any other. False when it was not (or no longer) perhaps sent. Raises Refused when its
    campaign was stopped: nobody would take it on.
    """
    campaign = Campaign.objects.select_for_update(no_key=True, of=("self",)).filter(message=message).first()
    if campaign and campaign.state == Campaign.State.STOPPED:
        raise Refused(_("Its campaign was stopped for ever, so nothing of it leaves any more."))
    unknown = Message.objects.filter(pk=message.pk, state=Message.State.UNKNOWN)
    again = {"due_at": now, "sent_at": None, "not_after": None, "reason": "", "request_id": origin.request_id()}
    if not unknown.update(state=Message.State.QUEUED, **again):
        return False
    audit.record("message.resend", str(message.pk), by=by, now=now, before={"state": "unknown"})
    hints.later(TASK, 0)
    return True

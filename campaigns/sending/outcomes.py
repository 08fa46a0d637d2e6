"""What became of messages that were on their way: written down once, by whoever sent them, or as late evidence."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from audience import consent
from audience.subjects.people import BadValue
from campaigns import channels, responses
from campaigns.channels import Outcome
from campaigns.models import Campaign, ChannelSetting, DomainPause, Message, MessageAttempt, Response
from campaigns.sending import claiming
from campaigns.sending.fence import Intent
from kit.sql import Sql, rows, run, sql

FIRST_PAUSE = timedelta(minutes=1)  # after the first refusal for now; then three times as long each time
LONGEST_PAUSE = timedelta(hours=4)
GIVE_UP = timedelta(hours=72)  # after the first attempt
DOMAIN_PAUSE = timedelta(hours=1)  # after a domain refused us by its policy
DOMAINS = 3  # that refuse us by policy while nobody takes anything: it is not them
FIRST_RETRY = timedelta(seconds=5)  # of a channel in trouble; then after as long again as it has been
LAST_RETRY = timedelta(minutes=30)


@dataclass(frozen=True)
class Told:
    """The outcome of one intent, and between which instants it came about."""

    intent: Intent
    outcome: Outcome
    began_at: datetime
    at: datetime


def note(told: Sequence[Told], owner: str, *, setting: ChannelSetting) -> bool:
    """Write down what became of messages; within the transaction of the next intents, or in one of its own.

    True when it has the channel stand still, so that nothing should follow for now.

    A message that the sweeper has meanwhile taken for lost is no longer ours: that it was accepted frees it from
    “perhaps sent”, and anything else is noted beside it.
    """
    if not told:
        return False
    told = [_discreet(each) for each in told]
    began = _first_attempts([each for each in told if each.outcome.result in (channels.DEFERRED, channels.POLICY)])
    judged = [_judge(each, began.get(each.outcome.id, each.began_at)) for each in told]
    noted = {row[0] for row in rows(_change(told, judged, owner))}
    again = {each.outcome.id: each.began_at for each, then in zip(told, judged, strict=True) if then.state == "queued"}
    _cancel_unwanted({pk: began for pk, began in again.items() if pk in noted})
    for each in told:
        if each.outcome.id not in noted:
            _note_late(each)
    return _act(told, noted, setting)


def _discreet(told: Told) -> Told:
    """Without the reader's address, which servers like to repeat: what is noted of attempts outlives an erasure."""
    address, reply = told.intent.outgoing.recipient, told.outcome.reply
    if address.lower() not in reply.lower():
        return told
    hidden = re.sub(re.escape(address), lambda _found: f"…@{domain_of(address)}", reply, flags=re.IGNORECASE)
    return replace(told, outcome=replace(told.outcome, reply=hidden))


@dataclass(frozen=True)
class Judged:
    """What an outcome makes of its message."""

    state: str
    due_at: datetime | None = None
    reason: str = ""


def _judge(told: Told, first: datetime) -> Judged:
    outcome, at = told.outcome, told.at
    words = said(outcome)
    if outcome.result == channels.ACCEPTED:
        return Judged("sent")
    if outcome.result == channels.UNKNOWN:
        return Judged("unknown", reason=_("the connection ended before the answer came: %s") % words)
    if outcome.result in (channels.BOUNCED, channels.REFUSED):
        return Judged("failed", reason=words)
    if not outcome.began:
        return Judged("queued", due_at=at, reason=_("its connection ended before its turn"))
    if at - first >= GIVE_UP:
        return Judged("failed", reason=_("not taken within 72 hours: %s") % words)
    if outcome.result == channels.POLICY:
        return Judged("queued", due_at=at + DOMAIN_PAUSE, reason=_("its domain will not have our mail: %s") % words)
    return Judged("queued", due_at=at + _back_off(told), reason=_("not taken for now: %s") % words)


def said(outcome: Outcome) -> str:
    """The other side's words with its codes."""
    return " ".join(str(each) for each in (outcome.code, outcome.enhanced, outcome.reply) if each) or outcome.phase


def _back_off(told: Told) -> timedelta:
    """Longer each time, and spread by the id, so that what was refused together does not come back together."""
    pause = min(FIRST_PAUSE * 3 ** min(told.intent.attempt - 1, 10), LONGEST_PAUSE)
    return pause * (1 + (told.outcome.id.int % 256) / 1024)


def _first_attempts(told: Sequence[Told]) -> dict[uuid.UUID, datetime]:
    """When each message that is not on its first attempt was tried first."""
    again = [each.outcome.id for each in told if each.intent.attempt > 1]
    if not again:
        return {}
    return dict(
        rows(
            sql(
                "SELECT message_id, min(coalesce(began_at, at)) FROM campaigns_messageattempt "
                "WHERE message_id = ANY ({}::uuid[]) AND phase <> 'render' GROUP BY message_id",
                again,
            )
        )
    )


def _change(told: Sequence[Told], judged: Sequence[Judged], owner: str) -> Sql:
    """Change the messages that are still ours and note the attempt of each; yields their ids."""
    each = list(zip(told, judged, strict=True))
    return sql(
        """
        WITH told (id, attempt, state, due_at, reason, phase, code, enhanced, reply, began_at, at) AS (
            SELECT * FROM unnest({}::uuid[], {}::int[], {}::text[], {}::timestamptz[], {}::text[], {}::text[],
                                 {}::int[], {}::text[], {}::text[], {}::timestamptz[], {}::timestamptz[])),
        changed AS (
            UPDATE campaigns_message m SET state = told.state, reason = told.reason, owner = '', lease_until = NULL,
                due_at = coalesce(told.due_at, m.due_at),
                sent_at = CASE WHEN told.state IN ('sent', 'unknown') THEN told.at END
            FROM told WHERE m.id = told.id AND m.state = 'sending' AND m.owner = {} AND m.attempt = told.attempt
            RETURNING m.id)
        INSERT INTO campaigns_messageattempt
            (message_id, attempt, phase, state, code, enhanced, reply, began_at, at)
        SELECT id, attempt, phase, state, code, enhanced, reply, began_at, at FROM told
        WHERE id IN (SELECT id FROM changed) RETURNING message_id
        """,
        [str(t.outcome.id) for t, _j in each],
        [t.intent.attempt for t, _j in each],
        [j.state for _t, j in each],
        [j.due_at for _t, j in each],
        [j.reason[:300] for _t, j in each],
        [t.outcome.phase for t, _j in each],
        [t.outcome.code for t, _j in each],
        [t.outcome.enhanced[:12] for t, _j in each],
        [t.outcome.reply[:500] for t, _j in each],
        [t.began_at for t, _j in each],
        [t.at for t, _j in each],
        owner,
    )


def _cancel_unwanted(again: dict[uuid.UUID, datetime]) -> None:
    """Of messages that wait again: those whose campaign was stopped, or whose reader left, while they were in the air.

    Whoever stops or leaves cancels what waits, and these did not. The rows are locked in the order in which those do
    it, so either they see that a message waits, or we see what they have done.
    """
    if not again:
        return
    ids = list(again)
    held = sql("SELECT m.campaign_id, m.enrollment_id FROM campaigns_message m WHERE m.id = ANY ({}::uuid[])", ids)
    run(
        sql(
            "SELECT FROM campaigns_campaign WHERE id IN (SELECT campaign_id FROM ({}) held) ORDER BY id FOR SHARE", held
        )
    )
    run(
        sql(
            "SELECT FROM campaigns_enrollment WHERE id IN (SELECT enrollment_id FROM ({}) held) ORDER BY id FOR SHARE",
            held,
        )
    )
    run(
        sql(
            """
            UPDATE campaigns_message m SET state = 'cancelled', reason = CASE WHEN c.state = 'stopped' THEN {}
                ELSE left(e.reason, 300) END
            FROM unnest({}::uuid[], {}::timestamptz[]) told (id, began_at), campaigns_campaign c, campaigns_enrollment e
            WHERE m.id = told.id AND m.state = 'queued' AND c.id = m.campaign_id AND e.id = m.enrollment_id
              AND (c.state = 'stopped'
                   OR e.state IN ('goal', 'exited', 'stopped', 'quarantined') AND e.ended_at >= told.began_at)
            """,
            _("the campaign was stopped"),
            ids,
            list(again.values()),
        )
    )


def _note_late(told: Told) -> None:
    outcome = told.outcome
    message = Message.objects.filter(pk=outcome.id).first()
    if message is None:
        return
    words = _("heard late: %s") % said(outcome)
    accepted = outcome.result == channels.ACCEPTED and message.attempt == told.intent.attempt
    if not (accepted and late_evidence(message, reply=words, code=outcome.code, now=told.at)):
        _remember(message, told.intent.attempt, "evidence", words, outcome.code, told.at)


def late_evidence(message: Message, *, reply: str, code: int | None = None, now: datetime) -> bool:
    """Something shows that a message of which nobody knew did arrive. True when this call made it “sent”.

    `reply` says in words what shows it: a late answer, the provider asked afterwards, a reader's click.
    """
    with transaction.atomic():
        unknown = Message.objects.filter(pk=message.pk, state=Message.State.UNKNOWN)
        if not unknown.update(state=Message.State.SENT, reason=""):
            return False
        message.refresh_from_db()
        _remember(message, message.attempt, "evidence", reply, code, now)
        responses.record_sent([message.pk], now=now)
    return True


def _remember(message: Message, attempt: int, phase: str, reply: str, code: int | None, at: datetime) -> None:
    MessageAttempt.objects.create(
        message=message, attempt=attempt, phase=phase, state=message.state, code=code, reply=reply[:500], at=at
    )


# ---- what follows for addresses, domains and the channel ----


def _act(told: Sequence[Told], noted: set[uuid.UUID], setting: ChannelSetting) -> bool:
    ours = [each for each in told if each.outcome.id in noted]
    if sent := [each for each in ours if each.outcome.result == channels.ACCEPTED]:
        responses.record_sent([each.outcome.id for each in sent], now=sent[-1].at)
    for each in ours:
        if each.outcome.result == channels.BOUNCED:
            _bounce(each, setting)
        elif each.outcome.result == channels.POLICY:
            _pause_domain(each, setting)
    if bounced := [each for each in ours if each.outcome.result == channels.BOUNCED]:
        messages = Message.objects.filter(pk__in=[each.outcome.id for each in bounced])
        for campaign in Campaign.objects.filter(pk__in=messages.values("campaign")).order_by("pk"):
            claiming.pause_if_many_bounce(campaign, now=bounced[-1].at)
    if any(each.outcome.result == channels.ACCEPTED for each in told):
        if setting.retry_at is not None:
            channels.recovered(setting)
        return False
    if refused := _refused_by_all(ours):
        because = _("The provider will not have our mail: %s") % said(refused.outcome)
        return channels.pause(setting, because, retry_at=refused.at + DOMAIN_PAUSE, now=refused.at)
    if trouble := next((each for each in ours if _is_trouble(each.outcome)), None):
        return pause_for_trouble(setting, said(trouble.outcome), now=trouble.at)
    return False


def _refused_by_all(told: Sequence[Told]) -> Told | None:
    """A refusal by policy that means us and not one domain: at our own address, or by one domain after the other."""
    refused = [each for each in told if each.outcome.result == channels.POLICY]
    domains = {domain_of(each.intent.outgoing.recipient) for each in refused}
    at_us = [each for each in refused if each.outcome.phase == "mail"]
    return (at_us or refused)[0] if at_us or len(domains) >= DOMAINS else None


def _is_trouble(outcome: Outcome) -> bool:
    """Whether it tells of the provider rather than of the message."""
    return outcome.began and (outcome.phase in ("connect", "hello") or outcome.code == 421)


def pause_for_trouble(setting: ChannelSetting, because: str, *, now: datetime) -> bool:
    """The channel is in trouble: it pauses, and is tried again after as long as the trouble has lasted."""
    setting.refresh_from_db()
    lasted = now - setting.paused_at if setting.paused_at else FIRST_RETRY
    return channels.pause(setting, because, retry_at=now + min(max(lasted, FIRST_RETRY), LAST_RETRY), now=now)


def _bounce(told: Told, setting: ChannelSetting) -> None:
    """Nobody of that address: it is never written to again, and its person is known to have bounced."""
    message = Message.objects.get(pk=told.outcome.id)
    if message.purpose != Message.Purpose.CAMPAIGN:
        return  # an address of one of us
    with suppress(BadValue):  # an address that is none; what became of the others must not be lost for that
        consent.suppress(told.intent.outgoing.recipient, channel=setting.channel, reason="hard bounce", now=told.at)
    responses.record(message, Response.Kind.BOUNCED, actor="unknown", at=told.at, now=told.at)


def _pause_domain(told: Told, setting: ChannelSetting) -> None:
    DomainPause.objects.update_or_create(
        channel=setting.channel,
        domain=domain_of(told.intent.outgoing.recipient),
        defaults={"because": said(told.outcome)[:500], "until": told.at + DOMAIN_PAUSE},
        create_defaults={
            "because": said(told.outcome)[:500],
            "since": told.at,
            "until": told.at + DOMAIN_PAUSE,
        },
    )


def paused_domains(channel: str, now: datetime) -> dict[str, DomainPause]:
    """The domains to which nothing goes for now."""
    return {each.domain: each for each in DomainPause.objects.filter(channel=channel, until__gt=now)}


def domain_of(address: str) -> str:
    """The domain of an address, as it is compared."""
    return address.rpartition("@")[2].lower()


def let_domain(pause: DomainPause, *, now: datetime) -> None:
    """Somebody says that a domain will have our mail again: what waits for it leaves."""
    with transaction.atomic():
        run(
            sql(
                "UPDATE campaigns_message m SET due_at = {} FROM audience_person p "
                "WHERE m.state = 'queued' AND m.due_at <= {} AND m.attempt > 0 AND m.channel = {} "
                "AND p.id = m.person_id AND lower(p.email) LIKE {}",
                now,
                pause.until,
                pause.channel,
                "%@" + pause.domain,
            )
        )
        pause.delete()

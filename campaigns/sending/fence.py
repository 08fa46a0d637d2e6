"""The intent: the last look before a message leaves. Committed before any byte does, or it does not leave.

All that may stand against a message is asked in the transaction that marks it as being sent, and by the rows that this
transaction can see: campaigns are locked against a pause, and with a cap in force people are locked against another
sender. So whatever was committed before the intent holds, and what comes after it comes too late, by one batch at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from audience import consent
from audience.models import Topic
from campaigns import capping
from campaigns.channels import Outgoing
from campaigns.models import ChannelSetting
from kit import instance
from kit.sql import Sql, join, rows, run, sql


@dataclass(frozen=True)
class Intent:
    """A message that is about to leave, for the nth time."""

    outgoing: Outgoing
    attempt: int


def intend(
    letters: Sequence[Outgoing], owner: str, *, setting: ChannelSetting, longest: timedelta, now: datetime
) -> list[Intent]:
    """Mark as being sent those that may leave, and write down of the others why not. Within a transaction.

    What is no longer ours is left alone. A paused campaign or channel, and a copy of the installation that nobody has
    confirmed, give messages back to wait; everything else that stands against one is for good.
    """
    ids = [str(each.id) for each in letters]
    mine = sql("m.id = ANY ({}::uuid[]) AND m.state = 'claimed' AND m.owner = {}", ids, owner)
    run(sql("SELECT FROM campaigns_campaign WHERE id IN ({}) ORDER BY id FOR SHARE", _of(mine, "campaign_id")))
    cap = capping.cap()
    if cap:
        capping.hold(_of(mine, "subject_id"))
    attempts = dict(rows(_judged(mine, setting.channel, cap, longest, now)))
    return [Intent(each, attempts[each.id]) for each in letters if attempts.get(each.id)]


def _of(mine: Sql, column: str) -> Sql:
    return sql("SELECT m.{} FROM campaigns_message m WHERE m.purpose = 'campaign' AND {}", Sql(column), mine)


def _judged(mine: Sql, channel: str, cap: capping.Cap | None, longest: timedelta, now: datetime) -> Sql:
    """The statement that marks the messages, and yields (id, attempt) of each; no attempt: it does not leave."""
    return sql(
        """
        WITH mine AS MATERIALIZED (
            SELECT m.id, m.purpose, m.subject_id, m.topic_id, m.campaign_id, m.not_after, m.due_at
            FROM campaigns_message m WHERE {} ORDER BY m.id FOR NO KEY UPDATE
        ),
        consent AS MATERIALIZED ({}),
        judged AS MATERIALIZED (
            SELECT mine.id, mine.subject_id, mine.purpose, mine.due_at, {} AS held
            FROM mine LEFT JOIN campaigns_campaign campaign ON campaign.id = mine.campaign_id
            LEFT JOIN consent ON mine.purpose = 'campaign' AND consent.subject_id = mine.subject_id
                AND consent.topic_id IS NOT DISTINCT FROM mine.topic_id
        ),
        found AS MATERIALIZED ({})
        UPDATE campaigns_message m SET
            state = coalesce(held[1], 'sending'), reason = left(coalesce(held[2], ''), 300),
            attempt = m.attempt + (held IS NULL)::int, owner = CASE WHEN held IS NULL THEN m.owner ELSE '' END,
            lease_until = CASE WHEN held IS NULL THEN clock_timestamp() + {} END
        FROM found WHERE m.id = found.id
        RETURNING m.id, CASE WHEN m.state = 'sending' THEN m.attempt END
        """,
        mine,
        _consent(mine, channel, now),
        _why_not(channel, now),
        _capped(cap, now) if cap else Sql("SELECT id, held FROM judged"),
        longest,
    )


def _why_not(channel: str, now: datetime) -> Sql:
    """What stands against a message, as an array of the state that it comes to and the reason; NULL: nothing does."""
    return sql(
        """CASE
            WHEN NOT {} THEN ARRAY['queued', {}]
            WHEN EXISTS (SELECT FROM campaigns_channelsetting WHERE channel = {} AND paused_at IS NOT NULL
                         AND retry_at IS NULL) THEN ARRAY['queued', '']
            WHEN campaign.state = 'stopped' THEN ARRAY['cancelled', {}]
            WHEN campaign.state <> 'running' THEN ARRAY['queued', '']
            WHEN {} >= mine.not_after THEN ARRAY['expired', {}]
            WHEN consent.reason IS NOT NULL THEN ARRAY['suppressed', consent.reason]
            WHEN mine.purpose = 'campaign' AND consent.subject_id IS NULL THEN ARRAY['suppressed', {}] END""",
        instance.fence(),
        _("nobody has confirmed that this copy of the installation is the live one"),
        channel,
        _("the campaign was stopped"),
        now,
        _("it was to leave earlier than this, or not at all"),
        _("nobody could be asked for consent"),
    )


def _consent(mine: Sql, channel: str, now: datetime) -> Sql:
    """topic_id, subject_id, reason: what those who are written to have agreed to, by the topic of each message."""
    asked = sql(
        "SELECT DISTINCT t.id, t.basis FROM campaigns_message m LEFT JOIN audience_topic t ON t.id = m.topic_id "
        "WHERE m.purpose = 'campaign' AND {}",
        mine,
    )
    topics = {pk: Topic(pk=pk, basis=basis) if pk else None for pk, basis in rows(asked)}
    judged = [
        sql(
            "SELECT {}::bigint AS topic_id, verdict.subject_id, verdict.reason FROM ({}) verdict",
            pk,
            consent.verdicts(
                sql(
                    "SELECT DISTINCT subject_id FROM mine WHERE purpose = 'campaign' "
                    "AND topic_id IS NOT DISTINCT FROM {}::bigint",
                    pk,
                ),
                channel=channel,
                topic=topic,
                at=now,
            ),
        )
        for pk, topic in topics.items()
    ]
    nobody = Sql("SELECT NULL::bigint AS topic_id, NULL::bigint AS subject_id, NULL::text AS reason WHERE false")
    return join(" UNION ALL ", judged or [nobody])


def _capped(cap: capping.Cap, now: datetime) -> Sql:
    """id, held: whoever has had, or gets by the earlier ones of this very batch, as many as the cap allows."""
    going = Sql("SELECT subject_id FROM judged WHERE held IS NULL AND purpose = 'campaign'")
    return sql(
        """
        SELECT judged.id, CASE WHEN going.nth + coalesce(spent.number, 0) > {} THEN ARRAY['skipped', {}]
                               ELSE judged.held END AS held
        FROM judged
        LEFT JOIN (SELECT id, row_number() OVER (PARTITION BY subject_id ORDER BY due_at, id) AS nth FROM judged
                   WHERE held IS NULL AND purpose = 'campaign') going ON going.id = judged.id
        LEFT JOIN ({}) spent ON going.id IS NOT NULL AND spent.subject_id = judged.subject_id
        """,
        cap.messages,
        _("frequency cap: at most %(messages)s messages in %(days)s days")
        % {"messages": cap.messages, "days": cap.days},
        capping.spent(going, cap, at=now),
    )

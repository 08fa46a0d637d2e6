"""Messages in a worker's hands before they leave: taken, given back, struck, or held back for good."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns import plans
from campaigns.models import Campaign
from kit.sql import Sql, rows, run, sql

LEASE = timedelta(seconds=60)  # of a claim; renewed every few seconds while its worker lives
STRIKES = 3  # times a message could not be written: it has failed
CRASHES = 5  # times its worker died with it: likewise
PAUSE = timedelta(minutes=1)  # before it is written again, times the strikes
HANDFUL = 5  # failures that say nothing yet about a campaign
FIRST = 500  # messages of a campaign by which its addresses are judged
BOUNCES = 0.05  # of these; when more addresses are none, it pauses
SHARE = 0.01  # of a campaign's messages; when more cannot be written, it pauses


def claim(channel: str, owner: str, now: datetime, *, limit: int) -> list[uuid.UUID]:
    """Take at most `limit` due messages that nobody holds, and commit: tests and notices first, for which people wait.

    Campaigns come in random order, so that a large one keeps no other waiting for long.
    """
    service = sql("SELECT id FROM campaigns_message WHERE campaign_id IS NULL AND {}", _due(channel, now, limit))
    others = sql(
        """
        SELECT due.id FROM (SELECT id FROM campaigns_campaign WHERE state = 'running' ORDER BY random()) running
        CROSS JOIN LATERAL (SELECT id FROM campaigns_message WHERE campaign_id = running.id AND {}) due LIMIT {}
        """,
        _due(channel, now, limit),
        limit,
    )
    return _take(service, owner) or _take(others, owner)


def _due(channel: str, now: datetime, limit: int) -> Sql:
    return sql(
        "state = 'queued' AND channel = {} AND due_at <= {} ORDER BY due_at, id LIMIT {} FOR UPDATE SKIP LOCKED",
        channel,
        now,
        limit,
    )


def _take(free: Sql, owner: str) -> list[uuid.UUID]:
    taken = sql(
        """
        WITH free AS MATERIALIZED ({})
        UPDATE campaigns_message m SET state = 'claimed', owner = {}, lease_until = clock_timestamp() + {}
        FROM free WHERE m.id = free.id RETURNING m.id
        """,
        free,
        owner,
        LEASE,
    )
    with transaction.atomic():
        return [row[0] for row in rows(taken)]


def renew(owner: str) -> None:
    """Prolong the lease of what is still ours and has not left."""
    run(
        sql(
            "UPDATE campaigns_message SET lease_until = clock_timestamp() + {} WHERE state = 'claimed' AND owner = {} "
            "AND lease_until IS NOT NULL",
            LEASE,
            owner,
        )
    )


def release(ids: Sequence[uuid.UUID], owner: str, *, due_at: datetime | None = None, reason: str = "") -> int:
    """Give messages back unharmed, to wait as before, or until `due_at` with the reason why."""
    return run(
        sql(
            "UPDATE campaigns_message SET state = 'queued', owner = '', lease_until = NULL, "
            "due_at = coalesce({}, due_at), reason = {} WHERE id = ANY ({}::uuid[]) AND {}",
            due_at,
            reason[:300],
            [str(each) for each in ids],
            _ours(owner),
        )
    )


def hold_back(why: dict[uuid.UUID, str], owner: str, *, state: str) -> int:
    """Messages that will not leave, each with its reason."""
    return run(
        sql(
            "UPDATE campaigns_message m SET state = {}, reason = told.reason, owner = '', lease_until = NULL "
            "FROM unnest({}::uuid[], {}::text[]) told (id, reason) WHERE m.id = told.id AND {}",
            state,
            list(why),
            [reason[:300] for reason in why.values()],
            _ours(owner),
        )
    )


def strike(why: dict[uuid.UUID, str], owner: str, *, now: datetime, strikes: int = 1) -> None:
    """Messages that could not be written: each waits for another try, and has failed after the third strike.

    A campaign of which too many fail so pauses, with the reason of one of them.
    """
    struck = sql(
        """
        WITH told (id, reason) AS (SELECT * FROM unnest({}::uuid[], {}::text[])),
        struck AS (
            UPDATE campaigns_message m SET strikes = m.strikes + {}, owner = '', lease_until = NULL,
                state = CASE WHEN m.strikes + {} >= {} THEN 'failed' ELSE 'queued' END,
                due_at = {} + (m.strikes + 1) * {}, reason = left({} || told.reason, 300)
            FROM told WHERE m.id = told.id AND {}
            RETURNING m.id, m.attempt, m.state, m.campaign_id, told.reason
        ),
        noted AS (
            INSERT INTO campaigns_messageattempt (message_id, attempt, phase, state, reply, at)
            SELECT id, attempt, 'render', state, left(reason, 500), {} FROM struck
        )
        SELECT DISTINCT campaign_id FROM struck WHERE state = 'failed' AND campaign_id IS NOT NULL
        """,
        list(why),
        list(why.values()),
        strikes,
        strikes,
        STRIKES,
        now,
        PAUSE,
        _("It cannot be written: "),
        _ours(owner),
        now,
    )
    with transaction.atomic():
        concerned = [row[0] for row in rows(struck)]
        for campaign in Campaign.objects.filter(pk__in=concerned):
            pause_if_many_fail(campaign, now=now)


def pause_if_many_fail(campaign: Campaign, *, now: datetime) -> None:
    """Pause a campaign of which more than a hundredth of the messages, and a handful, cannot be written."""
    failed, of_all, example = rows(
        sql(
            """
            SELECT count(*) FILTER (WHERE state = 'failed' AND strikes >= {}), count(*),
                   max(reason) FILTER (WHERE state = 'failed' AND strikes >= {})
            FROM campaigns_message WHERE step_id IN (
                SELECT s.id FROM campaigns_step s JOIN campaigns_campaignversion v ON v.id = s.version_id
                WHERE v.campaign_id = {})
            """,
            STRIKES,
            STRIKES,
            campaign.pk,
        )
    )[0]
    if failed >= HANDFUL and failed > SHARE * of_all:
        told = _("%(failed)s of %(all)s messages cannot be written. %(example)s")
        because = told % {"failed": failed, "all": of_all, "example": example}
        plans.pause(campaign, because=because, by=None, now=now)


def pause_if_many_bounce(campaign: Campaign, *, now: datetime) -> None:
    """Pause a campaign when, of its first messages since somebody last let it run, too many went to no address."""
    decided, bounced = rows(
        sql(
            """
            SELECT count(*), count(*) FILTER (WHERE EXISTS (
                SELECT FROM campaigns_response r WHERE r.message_id = decided.id AND r.kind = 'bounced'))
            FROM (SELECT m.id FROM campaigns_message m WHERE m.state IN ('sent', 'failed') AND m.created_at >= {}
                  AND m.step_id IN (SELECT s.id FROM campaigns_step s
                                    JOIN campaigns_campaignversion v ON v.id = s.version_id WHERE v.campaign_id = {})
                  LIMIT {}) decided
            """,
            campaign.running_since,
            campaign.pk,
            FIRST + 1,
        )
    )[0]
    if decided <= FIRST and bounced > HANDFUL and bounced > BOUNCES * decided:
        told = _("%(bounced)s of its first %(all)s addresses do not exist. Where do they come from?")
        because = told % {"bounced": bounced, "all": decided}
        plans.pause(campaign, because=because, by=None, now=now)


def _ours(owner: str) -> Sql:
    return sql("state = 'claimed' AND owner = {}", owner)

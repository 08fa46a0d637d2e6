"""What recipients answer: a row for the message, and an activity of its reader that scores, stages and segments count.

Each kind of answer by each kind of actor is told once per message, of clicks once per link. What machines do is kept
under their name: conditions, scores and triggers count humans unless asked otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from audience import consent
from audience.activity import activities, agents
from audience.activity import kinds as catalogue
from audience.models import Activity
from campaigns.models import Message, Response
from kit.sql import Sql, rows, sql

SOURCE = "campaigns"
CHANNEL = "email"
Kind = Response.Kind
Actor = Activity.Actor
# Whoever follows so many links of one message within such a time is a scanner.
BURSTS = ((2, timedelta(seconds=2)), (3, timedelta(seconds=10)))
AFTERMATH = timedelta(seconds=10)  # a scanner that was seen goes on for a while
WATCHED = (Kind.OPENED, Kind.CLICKED)  # what is not kept of people who do not want to be watched
LONGEST_AGENT = 300  # letters of a user agent that are kept
_COLUMNS = ("person_id", "account_id", "kind", "occurred_at", "external_id", "channel", "platform", "direction",
            "actor", "properties")  # fmt: skip


def record(
    message: Message,
    kind: str,
    *,
    actor: str = Actor.HUMAN,
    link: int | None = None,
    agent: str = "",
    at: datetime,
    now: datetime,
) -> bool:
    """Note an answer to a message and, of a campaign's, the activity of its reader. False when it was known.

    Of tests and notices nothing is kept, nor of somebody who objected to it any opening or clicking.
    """
    if message.purpose != Message.Purpose.CAMPAIGN:
        return False
    if kind in WATCHED and not consent.may_track(message.person_id):
        return False
    with transaction.atomic():
        new = rows(
            sql(
                """INSERT INTO campaigns_response (message_id, kind, actor, link, at) VALUES ({}, {}, {}, {}, {})
                   ON CONFLICT DO NOTHING RETURNING id""",
                message.pk, str(kind), str(actor), link, at,
            )
        )  # fmt: skip
        if new:
            told = sql(
                "SELECT *, {} AS platform, {} AS agent FROM campaigns_response WHERE id = {}",
                agents.judge(agent).platform, agent[:LONGEST_AGENT].replace("\x00", ""), new[0][0],
            )  # fmt: skip
            activities.record_many(_activities(told), _COLUMNS, source=SOURCE, now=now)
    return bool(new)


def record_sent(ids: Sequence[UUID], *, now: datetime) -> int:
    """An outbound activity for each of these campaign messages that has been sent; one statement. How many are new."""
    sent = sql(
        "SELECT NULL AS id, id AS message_id, 'sent' AS kind, 'human' AS actor, NULL::int AS link, sent_at AS at, "
        "'' AS platform, '' AS agent "
        "FROM campaigns_message WHERE id = ANY ({}::uuid[]) AND purpose = 'campaign' AND sent_at IS NOT NULL",
        [str(each) for each in ids],
    )
    return activities.record_many(_activities(sent), _COLUMNS, source=SOURCE, now=now)


def clicked(message: Message, link: int, *, actor: str, agent: str = "", at: datetime, now: datetime) -> str:
    """Note that a link was followed; the actor it counts for, given how this message's links were followed.

    A burst of links is a scanner's whatever it calls itself, and what it did a moment before as a human is taken back.
    """
    with transaction.atomic():
        Message.objects.select_for_update(no_key=True).get(pk=message.pk)  # the clicks of one message, one by one
        if actor != Actor.BOT and _is_burst(message, link, at):
            _was_no_human(message, since=at - BURSTS[-1][1], now=now)
            actor = Actor.BOT
        record(message, Kind.CLICKED, actor=actor, link=link, agent=agent, at=at, now=now)
    return actor


def ensure_defaults(now: datetime) -> None:
    """The kinds of activities that mail makes, with names that people read. Safe to repeat."""
    for slug, (label, direction, is_response, is_engagement, intent) in kinds().items():
        catalogue.ensure(
            slug, label, channel=CHANNEL, direction=direction, is_response=is_response, is_engagement=is_engagement,
            intent=intent, now=now,
        )  # fmt: skip


def kinds() -> dict[str, tuple[str, str, bool, bool, int]]:
    """The kinds of activities that mail makes: label, direction, whether it is a response, whether engagement, intent.

    Inbound is who comes to us. Nobody does by having a mail shown, bounced, or by leaving: those have no direction.
    """
    inbound, outbound = Activity.Direction.INBOUND.value, Activity.Direction.OUTBOUND.value
    return {
        "email_sent": (_("Email sent"), outbound, False, False, 0),
        "email_delivered": (_("Email delivered"), outbound, False, False, 0),
        "email_opened": (_("Email opened"), "", False, False, 2),
        "email_clicked": (_("Email clicked"), inbound, True, True, 10),
        "email_replied": (_("Email answered"), inbound, True, True, 40),
        "email_bounced": (_("Email bounced"), "", False, False, 0),
        "email_complained": (_("Marked as spam"), "", False, False, 0),
        "email_unsubscribed": (_("Unsubscribed"), "", False, False, 0),
    }


def taken_back() -> Sql:
    """The ids of the answers whose activity was taken back since: what was found to be a scanner's counts nowhere."""
    return sql(
        r"""SELECT CASE WHEN x.external_id ~ '^[^:]+:[a-z]+:[0-9]{{1,18}}$'
                    THEN split_part(x.external_id, ':', 3)::bigint ELSE 0 END
            FROM audience_activity r JOIN audience_activity x ON x.id = r.reversal_of_id
            WHERE x.source = {} AND {}""",
        SOURCE,
        activities.is_reversed("x"),
    )


def taken_back_of(some: Collection[Response]) -> set[int]:
    """The ids of those of these answers whose activity was taken back since."""
    names = {f"{each.message_id}:{each.kind}:{each.pk}": each.pk for each in some}
    reversed_ones = rows(
        sql(
            "SELECT x.external_id FROM audience_activity x WHERE x.source = {} AND x.external_id = ANY ({}) AND {}",
            SOURCE,
            list(names),
            activities.is_reversed("x"),
        )
    )
    return {names[name] for (name,) in reversed_ones}


# ---- as activities ----


def _activities(told: Sql) -> Sql:
    """Activities for rows of id, message_id, kind, actor, link, at, platform, agent."""
    return sql(
        """
        SELECT m.person_id, m.account_id, 'email_' || t.kind AS kind, t.at AS occurred_at,
               concat_ws(':', m.id, t.kind, t.id) AS external_id,
               m.channel, t.platform, CASE WHEN t.kind IN ('sent', 'delivered') THEN 'outbound'
                                WHEN t.kind IN ('clicked', 'replied') THEN 'inbound' ELSE '' END AS direction,
               t.actor, jsonb_strip_nulls(jsonb_build_object(
                   'campaign', c.slug, 'campaign_name', c.name, 'content', w.slug, 'content_name', w.name,
                   'style', nullif(w.style, ''), 'user_agent', nullif(t.agent, ''),
                   'link', substring(coalesce(m.links, v.links) ->> t.link from '^[a-zA-Z]+://([^/?#]*)')
               )) AS properties
        FROM ({}) t JOIN campaigns_message m ON m.id = t.message_id
        LEFT JOIN campaigns_campaign c ON c.id = m.campaign_id
        LEFT JOIN campaigns_contentversion v ON v.id = m.content_version_id
        LEFT JOIN campaigns_content w ON w.id = v.content_id
        """,
        told,
    )


# ---- scanners ----


def _is_burst(message: Message, link: int, at: datetime) -> bool:
    """Whether with this click so many links were followed in so short a time that no human did."""
    others = Response.objects.filter(message=message, kind=Kind.CLICKED)
    if others.filter(actor=Actor.BOT, at__gt=at - AFTERMATH, at__lte=at).exists():
        return True
    return any(
        others.filter(at__gt=at - within, at__lte=at).exclude(link=link).values("link").distinct().count() + 1 >= most
        for most, within in BURSTS
    )


def _was_no_human(message: Message, *, since: datetime, now: datetime) -> None:
    """What was taken for a human's clicks since then was the scanner's: reversed as activities, told again as its."""
    mistaken = Response.objects.filter(message=message, kind=Kind.CLICKED, at__gt=since).exclude(actor=Actor.BOT)
    found = list(mistaken)
    taken = sql(
        "SELECT id FROM audience_activity WHERE source = {} AND external_id = ANY ({})",
        SOURCE,
        [f"{message.pk}:{Kind.CLICKED}:{each.pk}" for each in found],
    )
    activities.reverse(taken, now=now)
    mistaken.delete()
    for each in found:
        record(message, Kind.CLICKED, actor=Actor.BOT, link=each.link, at=each.at, now=now)

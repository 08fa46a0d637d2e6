"""What became of messages whose worker is gone; any number of sweepers may run at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from campaigns import channels
from campaigns.models import Campaign, Message, Response
from campaigns.sending import claiming
from campaigns.sending.outcomes import late_evidence
from kit.sql import Sql, rows, sql

AT_ONCE = 1000
HUMAN = Q(actor="human", kind__in=[Response.Kind.CLICKED, Response.Kind.REPLIED, Response.Kind.UNSUBSCRIBED])


@dataclass(frozen=True)
class Swept:
    """How many messages were given back, are perhaps sent, and turned out to have arrived."""

    given_back: int = 0
    unknown: int = 0
    found: int = 0


def sweep(now: datetime) -> Swept:
    """Claims that ran out wait again, with a strike; what was on its way is perhaps sent, unless evidence shows it was.

    Only with policy “at least once” is what is perhaps sent sent again by itself, and a few times at most.
    """
    return Swept(_give_back(now), _doubt(now), _find(now))


def _give_back(now: datetime) -> int:
    with transaction.atomic():
        back = rows(
            sql(
                """
                WITH over AS MATERIALIZED ({}),
                back AS (
                    UPDATE campaigns_message m SET strikes = m.strikes + 1, owner = '', lease_until = NULL,
                        state = CASE WHEN m.strikes + 1 >= {} THEN 'failed' ELSE 'queued' END,
                        due_at = GREATEST(m.due_at, {} + m.strikes * {}), reason = {}
                    FROM over WHERE m.id = over.id RETURNING m.id, m.attempt, m.state, m.campaign_id
                ),
                noted AS (
                    INSERT INTO campaigns_messageattempt (message_id, attempt, phase, state, reply, at)
                    SELECT id, attempt, 'sweep', state, {}, {} FROM back
                )
                SELECT campaign_id, state FROM back
                """,
                _over("claimed"),
                claiming.CRASHES,
                now,
                claiming.PAUSE,
                _("its worker ended while it was being written"),
                _("The worker that wrote it ended; nothing had left."),
                now,
            )
        )
        for campaign in Campaign.objects.filter(pk__in={pk for pk, state in back if state == "failed"}):
            claiming.pause_if_many_fail(campaign, now=now)
    return len(back)


def _doubt(now: datetime) -> int:
    with transaction.atomic():
        doubted = rows(
            sql(
                """
                WITH over AS MATERIALIZED ({}),
                doubted AS (
                    UPDATE campaigns_message m SET state = 'unknown', owner = '', lease_until = NULL, sent_at = {},
                        reason = {}
                    FROM over WHERE m.id = over.id RETURNING m.id, m.attempt, m.policy
                ),
                noted AS (
                    INSERT INTO campaigns_messageattempt (message_id, attempt, phase, state, reply, at)
                    SELECT id, attempt, 'sweep', 'unknown', {}, {} FROM doubted
                )
                SELECT id, policy, attempt FROM doubted
                """,
                _over("sending"),
                now,
                _("its worker ended before it had heard whether it arrived"),
                _("The worker that sent it ended before it had written down what became of it."),
                now,
            )
        )
        service = Message.Policy.AT_LEAST_ONCE
        again = [pk for pk, policy, attempt in doubted if policy == service and attempt < claiming.CRASHES]
        stopped = Q(campaign__state=Campaign.State.STOPPED)
        Message.objects.filter(pk__in=again, state=Message.State.UNKNOWN).exclude(stopped).update(
            state=Message.State.QUEUED, due_at=now, sent_at=None
        )
    return len(doubted)


def _over(state: str) -> Sql:
    return sql(
        "SELECT id FROM campaigns_message WHERE state = {} AND state IN ('claimed', 'sending') "
        "AND lease_until < clock_timestamp() ORDER BY lease_until LIMIT {} FOR UPDATE SKIP LOCKED",
        state,
        AT_ONCE,
    )


def _find(now: datetime) -> int:
    """Of what is perhaps sent, what a provider knows to have arrived, or what its reader answered."""
    unknown = Message.objects.filter(state=Message.State.UNKNOWN)
    answered = unknown.filter(Exists(Response.objects.filter(HUMAN, message=OuterRef("pk"))))
    found = sum(late_evidence(each, reply=_("Its reader answered it."), now=now) for each in answered[:AT_ONCE])
    ids = list(unknown.order_by("?").values_list("pk", flat=True)[:AT_ONCE])  # all get their turn
    for kind in channels.kinds().values() if ids else ():
        there = Message.objects.filter(pk__in=list(kind.arrived(ids)))
        told = _("The provider was asked, and has it: %(provider)s.") % {"provider": kind.label}
        found += sum(late_evidence(each, reply=told, now=now) for each in there)
    return found

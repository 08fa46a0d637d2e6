"""What campaigns tell those who operate an installation: what of theirs waits for a human, and their figures."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from prometheus_client import Metric

from campaigns import sending
from campaigns.models import Message
from campaigns.sending import showing
from kit import deadletters, instance, metrics, periodic, writing
from kit.deadletters import DeadLetter
from kit.models import User
from kit.sql import Sql, dicts, sql, value
from kit.troubles import Trouble, register

ANY = Sql("true")


def figures(now: datetime) -> Iterable[Metric]:
    """Messages that have not come to an end, by indexes of these alone."""
    states = (*Message.OPEN, Message.State.UNKNOWN, Message.State.FAILED)
    counted = {
        state.value: metrics.counted(Sql(f"SELECT FROM campaigns_message WHERE state = '{state.value}'"))
        for state in states
    }
    yield metrics.gauge("messages", f"Messages, counted up to {metrics.MOST}", label="state", of=counted)
    age = sending.oldest_open(now).age(now).total_seconds()
    yield metrics.gauge("message_oldest_seconds", "Since when the oldest message should have left", age)
    yield metrics.gauge(
        "live_copy", "Whether this copy of the installation may send", float(value(sql("SELECT {}", instance.fence())))
    )


def troubles(now: datetime) -> Iterable[Trouble]:
    """Whatever keeps mail from leaving."""
    told = showing.how_far(None, None, now)
    if told["mismatch"]:
        yield Trouble(
            _("Nothing is sent: this copy of the installation is not known to be the live one."),
            reverse("instance"),
            _("Say which copy is live"),
        )
    elif told["paused"]:
        said = _("Mail stands still: %(why)s")
        yield Trouble(said % {"why": told["paused"].paused_because}, reverse("channel"), _("How mail leaves"))
    elif told["is_late"]:
        said = _("The oldest message that should have left has waited for %(age)s.")
        yield Trouble(said % {"age": writing.span(told["age"])}, f"{reverse('outbox')}?open=yes", _("What waits"))


# ---- dead letters ----


def perhaps_sent(limit: int, key: str | None) -> Sequence[DeadLetter]:
    """Messages of which nobody knows whether they left."""
    found = dicts(
        sql(
            """SELECT m.id, m.purpose, m.reason, m.attempt, coalesce(m.sent_at, m.due_at) AS at, c.name, c.slug
               FROM campaigns_message m LEFT JOIN campaigns_campaign c ON c.id = m.campaign_id
               WHERE m.state = 'unknown' AND {} AND {} ORDER BY at DESC, m.id LIMIT {}""",
            deadletters.unsettled("unknown", Sql("m.id::text"), Sql("coalesce(m.sent_at, m.due_at)")),
            sql("m.id::text = {}", key) if key else ANY,
            limit,
        )
    )
    return [
        DeadLetter(
            key=str(row["id"]),
            title=_("A message of “%(name)s”") % row if row["name"] else _("A test or a notice"),
            reason=row["reason"] or _("Its worker was lost on the way."),
            at=row["at"],
            url=reverse("message", args=[row["id"]]),
            payload={
                "message": str(row["id"]), "purpose": row["purpose"], "campaign": row["slug"],
                "attempt": row["attempt"],
            },
        )
        for row in found
    ]  # fmt: skip


def resend(key: str, by: User | None, now: datetime) -> bool:
    """Once more, past all that may stand against it."""
    try:
        return sending.resend(Message.objects.get(pk=uuid.UUID(key)), by=by, now=now)
    except sending.Refused as refused:
        raise deadletters.Refused(str(refused)) from refused


def failed_messages(limit: int, key: str | None) -> Sequence[DeadLetter]:
    """Messages that failed, by campaign and by whether they could not be written or were refused.

    An address that does not exist is none: it is known to be bad, and nothing is to be done.
    """
    group = Sql("concat_ws(':', coalesce(m.campaign_id::text, m.purpose), CASE WHEN m.strikes > 0 THEN 'written' END)")
    found = dicts(
        sql(
            """WITH newest AS (
                   SELECT * FROM campaigns_message WHERE state = 'failed' ORDER BY created_at DESC LIMIT {}),
               failed AS (
                   SELECT {} AS key, c.name, c.slug, m.strikes > 0 AS unwritten, count(*) AS number,
                          max(m.due_at) AS at, max(m.reason) AS reason
                   FROM newest m LEFT JOIN campaigns_campaign c ON c.id = m.campaign_id
                   WHERE NOT EXISTS (
                       SELECT FROM campaigns_response r WHERE r.message_id = m.id AND r.kind = 'bounced')
                   GROUP BY 1, 2, 3, 4)
               SELECT * FROM failed WHERE {} AND {} ORDER BY at DESC LIMIT {}""",
            metrics.MOST,
            group,
            deadletters.unsettled("failed", Sql("failed.key"), Sql("failed.at")),
            sql("key = {}", key) if key else ANY,
            limit,
        )
    )
    return [
        DeadLetter(
            key=row["key"],
            title=_("“%(campaign)s”") % {"campaign": row["name"]} if row["name"] else _("Tests and notices"),
            reason=row["reason"],
            at=row["at"],
            url=f"{reverse('outbox')}?{urlencode({'state': 'failed', 'campaign': row['slug'] or ''})}",
            number=row["number"],
            payload={"campaign": row["slug"], "could not be written": row["unwritten"]},
        )
        for row in found
    ]


def set_aside(limit: int, key: str | None) -> Sequence[DeadLetter]:
    """People at a step that failed five times for them, by campaign and step."""
    found = dicts(
        sql(
            """WITH aside AS (
                   SELECT concat_ws(':', e.campaign_id, e.step_id) AS key, c.name, c.slug, count(*) AS number,
                          max(e.ended_at) AS at, max(e.reason) AS reason
                   FROM (SELECT * FROM campaigns_enrollment WHERE state = 'quarantined' LIMIT {}) e
                   JOIN campaigns_campaign c ON c.id = e.campaign_id
                   GROUP BY 1, 2, 3)
               SELECT * FROM aside WHERE {} AND {} ORDER BY at DESC LIMIT {}""",
            metrics.MOST,
            deadletters.unsettled("aside", Sql("aside.key"), Sql("aside.at")),
            sql("key = {}", key) if key else ANY,
            limit,
        )
    )
    return [
        DeadLetter(
            key=row["key"],
            title=_("“%(campaign)s”") % {"campaign": row["name"]},
            reason=row["reason"],
            at=row["at"],
            url=f"{reverse('campaign_people', args=[row['slug']])}?{urlencode({'state': 'quarantined'})}",
            number=row["number"],
            payload={"campaign": row["slug"]},
        )
        for row in found
    ]


def stopped_campaigns(limit: int, key: str | None) -> Sequence[DeadLetter]:
    """Campaigns that paused by themselves."""
    found = dicts(
        sql(
            """SELECT id, slug, name, paused_because, coalesce(running_since, launched_at, created_at) AS at
               FROM campaigns_campaign c WHERE state = 'paused' AND paused_because <> '' AND {} AND {}
               ORDER BY at DESC LIMIT {}""",
            deadletters.unsettled(
                "campaign", Sql("c.id::text"), Sql("coalesce(c.running_since, c.launched_at, c.created_at)")
            ),
            sql("c.id::text = {}", key) if key else ANY,
            limit,
        )
    )
    return [
        DeadLetter(
            key=str(row["id"]),
            title=_("“%(campaign)s”") % {"campaign": row["name"]},
            reason=row["paused_because"],
            at=row["at"],
            url=reverse("campaign", args=[row["slug"]]),
            payload={"campaign": row["slug"]},
        )
        for row in found
    ]


KINDS = (
    deadletters.Kind(
        "campaign",
        gettext_lazy("Campaigns that paused by themselves"),
        gettext_lazy("Put right what it says, then let the campaign go on from its page."),
        stopped_campaigns,
    ),
    deadletters.Kind(
        "unknown",
        gettext_lazy("Messages that are perhaps sent"),
        gettext_lazy("Nobody knows whether they arrived. Send one once more if two are better than none."),
        perhaps_sent,
        resend,
    ),
    deadletters.Kind(
        "failed",
        gettext_lazy("Messages that failed"),
        gettext_lazy("They are not sent again. Where they could not be written, mend the content for those to come."),
        failed_messages,
    ),
    deadletters.Kind(
        "aside",
        gettext_lazy("People set aside after errors"),
        gettext_lazy("A step failed five times for them, and they do not go on. They may enter again by hand."),
        set_aside,
    ),
)


def register_all() -> None:
    """Name what campaigns have to tell; `AppConfig.ready` calls it."""
    for kind in KINDS:
        deadletters.register(kind)
    metrics.register("campaigns", figures)
    register(troubles)
    for name, label, purpose, seconds in (
        ("advance", gettext_lazy("Advancing"), gettext_lazy("Whoever is due goes on to the next step."), 2),
        ("send", gettext_lazy("Sending"), gettext_lazy("Messages that are due leave."), 2),
        (
            "sweep_messages",
            gettext_lazy("Looking for lost messages"),
            gettext_lazy("Messages in the hands of workers that are gone are let go."),
            15,
        ),
    ):
        task = f"campaigns.tasks.{name}"
        periodic.register(name, label, purpose, task=task, every=timedelta(seconds=seconds))

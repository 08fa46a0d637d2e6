"""What integrations tell those who operate an installation: what they do by themselves, and what waits for a human."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations import feed
from integrations.models import Webhook, WebhookDelivery
from integrations.webhooks import delivering, keeping
from kit import deadletters, notices, periodic
from kit.deadletters import DeadLetter
from kit.models import User
from kit.sql import Sql, dicts, sql


def dead_webhooks(limit: int, key: str | None) -> Sequence[DeadLetter]:
    """What was given up, by webhook."""
    found = dicts(
        sql(
            """WITH dead AS (
                   SELECT hook.id, hook.name, count(*) AS number, max(gone.ended_at) AS at,
                          (array_agg(gone.failure ORDER BY gone.ended_at DESC))[1] AS failure,
                          (array_agg(gone.status ORDER BY gone.ended_at DESC))[1] AS status
                   FROM integrations_webhookdelivery gone JOIN integrations_webhook hook ON hook.id = gone.webhook_id
                   WHERE gone.state = 'dead' AND {} GROUP BY 1, 2)
               SELECT * FROM dead WHERE {} ORDER BY at DESC LIMIT {}""",
            sql("hook.id::text = {}", key) if key else Sql("true"),
            deadletters.unsettled("webhook", Sql("dead.id::text"), Sql("dead.at")),
            limit,
        )
    )
    return [
        DeadLetter(
            key=str(row["id"]),
            title=_("“%(name)s”") % row,
            reason=_why(row),
            at=row["at"],
            url=f"{reverse('webhook_deliveries', args=[row['id']])}?state=dead",
            number=row["number"],
            payload={"webhook": row["id"]},
        )
        for row in found
    ]


def _why(row: dict[str, Any]) -> str:
    if row["failure"] == WebhookDelivery.Failure.STATUS:
        return _("It answered %(status)s.") % row
    return str(WebhookDelivery.Failure(row["failure"]).label) if row["failure"] else ""


def send_again(key: str, by: User | None, now: datetime) -> bool:
    """All that this webhook never took, once more."""
    return bool(keeping.send_dead_again(Webhook.objects.get(pk=int(key)), by=by, now=now))


def register_all() -> None:
    """Name what integrations have to tell; `AppConfig.ready` calls it."""
    notices.register(delivering.NOTICE, gettext_lazy("A webhook fails"))
    deadletters.register(
        deadletters.Kind(
            "webhook",
            gettext_lazy("Events that webhooks never took"),
            gettext_lazy("Put the address right, then send them again; each says by its id whether it came before."),
            dead_webhooks,
            send_again,
        )
    )
    periodic.register(
        "deliver",
        gettext_lazy("Telling webhooks"),
        gettext_lazy("Other systems are told what happened, and again what they did not take."),
        task="integrations.tasks.deliver",
        every=timedelta(seconds=2),
    )
    periodic.register(
        "forget_deliveries",
        gettext_lazy("Forgetting deliveries"),
        gettext_lazy("What webhooks took a month ago goes, and after three what they never took."),
        task="integrations.tasks.forget_deliveries",
        every=timedelta(days=1),
        run=delivering.forget,
    )
    periodic.register(
        "forget_changes",
        gettext_lazy("Forgetting changes"),
        gettext_lazy("Changes that no reader of the feed asks for any more go."),
        task="integrations.tasks.forget_changes",
        every=timedelta(days=1),
        run=feed.forget,
    )

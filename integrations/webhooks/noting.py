"""What happened becomes deliveries: one for each webhook that wants to be told of it, in order.

A webhook remembers the snapshot up to which everything was noted for it; the next turn notes what a newer snapshot
sees and that one did not, in one transaction with the newer snapshot. So nothing is missed, whatever the order in
which transactions commit, and nothing is noted twice, whoever dies on the way.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from integrations import feed
from integrations.models import Webhook
from integrations.webhooks import events
from kit.sql import Sql, run, sql


def note(now: datetime) -> int:
    """Write down what is new for every webhook, also for those that are paused; how many deliveries."""
    return sum(_note(pk, now) for pk in Webhook.objects.order_by("pk").values_list("pk", flat=True))


def _note(pk: int, now: datetime) -> int:
    with transaction.atomic():
        hook = Webhook.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=pk).first()
        if hook is None:
            return 0
        here, until = feed.here_and_now()
        if until == hook.seen and here == hook.here:
            return 0
        noted = 0
        if here == hook.here and not feed.is_later(hook.seen, until):
            noted = sum(run(_written(hook, source, now)) for source in _sources(hook, until))
        Webhook.objects.filter(pk=pk).update(here=here, seen=until)
        return noted


def _written(hook: Webhook, source: Sql, now: datetime) -> Sql:
    return sql(
        """INSERT INTO integrations_webhookdelivery (webhook_id, event, ref, at, since, next_at)
           SELECT {}, event, ref, at, {}, {} FROM ({}) news ORDER BY xid, ref""",
        hook.pk,
        now,
        now,
        source,
    )


def _sources(hook: Webhook, until: str) -> list[Sql]:
    """Statements of (event, ref, at, xid), of those sorts alone that the webhook wants something of."""
    wanted = set(hook.events)
    found = []
    if wanted & set(events.OF_HANDOFFS):
        found.append(
            sql(
                """SELECT 'handoff.' || kind AS event, id AS ref, at, xid FROM lifecycle_handoffevent
                   WHERE {} AND 'handoff.' || kind = ANY ({})""",
                feed.between(Sql("xid"), hook.seen, until),
                sorted(wanted),
            )
        )
    if events.MOVED in wanted:
        # A replay and a file tell what has been, and a new version that has the same stage moves nobody.
        found.append(
            sql(
                """SELECT {} AS event, moved.id AS ref, moved.recorded_at AS at, moved.xid FROM lifecycle_movement moved
                   LEFT JOIN lifecycle_stage before ON before.id = moved.from_stage_id
                   LEFT JOIN lifecycle_stage after ON after.id = moved.to_stage_id
                   WHERE {} AND moved.kind NOT IN ('replay', 'import')
                     AND (moved.kind <> 'migration' OR before.slug IS DISTINCT FROM after.slug)""",
                events.MOVED,
                feed.between(Sql("moved.xid"), hook.seen, until),
            )
        )
    if events.MISSED in wanted:
        found.append(
            sql(
                "SELECT {} AS event, id AS ref, found_at AS at, xid FROM lifecycle_missedlimit WHERE {}",
                events.MISSED,
                feed.between(Sql("xid"), hook.seen, until),
            )
        )
    if rows := sorted(wanted & set(events.OF_ROWS)):
        found.append(
            sql(
                """SELECT kind || '.' || action AS event, told.id AS ref, max(at) AS at, max(xid) AS xid
                   FROM integrations_change change, unnest(change.ids) told (id)
                   WHERE {} AND kind || '.' || action = ANY ({}) GROUP BY 1, 2""",
                feed.between(Sql("xid"), hook.seen, until),
                rows,
            )
        )
    return found

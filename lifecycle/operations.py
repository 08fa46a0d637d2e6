"""What lifecycles tell those who operate an installation: whose rules stand still."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from kit import deadletters, notices, periodic
from kit.deadletters import DeadLetter
from kit.models import User
from kit.sql import Sql, rows, sql
from lifecycle.engine import live, overdue, stalled
from lifecycle.handoffs import routing, turning
from lifecycle.models import Version
from lifecycle.partners import applications, checklist


def stopped_rules(limit: int, key: str | None) -> Sequence[DeadLetter]:
    """Versions whose rules, or some of whose rules, stopped because they cannot be asked any more."""
    open_ones = rows(
        sql(
            """
            SELECT id, stopped_at FROM (
                SELECT version.id, COALESCE(version.stopped_at, max(rule.stopped_at)) AS stopped_at
                FROM lifecycle_version version LEFT JOIN lifecycle_stoppedrule rule ON rule.version_id = version.id
                GROUP BY version.id
            ) version
            WHERE stopped_at IS NOT NULL AND {} AND {} ORDER BY stopped_at DESC LIMIT {}
            """,
            deadletters.unsettled("rules", Sql("version.id::text"), Sql("stopped_at")),
            sql("id::text = {}", key) if key else Sql("true"),
            limit,
        )
    )
    since = dict(open_ones)
    found = Version.objects.filter(pk__in=since).select_related("lifecycle").prefetch_related(
        "stopped_rules__transition__from_stage", "stopped_rules__transition__to_stage"
    )  # fmt: skip
    return [
        DeadLetter(
            key=str(each.pk),
            title=str(each),
            reason=each.stopped_because or "; ".join(f"{rule}: {rule.because}" for rule in each.stopped_rules.all()),
            at=since[each.pk],
            url=reverse("lifecycle_version", args=[each.lifecycle.slug, each.number]),
            payload={"lifecycle": each.lifecycle.slug, "version": each.number},
        )
        for each in sorted(found, key=lambda each: since[each.pk], reverse=True)
    ]


def resume(key: str, by: User | None, now: datetime) -> bool:
    """The rules go on, over everybody."""
    return live.resume(Version.objects.get(pk=int(key)), by=by, now=now)


STOPPED_RULES = deadletters.Kind(
    "rules",
    _("Lifecycles whose rules stand still"),
    _("Nobody is moved by them. Put the rule or the field right, then let them go on: everybody is judged again."),
    stopped_rules,
    resume,
)


def register_all() -> None:
    """Name what lifecycles have to tell; `AppConfig.ready` calls it."""
    deadletters.register(STOPPED_RULES)
    periodic.register(
        "take_in_partners",
        _("Partners"),
        _("Forms by which partners apply become applications, and steps of which it has happened are done."),
        task="lifecycle.tasks.take_in_partners",
        every=timedelta(minutes=1),
        run=_take_in,
    )

    notices.register(live.STOPPED, _("The rules of a lifecycle stand still"))
    notices.register(overdue.NOTICE, overdue.LABEL)
    periodic.register(
        "hand_over",
        _("Handing over to sales"),
        _("Hand-offs find their receivers, fall due, come back after “not now”, and leave whoever is away."),
        task="lifecycle.tasks.hand_over",
        every=timedelta(seconds=5),
        run=turning.turn,
    )
    periodic.register(
        "hand_over_again",
        _("Handing over again"),
        _("Hand-offs that wait in a queue find whoever came back, was given the right, or has room again."),
        task="lifecycle.tasks.hand_over_again",
        every=timedelta(minutes=1),
        run=routing.route_again,
    )
    periodic.register(
        "measure_stays",
        _("How long stays last"),
        _("In how many days nine of ten left each stage is measured; whoever is there longer may be stuck."),
        task="lifecycle.tasks.measure_stays",
        every=timedelta(days=1),
        run=stalled.measure,
    )


def _take_in(now: datetime) -> None:
    applications.take_in(now)
    checklist.notice(now)

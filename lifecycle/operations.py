"""What lifecycles tell those who operate an installation: whose rules stand still."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from kit import deadletters, periodic
from kit.deadletters import DeadLetter
from kit.models import User
from kit.sql import Sql, rows, sql
from lifecycle import live, stalled
from lifecycle.models import Version


def stopped_rules(limit: int, key: str | None) -> Sequence[DeadLetter]:
    """Versions whose rules stopped because they cannot be asked any more."""
    open_ones = rows(
        sql(
            "SELECT id FROM lifecycle_version version WHERE stopped_at IS NOT NULL AND {} AND {} "
            "ORDER BY stopped_at DESC LIMIT {}",
            deadletters.unsettled("rules", Sql("version.id::text"), Sql("stopped_at")),
            sql("id::text = {}", key) if key else Sql("true"),
            limit,
        )
    )
    found = Version.objects.filter(pk__in=[row[0] for row in open_ones]).select_related("lifecycle")
    return [
        DeadLetter(
            key=str(each.pk),
            title=str(each),
            reason=each.stopped_because,
            at=each.stopped_at,
            url=reverse("lifecycle_version", args=[each.lifecycle.slug, each.number]),
            payload={"lifecycle": each.lifecycle.slug, "version": each.number},
        )
        for each in found.order_by("-stopped_at")
        if each.stopped_at
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
        "measure_stays",
        _("How long stays last"),
        _("In how many days nine of ten left each stage is measured; whoever is there longer may be stuck."),
        task="lifecycle.tasks.measure_stays",
        every=timedelta(days=1),
        run=stalled.measure,
    )

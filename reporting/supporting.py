"""What reports need of the data, for the list of what can be done today."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.readiness.abilities import Ability, Need, Way, all_known, number, register, share
from kit import installation
from kit.sql import Sql, sql

IMPORT = Way(gettext_lazy("Bring them by a file"), "import_new")
YEAR, QUARTER = timedelta(days=365), timedelta(days=90)
CLOSED, TERMS, CHANNELS = 30, 10, 3
LOOKED_AT = 20_000  # activities of the quarter whose channel is looked at


def register_all() -> None:
    """Register the abilities of reports; `AppConfig.ready` calls it."""
    funnel = Way(gettext_lazy("Funnel"), "report_funnel")
    register(
        Ability(
            "win_rate",
            gettext_lazy("Win rate, and why deals are lost"),
            gettext_lazy("What became of deals, by amount and reason."),
            _win_rate,
            funnel,
            80,
        )
    )
    register(
        Ability(
            "channel_mix",
            gettext_lazy("Channel mix"),
            gettext_lazy("Which channel brings whom how far, and at what cost."),
            _channel_mix,
            Way(gettext_lazy("Channel mix"), "channel_mix"),
            81,
        )
    )
    register(
        Ability(
            "retention",
            gettext_lazy("Retention"),
            gettext_lazy("What recurring revenue stays, shrinks, leaves and grows."),
            _retention,
            Way(gettext_lazy("Retention"), "report_retention"),
            82,
        )
    )
    register(
        Ability(
            "concentration",
            gettext_lazy("Concentration of margin"),
            gettext_lazy("How much comes from how few."),
            _concentration,
            Way(gettext_lazy("Concentration"), "report_concentration"),
            83,
        )
    )


def _win_rate() -> Sequence[Need]:
    def closed(now: datetime) -> Sql:
        return sql("SELECT FROM audience_deal WHERE status <> 'open' AND closed_at BETWEEN {} AND {}", now - YEAR, now)

    return [
        number(_("Deals closed in a year: at least %(least)s"), closed, CLOSED, IMPORT),
        *all_known("account.deal.amount", "account.deal.reason", least=0.8),
    ]


def _channel_mix() -> Sequence[Need]:
    def lately(now: datetime) -> Sql:
        return sql(
            "SELECT channel FROM audience_activity WHERE occurred_at >= {} AND occurred_at <= {} LIMIT {}",
            now - QUARTER,
            now,
            LOOKED_AT,
        )

    def told(now: datetime) -> Sql:
        return sql("SELECT count(*) FILTER (WHERE channel <> ''), count(*) FROM ({}) lately", lately(now))

    def channels(now: datetime) -> Sql:
        return sql("SELECT DISTINCT channel FROM ({}) lately WHERE channel <> ''", lately(now))

    return [
        share(_("Activities of 90 days with a channel: at least %(least)s"), told, 0.8, IMPORT),
        number(_("Different channels: at least %(least)s"), channels, CHANNELS, IMPORT),
        number(
            _("Costs of channels or campaigns: at least %(least)s"),
            lambda now: Sql("SELECT FROM audience_cost"),
            CHANNELS,
            IMPORT,
        ),
        *all_known("person.source"),
    ]


def _retention() -> Sequence[Need]:
    def a_year_old(now: datetime) -> Sql:
        today = now.astimezone(installation.zone()).date()
        return sql("SELECT FROM audience_contract WHERE starts_on <= {}", today - YEAR)

    return [
        number(_("Contracts that began a year ago or earlier: at least %(least)s"), a_year_old, TERMS, IMPORT),
        *all_known("account.contract.annual_value", "account.contract.renews_on", least=0.9),
    ]


def _concentration() -> Sequence[Need]:
    def bought(now: datetime) -> Sql:
        return sql("SELECT FROM audience_purchase WHERE occurred_at BETWEEN {} AND {}", now - YEAR, now)

    return [
        number(_("Purchases in a year: at least %(least)s"), bought, CLOSED, IMPORT),
        *all_known("account.purchase.amount", "account.purchase.cost", least=0.8),
    ]

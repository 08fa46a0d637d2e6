"""What the ground floor's own things need of the data, for the list of what can be done today."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.readiness.abilities import Ability, Need, Way, all_known, number, register
from kit import installation
from kit.sql import Sql, sql

IMPORT = Way(gettext_lazy("Bring them by a file"), "import_new")
CONTRACTS = 10
PRODUCTS = 2
TWO_YEARS = timedelta(days=730)


def register_all() -> None:
    """Register the abilities of this floor; `AppConfig.ready` calls it."""
    register(
        Ability(
            "segments",
            gettext_lazy("Segments by what people and firms are"),
            gettext_lazy("Say something else to another country, industry or job."),
            _segments,
            Way(gettext_lazy("Build a segment"), "segment_new"),
            10,
        )
    )
    register(
        Ability(
            "renewals",
            gettext_lazy("Renewal campaigns"),
            gettext_lazy("Know which contract ends when, and speak before its notice date."),
            _renewals,
            Way(gettext_lazy("Accounts"), "accounts"),
            60,
        )
    )
    register(
        Ability(
            "cross_sell",
            gettext_lazy("Cross-selling"),
            gettext_lazy("See who has what, and what others like them have besides."),
            _cross_sell,
            Way(gettext_lazy("Build a segment"), "segment_new"),
            65,
        )
    )
    register(
        Ability(
            "look_alikes",
            gettext_lazy("Best customers and look-alikes"),
            gettext_lazy("Find those who are like the customers that pay off most."),
            _look_alikes,
            Way(gettext_lazy("Look-alikes"), "look_alikes"),
            70,
        )
    )


def _segments() -> Sequence[Need]:
    return all_known("person.country", "person.title_group", "account.industry", "account.country")


def _renewals() -> Sequence[Need]:
    def running(now: datetime) -> Sql:
        today = now.astimezone(installation.zone()).date()
        return sql(
            "SELECT FROM audience_contract WHERE starts_on <= {} AND (ends_on IS NULL OR ends_on > {})", today, today
        )

    return [
        number(_("Contracts in force: at least %(least)s"), running, CONTRACTS, IMPORT),
        *all_known(
            "account.contract.renews_on", "account.contract.notice_on", "account.contract.annual_value", least=0.9
        ),
    ]


def _cross_sell() -> Sequence[Need]:
    def products(now: datetime) -> Sql:
        return sql(
            """SELECT DISTINCT product_id FROM audience_purchase WHERE product_id IS NOT NULL AND occurred_at <= {}
               UNION SELECT product_id FROM audience_contract WHERE product_id IS NOT NULL""",
            now,
        )

    return [
        number(_("Different products bought or under contract: at least %(least)s"), products, PRODUCTS, IMPORT),
        *all_known("account.industry", "account.employees"),
    ]


def _look_alikes() -> Sequence[Need]:
    def customers(now: datetime) -> Sql:
        return sql(
            """SELECT DISTINCT account_id FROM audience_deal WHERE status = 'won' AND closed_at BETWEEN {} AND {}
               AND account_id IS NOT NULL
               UNION SELECT subject_id FROM audience_contract WHERE starts_on <= {}
               UNION SELECT subject_id FROM audience_purchase WHERE occurred_at BETWEEN {} AND {}""",
            now - TWO_YEARS, now, now, now - TWO_YEARS, now,
        )  # fmt: skip

    return [
        number(_("Customers of the last two years: at least %(least)s"), customers, 50, IMPORT),
        *all_known("account.industry", "account.employees", "account.country"),
    ]

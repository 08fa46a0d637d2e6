"""What scores need of the data, for the list of what can be done today."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.readiness.abilities import Ability, Need, Way, all_known, number, register
from kit.sql import Sql, sql

IMPORT = Way(gettext_lazy("Bring them by a file"), "import_new")
QUARTER = timedelta(days=90)
ACTIVITIES, KINDS = 500, 3
LOOKED_AT = 20_000  # of the quarter, whose kinds are looked at


def register_all() -> None:
    """Register the abilities of scoring; `AppConfig.ready` calls it."""
    way = Way(gettext_lazy("Scoring"), "scoring_models")
    register(
        Ability(
            "fit_score",
            gettext_lazy("Score by fit"),
            gettext_lazy("Points for what somebody and their firm are, whatever they did."),
            _fit,
            way,
            20,
        )
    )
    register(
        Ability(
            "behaviour_score",
            gettext_lazy("Score by behaviour"),
            gettext_lazy("Points for what somebody did, which fade."),
            _behaviour,
            way,
            21,
        )
    )


def _fit() -> Sequence[Need]:
    return all_known(
        "person.title_group", "person.seniority", "account.industry", "account.employees", "account.country"
    )


def _behaviour() -> Sequence[Need]:
    def inbound(now: datetime) -> Sql:
        return sql(
            """SELECT FROM audience_activity WHERE occurred_at >= {} AND occurred_at <= {}
               AND direction = 'inbound' AND actor = 'human'""",
            now - QUARTER,
            now,
        )

    def kinds(now: datetime) -> Sql:
        return sql(
            """SELECT DISTINCT kind_id FROM (
                 SELECT kind_id FROM audience_activity WHERE occurred_at >= {} AND occurred_at <= {}
                 AND direction = 'inbound' AND actor = 'human' LIMIT {}) lately""",
            now - QUARTER,
            now,
            LOOKED_AT,
        )

    return [
        number(_("Acts of people towards you in 90 days: at least %(least)s"), inbound, ACTIVITIES, IMPORT),
        number(_("Different kinds of them: at least %(least)s"), kinds, KINDS, IMPORT),
    ]

"""What lifecycles need of the data, for the list of what can be done today."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.conditions import uses
from audience.readiness import measures
from audience.readiness.abilities import Ability, Need, Way, all_known, number, register, share
from kit.sql import Sql
from lifecycle.editions import versions

LIFECYCLES = Way(gettext_lazy("Lifecycles"), "lifecycles")


def register_all() -> None:
    """Register the abilities of lifecycles; `AppConfig.ready` calls it."""
    register(
        Ability(
            "stages",
            gettext_lazy("Stages by rules"),
            gettext_lazy("Everybody moves between stages by what is known of them and what they did."),
            _stages,
            LIFECYCLES,
            30,
        )
    )
    register(
        Ability(
            "hand_offs",
            gettext_lazy("Hand-offs to sales"),
            gettext_lazy("Whoever is ready goes to the salesperson of their account."),
            _hand_offs,
            LIFECYCLES,
            40,
        )
    )


def _stages() -> Sequence[Need]:
    """Something that happened, and every field that a rule asks."""
    asked = {name for use in versions.kept() for name in uses.names(use.condition)}
    fields = [name for name in sorted(asked) if measures.find(name)]
    activities = number(
        _("Activities: at least %(least)s"),
        lambda now: Sql("SELECT FROM audience_activity"),
        1000,
        Way(_("Bring them by a file"), "import_new"),
    )
    live = number(
        _("Lifecycles that are live: at least %(least)s"),
        lambda now: Sql("SELECT FROM lifecycle_version WHERE state = 'published'"),
        1,
        Way(_("Begin with a playbook"), "lifecycles"),
    )
    return [live, activities, *all_known(*fields)]


def _hand_offs() -> Sequence[Need]:
    def owned(now: object) -> Sql:
        return Sql("SELECT count(owner_id), count(*) FROM audience_account WHERE erased_at IS NULL AND NOT is_excluded")

    def sellers(now: object) -> Sql:
        return Sql("SELECT FROM kit_user WHERE role = 'sales' AND is_active")

    return [
        share(_("Accounts with an owner: at least %(least)s"), owned, 0.8, Way(_("Accounts"), "accounts")),
        number(_("Users who are in sales: at least %(least)s"), sellers, 1, Way(_("Users"), "users")),
        *all_known("person.phone"),
    ]

"""What campaigns need of the data, for the list of what can be done today."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.readiness.abilities import Ability, Need, Way, all_known, number, register
from kit.sql import Sql

AGREED = 100


def register_all() -> None:
    """Register the abilities of campaigns; `AppConfig.ready` calls it."""
    register(
        Ability(
            "nurture",
            gettext_lazy("Nurture by email"),
            gettext_lazy("Write to those who agreed, by where they are."),
            _nurture,
            Way(gettext_lazy("Campaigns"), "campaigns"),
            50,
        )
    )


def _nurture() -> Sequence[Need]:
    def agreed(now: object) -> Sql:
        """Who said yes to a topic or to all, and has not taken it back since."""
        return Sql(
            """SELECT DISTINCT yes.subject_id FROM audience_consentrecord yes
               WHERE yes.given AND yes.reversal_of_id IS NULL AND yes.channel = 'email' AND NOT EXISTS (
                   SELECT FROM audience_consentrecord no
                   WHERE no.subject_id = yes.subject_id AND no.channel = yes.channel AND (
                       no.reversal_of_id = yes.id
                       OR NOT no.given AND no.reversal_of_id IS NULL
                          AND (no.occurred_at, no.id) > (yes.occurred_at, yes.id)
                          AND (no.topic_id IS NULL OR no.topic_id = yes.topic_id)))"""
        )

    def senders(now: object) -> Sql:
        return Sql("SELECT FROM campaigns_sender WHERE retired_at IS NULL")

    return [
        *all_known("person.email", least=0.8),
        number(_("People who agreed to mail: at least %(least)s"), agreed, AGREED, Way(_("Choose people"), "people")),
        number(_("Senders: at least %(least)s"), senders, 1, Way(_("Name a sender"), "sender_new")),
        *all_known("person.first_name", least=0.8),
    ]

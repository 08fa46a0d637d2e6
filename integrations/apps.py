"""Integrations' place in Django, and what it registers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from kit.api.problems import Problem


class IntegrationsConfig(AppConfig):
    name = "integrations"

    def ready(self) -> None:
        from integrations import feed, keys, models, operations, trail
        from integrations.webhooks import keeping
        from kit import audit, navigation, registry
        from kit.api import access, problems

        audit.named(trail.ACTIONS)
        operations.register_all()
        access.known_by(keys.find)
        problems.register(feed.Elsewhere, problems.refusal(410, "cursor_of_another_database"))
        problems.register(feed.TooOld, problems.refusal(410, "cursor_too_old"))
        problems.register(keeping.Refused, _refusal)
        registry.defaults(feed.forget_foreign)
        registry.spare(models.Webhook, models.WebhookDelivery)
        navigation.register(
            area="operations", label=_("API keys"), url_name="api_keys", icon="key-round", order=60, right="keys"
        )
        navigation.register(
            area="operations", label=_("Webhooks"), url_name="webhooks", icon="webhook", order=61, right="administer"
        )


def _refusal(refused: Any) -> Problem:
    """How what stands against a webhook is told to programs: another state, or something to mend."""
    from kit.api.problems import Problem

    status = 409 if refused.code in ("name_taken", "paused", "not_ended", "too_many") else 400
    return Problem(status, refused.code, str(refused), field=refused.field or None)

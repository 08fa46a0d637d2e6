"""Integrations' place in Django, and what it registers."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IntegrationsConfig(AppConfig):
    name = "integrations"

    def ready(self) -> None:
        from integrations import feed, keys, operations, trail
        from kit import audit, navigation, registry
        from kit.api import access, problems

        audit.named(trail.ACTIONS)
        operations.register_all()
        access.known_by(keys.find)
        problems.register(feed.Elsewhere, problems.refusal(410, "cursor_of_another_database"))
        problems.register(feed.TooOld, problems.refusal(410, "cursor_too_old"))
        registry.defaults(feed.forget_foreign)
        navigation.register(
            area="operations", label=_("API keys"), url_name="api_keys", icon="key-round", order=60, right="keys"
        )

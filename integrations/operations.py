"""What integrations tell those who operate an installation: what they do every night."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from integrations import feed
from kit import periodic


def register_all() -> None:
    """Name what integrations have to tell; `AppConfig.ready` calls it."""
    periodic.register(
        "forget_changes",
        _("Forgetting changes"),
        _("Changes that no reader of the feed asks for any more go."),
        task="integrations.tasks.forget_changes",
        every=timedelta(days=1),
        run=feed.forget,
    )

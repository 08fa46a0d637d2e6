"""The demo company's place in Django, and what it registers."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DemoConfig(AppConfig):
    name = "demo"

    def ready(self) -> None:
        from demo import loading, panels
        from kit import audit, jobs
        from kit.registry import panel

        audit.named({"demo.load": _("Demo company asked for")})
        jobs.register(loading.JOB, loading.work, counts="days")
        panel("start", _("Look around first"), "demo/_first_step.html", panels.first_step, order=50)
        panel("home", _("Demo company"), "demo/_as_sales.html", panels.as_sales, order=90)
        panel("urgent", _("Demo company"), "demo/_under_way.html", panels.under_way, order=1)

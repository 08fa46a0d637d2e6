"""Reporting's place in Django, and what it registers."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReportingConfig(AppConfig):
    name = "reporting"

    def ready(self) -> None:
        from kit import audit, jobs, navigation
        from kit.api import problems
        from kit.registry import holder, panel
        from reporting import addresses, integrity, operations, panels, supporting, trail
        from reporting.models import ENTRIES_OF, StageEntry

        problems.register(addresses.NotAsked, problems.refusal(404, "no_such_figure"))
        audit.named(trail.ACTIONS)
        holder(StageEntry, "first entries into stages", whose=ENTRIES_OF, silent="filled out of the movements")
        jobs.register(integrity.JOB, integrity.run_job)
        operations.register_all()
        supporting.register_all()
        navigation.register(area="reports", label=_("Funnel"), url_name="report_funnel", icon="funnel", order=10)
        navigation.register(
            area="reports", label=_("Hand-offs"), url_name="report_handoffs", icon="handshake", order=20
        )
        for label, url_name, icon, order in (
            (_("Leaks"), "report_leaks", "droplets", 25),
            (_("Time"), "report_time", "timer", 25),
            (_("Loops"), "report_loops", "refresh-cw", 30),
            (_("Lift"), "report_lift", "trending-up", 35),
            (_("Cost per stage"), "report_costs", "coins", 36),
            (_("Pipeline"), "report_pipeline", "columns-3", 38),
            (_("Partners"), "report_partners", "handshake", 39),
            (_("Customers"), "report_book", "book-open", 39),
            (_("Retention"), "report_retention", "repeat", 40),
            (_("Concentration"), "report_concentration", "chart-pie", 50),
        ):
            navigation.register(area="reports", label=label, url_name=url_name, icon=icon, order=order)
        navigation.register(area="operations", label=_("Ledger"), url_name="ledger", icon="scale", order=60)
        panel("home", _("Lifecycles"), "reporting/_home_panel.html", panels.home, order=10)
        panel("lifecycle", _("Document"), "reporting/_document_panel.html", panels.document_of, order=90)
        panel("settings", _("Pars"), "kit/_setting.html", panels.pars, order=30)
        panel("campaign_results", _("Lift"), "reporting/_lift_panel.html", panels.lift, order=10)

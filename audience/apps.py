"""The audience's place in Django, and what it registers."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AudienceConfig(AppConfig):
    name = "audience"

    def ready(self) -> None:
        from audience import (
            channels,
            consent,
            duplicates,
            erasure,
            fields,
            holders,
            importing,
            inbulk,
            live,
            names,
            offers,
            operations,
            panels,
            people,
            pipelines,
            retractions,
            segments,
            sight,
            supporting,
            tagged,
            titles,
            trail,
            visitors,
        )
        from audience.api import refusals
        from audience.conditions import uses
        from audience.importing import kinds, schedules
        from audience.webforms import submitting
        from kit import audit, jobs, navigation, notes, registry, work

        audit.named(trail.ACTIONS)
        refusals.register_all()
        fields.register_all()
        tagged.register_all()
        offers.register_all()
        holders.register_all()
        inbulk.register_all()
        for kind in kinds.ALL:
            registry.import_kind(kind)
        live.register(live.Judge("segments", 30, segments.judge, segments.clock))
        uses.register(segments.kept)
        jobs.register(erasure.JOB, erasure.work)
        jobs.register(duplicates.JOB, duplicates.work)
        jobs.register("segment", segments.work)
        jobs.register(titles.JOB, titles.work, counts="rows")
        jobs.register("import", importing.work, tidy=schedules.tidy_import)
        jobs.register(schedules.JOB, schedules.work, tidy=schedules.tidy, counts="steps")
        jobs.register(importing.rollback.JOB, importing.rollback.work)
        jobs.register(importing.rollback.PREVIEW, importing.rollback.preview_work)
        registry.panel("start", _("Bring your history"), "audience/_first_step.html", people.first_step, order=10)
        registry.panel("settings", _("Accounts"), "kit/_setting.html", panels.account_settings, order=12)
        registry.panel("settings", _("Left out of figures"), "kit/_setting.html", panels.own_domains, order=10)
        for place in ("jobs", "system"):
            registry.panel(place, _("Live engine"), "audience/_live_panel.html", panels.waiting)
        operations.register_all()
        supporting.register_all()
        registry.defaults(pipelines.ensure_defaults)
        registry.defaults(channels.ensure_defaults)
        jobs.register(retractions.JOB, retractions.work)
        registry.panel("retraction", _("Segments"), "audience/_retraction_changes.html", panels.retracted, order=30)
        for defaults in (consent.ensure_defaults, submitting.ensure_defaults, visitors.ensure_defaults):
            registry.defaults(defaults)
        registry.name_subjects(names.named)
        registry.show_subjects(sight.subjects, sight.everything)
        for of in ("person", "account"):
            registry.panel(f"{of}_work", _("Tasks"), "kit/_tasks.html", work.panel, order=60)
            registry.panel(f"{of}_work", _("Notes"), "kit/_notes.html", notes.panel, order=70)
            registry.panel(of, _("Holdings"), "audience/_families.html", panels.holdings_of, order=16)
            registry.panel(of, _("Segments"), "audience/_segments_panel.html", panels.segments_of, order=30)
        registry.panel("account", _("Buying centre"), "audience/_buying_centre.html", panels.buying_centre, order=12)
        registry.panel("account", _("Family"), "audience/_family.html", panels.family, order=14)
        registry.panel("person", _("Roles in accounts"), "audience/_roles.html", panels.roles_of, order=12)
        registry.panel("person", _("Consent"), "audience/_consent_panel.html", panels.consent_of, order=35)
        navigation.register(area="main", label=_("People"), url_name="people", icon="users", order=30)
        navigation.register(area="main", label=_("Accounts"), url_name="accounts", icon="building-2", order=40)
        navigation.register(area="main", label=_("Deals"), url_name="deals", icon="handshake", order=42)
        navigation.register(area="main", label=_("Contracts"), url_name="contracts", icon="file-text", order=44)
        navigation.register(area="main", label=_("Segments"), url_name="segments", icon="users-round", order=50)
        navigation.register(area="main", label=_("Forms"), url_name="forms", icon="clipboard-list", order=55)
        navigation.register(area="data", label=_("Your web sites"), url_name="site", icon="globe", order=78)
        navigation.register(area="data", label=_("Imports"), url_name="imports", icon="upload", order=10)
        registry.panel("home", _("Readiness"), "audience/_readiness_panel.html", panels.readiness_today, order=80)
        navigation.register(area="data", label=_("Readiness"), url_name="readiness", icon="gauge", order=20)
        navigation.register(area="data", label=_("Best customers"), url_name="best_customers", icon="trophy", order=30)
        navigation.register(area="data", label=_("Look-alikes"), url_name="look_alikes", icon="copy", order=31)
        navigation.register(
            area="data", label=_("Schedules"), url_name="import_schedules", icon="calendar-clock", order=12
        )
        navigation.register(area="data", label=_("Duplicates"), url_name="duplicates", icon="copy", order=20)
        navigation.register(
            area="data", label=_("Custom fields"), url_name="custom_fields", icon="table-properties", order=60
        )
        navigation.register(area="data", label=_("Job titles"), url_name="title_rules", icon="briefcase", order=62)
        navigation.register(area="data", label=_("Pipelines"), url_name="pipelines", icon="route", order=64)
        navigation.register(area="data", label=_("Activities"), url_name="activities", icon="activity", order=20)
        navigation.register(area="data", label=_("Service cases"), url_name="cases", icon="life-buoy", order=25)
        navigation.register(area="data", label=_("Kinds"), url_name="kinds", icon="shapes", order=30)
        navigation.register(area="data", label=_("Channels"), url_name="channels", icon="waypoints", order=35)
        navigation.register(area="data", label=_("Costs"), url_name="costs", icon="coins", order=40)
        navigation.register(area="data", label=_("Topics"), url_name="topics", icon="newspaper", order=70)
        navigation.register(area="data", label=_("Not to be used"), url_name="suppressions", icon="mail-x", order=75)
        navigation.register(area="data", label=_("Left out"), url_name="left_out", icon="eye-off", order=80)

"""The audience's place in Django, and what it registers."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AudienceConfig(AppConfig):
    name = "audience"

    def ready(self) -> None:
        from audience import consent, importing, live, operations, panels, segments, trail
        from audience.activity import channels, retractions, visitors
        from audience.api import refusals
        from audience.asked import fields, offers, tagged
        from audience.commerce import pipelines
        from audience.conditions import uses
        from audience.importing import kinds, saved, schedules
        from audience.merging import duplicates
        from audience.readiness import supporting
        from audience.subjects import erasure, holders, inbulk, names, people, searchable, sight, titles
        from audience.views import profile
        from audience.webforms import editing, submitting
        from kit import audit, jobs, navigation, notes, registry, work

        audit.named(trail.ACTIONS)
        audit.speaks_of("person", "account", "subject", "merged")
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
        uses.register(editing.kept)
        uses.register(saved.kept)
        jobs.register(erasure.JOB, erasure.work)
        jobs.register(searchable.JOB, searchable.work, counts="steps")
        jobs.register(duplicates.JOB, duplicates.work)
        registry.defaults(duplicates.want_trigrams)
        jobs.register("segment", segments.work)
        jobs.register(titles.JOB, titles.work, counts="rows")
        jobs.register("import", importing.work, tidy=schedules.tidy_import)
        jobs.register(schedules.JOB, schedules.work, tidy=schedules.tidy, counts="steps")
        jobs.register(importing.rollback.JOB, importing.rollback.work)
        jobs.register(importing.rollback.PREVIEW, importing.rollback.preview_work)
        registry.panel("start", _("Bring your history"), "audience/_first_step.html", people.first_step, order=10)
        registry.panel("settings", _("Accounts"), "kit/_setting.html", panels.account_settings, order=12)
        registry.panel("settings", _("Left out of figures"), "kit/_setting.html", panels.left_out, order=10)
        for place in ("jobs", "system"):
            registry.panel(place, _("Live engine"), "audience/_live_panel.html", panels.waiting)
        operations.register_all()
        supporting.register_all()
        registry.defaults(pipelines.ensure_defaults)
        registry.defaults(channels.ensure_defaults)
        registry.defaults(titles.ensure_defaults)
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
            registry.panel(of, _("Who changed what"), "audience/_trail_panel.html", panels.trail_of, order=90)
            registry.panel(f"{of}_past", _("Segments"), "audience/_segments_then.html", panels.segments_then, order=30)
        registry.panel("handoff", _("What happened last"), "audience/_latest.html", profile.latest, order=30)
        registry.panel("account", _("Buying centre"), "audience/_buying_centre.html", panels.buying_centre, order=12)
        registry.panel("account", _("Family"), "audience/_family.html", panels.family, order=14)
        registry.panel("person", _("Roles in accounts"), "audience/_roles.html", panels.roles_of, order=12)
        registry.panel("person", _("Consent"), "audience/_consent_panel.html", panels.consent_of, order=35)
        registry.panel("home", _("Readiness"), "audience/_readiness_panel.html", panels.readiness_today, order=80)
        for area, label, url_name, icon, order in (
            ("main", _("People"), "people", "users", 30),
            ("main", _("Accounts"), "accounts", "building-2", 40),
            ("main", _("Deals"), "deals", "handshake", 42),
            ("main", _("Contracts"), "contracts", "file-text", 44),
            ("main", _("Segments"), "segments", "users-round", 50),
            ("main", _("Forms"), "forms", "clipboard-list", 55),
            ("data", _("Imports"), "imports", "upload", 10),
            ("data", _("Schedules"), "import_schedules", "calendar-clock", 12),
            ("data", _("Activities"), "activities", "activity", 20),
            ("data", _("Products"), "products", "package", 16),
            ("data", _("Purchases"), "purchases", "shopping-cart", 18),
            ("data", _("Service cases"), "cases", "life-buoy", 22),
            ("data", _("Costs"), "costs", "coins", 24),
            ("data", _("Exchange rates"), "exchange_rates", "arrow-left-right", 26),
            ("data", _("Duplicates"), "duplicates", "copy", 30),
            ("data", _("Readiness"), "readiness", "gauge", 40),
            ("data", _("Best customers"), "best_customers", "trophy", 42),
            ("data", _("Look-alikes"), "look_alikes", "user-search", 44),
            ("reports", _("Channel mix"), "channel_mix", "chart-pie", 37),
            ("setup", _("Custom fields"), "custom_fields", "table-properties", 10),
            ("setup", _("Kinds"), "kinds", "shapes", 20),
            ("setup", _("Channels"), "channels", "waypoints", 22),
            ("setup", _("Job titles"), "title_rules", "briefcase", 30),
            ("setup", _("Pipelines"), "pipelines", "route", 40),
            ("setup", _("Topics"), "topics", "newspaper", 50),
            ("setup", _("Your web sites"), "site", "globe", 60),
            ("setup", _("Not to be used"), "suppressions", "mail-x", 70),
            ("setup", _("Left out"), "left_out", "eye-off", 80),
        ):
            navigation.register(area=area, label=label, url_name=url_name, icon=icon, order=order)

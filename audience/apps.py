"""The audience's place in Django, and what it registers."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AudienceConfig(AppConfig):
    name = "audience"

    def ready(self) -> None:
        from audience import (
            consent,
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
            segments,
            sight,
            tagged,
            trail,
            visitors,
        )
        from audience.api import refusals
        from audience.conditions import uses
        from audience.importing import kinds
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
        jobs.register("segment", segments.work)
        jobs.register("import", importing.work, tidy=importing.tidy)
        jobs.register(importing.rollback.JOB, importing.rollback.work)
        registry.panel("start", _("Bring your history"), "audience/_first_step.html", people.first_step, order=10)
        registry.panel("settings", _("Left out of figures"), "kit/_setting.html", panels.own_domains, order=10)
        for place in ("jobs", "system"):
            registry.panel(place, _("Live engine"), "audience/_live_panel.html", panels.waiting)
        operations.register_all()
        for defaults in (consent.ensure_defaults, submitting.ensure_defaults, visitors.ensure_defaults):
            registry.defaults(defaults)
        registry.name_subjects(names.named)
        registry.show_subjects(sight.subjects, sight.everything)
        for of in ("person", "account"):
            registry.panel(f"{of}_work", _("Tasks"), "kit/_tasks.html", work.panel, order=60)
            registry.panel(f"{of}_work", _("Notes"), "kit/_notes.html", notes.panel, order=70)
            registry.panel(of, _("Segments"), "audience/_segments_panel.html", panels.segments_of, order=30)
        registry.panel("person", _("Consent"), "audience/_consent_panel.html", panels.consent_of, order=35)
        navigation.register(area="main", label=_("People"), url_name="people", icon="users", order=30)
        navigation.register(area="main", label=_("Accounts"), url_name="accounts", icon="building-2", order=40)
        navigation.register(area="main", label=_("Segments"), url_name="segments", icon="users-round", order=50)
        navigation.register(area="main", label=_("Forms"), url_name="forms", icon="clipboard-list", order=55)
        navigation.register(area="data", label=_("Your web sites"), url_name="site", icon="globe", order=78)
        navigation.register(area="data", label=_("Imports"), url_name="imports", icon="upload", order=10)
        navigation.register(
            area="data", label=_("Custom fields"), url_name="custom_fields", icon="table-properties", order=60
        )
        navigation.register(area="data", label=_("Topics"), url_name="topics", icon="newspaper", order=70)
        navigation.register(area="data", label=_("Not to be used"), url_name="suppressions", icon="mail-x", order=75)
        navigation.register(area="data", label=_("Left out"), url_name="left_out", icon="eye-off", order=80)

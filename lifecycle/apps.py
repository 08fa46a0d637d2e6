"""The lifecycle's place in Django, and what it registers."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LifecycleConfig(AppConfig):
    name = "lifecycle"

    def ready(self) -> None:
        from audience import live as engine
        from audience.conditions import uses
        from kit import jobs, navigation
        from kit.registry import holder, import_kind, panel
        from lifecycle import fields, importing, live, moving, panels, versions
        from lifecycle.models import Membership, Movement

        fields.register_all()
        panels.register()
        engine.register(engine.Judge("stages", 20, live.judge, live.clock))
        uses.register(versions.kept)
        jobs.register("replay", versions.replay_job, counts="days")
        jobs.register("preview", versions.preview_job, counts="days")
        jobs.register("bulk_move", moving.move_job)
        jobs.register("bulk_undo", moving.undo_job)
        import_kind(importing.KIND)
        holder(Membership, "memberships")
        holder(Movement, "movements", personal=("reason",))
        panel("start", _("Publish a lifecycle"), "lifecycle/_first_step.html", versions.first_step, order=20)
        navigation.register(area="main", label=_("Lifecycles"), url_name="lifecycles", icon="route", order=20)

"""The lifecycle's place in Django, and what it registers."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LifecycleConfig(AppConfig):
    name = "lifecycle"

    def ready(self) -> None:
        from audience import live as engine
        from audience.conditions import uses
        from kit import audit, jobs, navigation
        from kit.api import problems
        from kit.registry import ending, import_kind, joining, panel
        from lifecycle import (
            cards,
            fields,
            holders,
            importing,
            live,
            merges,
            migrating,
            moving,
            operations,
            panels,
            stages,
            supporting,
            trail,
            undo,
            versions,
        )
        from lifecycle.editing import parts

        problems.register(stages.Guarded, problems.refusal(409, "move_guarded"))
        problems.register(stages.MoveRefused, problems.refusal(409, "move_refused"))
        problems.register(migrating.PlanRefused, problems.refusal(409, "plan_refused"))
        problems.register(undo.UndoRefused, problems.refusal(409, "undo_refused"))
        problems.register(parts.Refused, problems.refusal(409, "draft_refused"))
        problems.register(cards.Stale, problems.refusal(412, "changed_meanwhile"))
        problems.register(versions.PublishRefused, problems.refusals(409, "version_refused"))
        audit.named(trail.ACTIONS)
        fields.register_all()
        panels.register()
        operations.register_all()
        supporting.register_all()
        engine.register(engine.Judge("stages", 20, live.judge, live.clock))
        uses.register(versions.kept)
        jobs.register("replay", versions.replay_job, tidy=versions.replay_ended, counts="days")
        jobs.register("migrate", versions.migrate_job, tidy=versions.migrate_ended)
        jobs.register("withdraw", versions.withdraw_job)
        jobs.register("preview", versions.preview_job, counts="days")
        jobs.register("bulk_move", moving.move_job)
        jobs.register("bulk_undo", moving.undo_job)
        import_kind(importing.KIND)
        holders.register_all()
        ending(stages.erase)
        joining(merges.join, merges.part)
        importing.register()
        panel("start", _("Publish a lifecycle"), "lifecycle/_first_step.html", versions.first_step, order=20)
        navigation.register(area="main", label=_("Lifecycles"), url_name="lifecycles", icon="route", order=20)

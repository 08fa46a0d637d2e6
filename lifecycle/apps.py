"""The lifecycle's place in Django, and what it registers."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LifecycleConfig(AppConfig):
    name = "lifecycle"

    def ready(self) -> None:
        from audience import live as engine
        from audience.conditions import uses
        from kit import audit, calendars, jobs, navigation
        from kit.api import problems
        from kit.registry import defaults, ending, import_kind, joining, panel
        from lifecycle import accepting, backtests, fields, holders, operations, panels, placing, supporting, trail
        from lifecycle.editing import parts
        from lifecycle.editions import cards, migrating, versions
        from lifecycle.engine import live
        from lifecycle.handoffs import answering, inbulk, queue, telling
        from lifecycle.ledger import importing, merges, moving, stages, undo
        from lifecycle.partners import applications, kinds
        from lifecycle.views import partners

        problems.register(stages.Guarded, problems.refusal(409, "move_guarded"))
        problems.register(stages.MoveRefused, problems.refusal(409, "move_refused"))
        problems.register(answering.Refused, problems.refusal(400, "handoff_refused"))
        problems.register(answering.Gone, problems.refusal(409, "changed_meanwhile"))
        problems.register(migrating.PlanRefused, problems.refusal(409, "plan_refused"))
        problems.register(undo.UndoRefused, problems.refusal(409, "undo_refused"))
        problems.register(placing.PlacingRefused, problems.refusal(409, "placing_refused"))
        problems.register(parts.Refused, problems.refusal(409, "draft_refused"))
        problems.register(cards.Stale, problems.refusal(412, "changed_meanwhile"))
        problems.register(versions.PublishRefused, problems.refusals(409, "version_refused"))
        audit.named(trail.ACTIONS)
        fields.register_all()
        panels.register()
        operations.register_all()
        supporting.register_all()
        telling.register_all()
        inbulk.register_all()
        engine.register(engine.Judge("stages", 20, live.judge, live.clock))
        uses.register(versions.kept)
        calendars.used_by(versions.by_calendar)
        problems.register(backtests.BacktestRefused, problems.refusal(409, "backtest_refused"))
        jobs.register(backtests.KIND, backtests.work, tidy=backtests.tidy, counts="days")
        jobs.register(placing.KIND, placing.work, counts="steps")
        jobs.register(placing.ACCEPTING, accepting.work)
        jobs.register("replay", versions.replay_job, counts="days")
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
        defaults(kinds.ensure_defaults)
        problems.register(applications.Refused, problems.refusal(409, "application_refused"))
        ending(applications.end)
        panel("account", _("Partner"), "lifecycle/_partner_panel.html", partners.panel, order=12)
        panel("urgent", "", "lifecycle/_applications_waiting.html", partners.waiting_panel, order=60)
        panel("start", _("Publish a lifecycle"), "lifecycle/_first_step.html", versions.first_step, order=20)
        for place, order in (("home", 7), ("work", 10)):
            panel(place, _("Hand-offs"), "lifecycle/_handoffs_panel.html", queue.home, order=order)
        navigation.register(area="main", label=_("Hand-offs"), url_name="handoffs", icon="handshake", order=17)
        navigation.register(area="setup", label=_("Hand-off routing"), url_name="routing", icon="split", order=40)
        navigation.register(area="main", label=_("Lifecycles"), url_name="lifecycles", icon="route", order=20)
        navigation.register(area="main", label=_("Partners"), url_name="partners", icon="network", order=22)

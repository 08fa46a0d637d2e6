"""The scoring's place in Django, and what it registers."""

from django.apps import AppConfig


class ScoringConfig(AppConfig):
    name = "scoring"

    def ready(self) -> None:
        from audience import live
        from audience.conditions import uses
        from kit import jobs
        from kit.registry import holder
        from scoring import fields, running, versions
        from scoring.models import Score, ScoreChange

        fields.register_all()
        live.register(live.Judge("scores", 10, running.judge, running.clock))
        uses.register(versions.kept)
        jobs.register(running.KIND, running.work)
        holder(Score, "scores")
        holder(ScoreChange, "changes of scores")

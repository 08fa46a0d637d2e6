"""The scoring's place in Django, and what it registers."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ScoringConfig(AppConfig):
    name = "scoring"

    def ready(self) -> None:
        from audience import live
        from audience.conditions import uses
        from kit import audit, jobs, navigation
        from kit.api import problems
        from kit.registry import ASIDE, holder, spare
        from scoring import fields, panels, previewing, running, supporting, trail, versions
        from scoring.models import Crossing, Rule, Score, ScoreChange, ScoringModel, ScoringVersion

        problems.register(versions.Refused, problems.refusals(409, "version_refused"))
        audit.named(trail.ACTIONS)
        fields.register_all()
        live.register(live.Judge("scores", 10, running.judge, running.clock))
        uses.register(versions.kept)
        jobs.register(running.KIND, running.work)
        jobs.register(previewing.KIND, previewing.work)
        panels.register()
        supporting.register_all()
        navigation.register(area="main", label=_("Scoring"), url_name="scoring_models", icon="gauge", order=60)
        spare(ScoringModel, ScoringVersion, Rule)
        holder(Crossing, "previews of scores", goes=True, follows="true", merge=ASIDE)
        holder(Score, "scores", follows="true", merge=ASIDE)  # worked out anew
        holder(ScoreChange, "changes of scores", follows="true")

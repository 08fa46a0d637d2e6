"""Says how well a score tells who reaches an outcome: manage.py judge_score MODEL --outcome CONDITION.

Exit codes: 0 done, 1 nothing can be said (nobody, or everybody, reached the outcome), 2 wrong usage.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audience import live
from audience.conditions import describe, tree
from kit import installation, writing
from scoring import quality
from scoring.models import ScoringModel
from scoring.rules import Plans


class Command(BaseCommand):
    help = (
        "Judge a score by an outcome: AUC, precision and recall of its limit, lift of its best tenth. With --as-of and "
        "--within the score of that day is judged by what came in the days after it; without, both are as of now, and "
        "what was written down only after the outcome makes the score look better than it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", help="the scoring model's short name")
        parser.add_argument("--outcome", required=True, metavar="JSON", help="a condition, such as {'field': …}")
        parser.add_argument("--as-of", type=date.fromisoformat, metavar="DAY", help="score as of the start of this day")
        parser.add_argument(
            "--within", type=int, metavar="DAYS", help="… and look for the outcome in the days after it"
        )
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if (options["as_of"] is None) != (options["within"] is None) or (options["within"] or 1) < 1:
            raise CommandError("--as-of and --within go together, and --within is a number of days.", returncode=2)
        model = ScoringModel.objects.filter(slug=options["model"]).first()
        if model is None:
            raise CommandError(f"There is no scoring model “{options['model']}”.", returncode=2)
        try:
            outcome = tree.parse(json.loads(options["outcome"]), of=model.of)
        except (ValueError, RecursionError) as error:
            raise CommandError(f"The outcome cannot be asked: {error}", returncode=2) from error
        at, until = self.instants(options)
        plan = Plans(model).at(at)
        if plan is None:
            raise CommandError(f"“{model}” had no published version then.", returncode=2)
        found = quality.judge(plan, outcome, at=at, until=until)
        if options["json"]:
            told = {"model": model.slug, "version": plan.version.number, **found.as_dict()}
            self.stdout.write(json.dumps(told))
        else:
            self.stdout.write(self.words(describe.sentence(outcome), found))
        if found.auc is None:
            sys.exit(1)

    def instants(self, options: dict[str, Any]) -> tuple[Any, Any]:
        if options["as_of"] is None:
            return timezone.now() + live.INSTANT, None
        zone = installation.zone()
        until = options["as_of"] + timedelta(days=options["within"])
        return installation.midnight(options["as_of"], zone), installation.midnight(until, zone)

    def words(self, outcome: str, found: quality.Quality) -> str:
        lines = [
            f"Outcome: {outcome}",
            f"{writing.number(found.subjects)} scored, {writing.number(found.positives)} reached it "
            f"({writing.percent(found.rate)})",
        ]
        if found.auc is None:
            return "\n".join([*lines, "Not enough data: the outcome must have been reached by some, and not by all."])
        lines.append(f"AUC {found.auc:.3f} (0.5 is chance, 1 is perfect)")
        if found.limit is not None:
            lines.append(
                f"Limit {found.limit}: {writing.number(found.at_limit)} reach it; precision "
                f"{writing.percent(found.precision)}, recall {writing.percent(found.recall)}"
            )
        lines.append(f"The best tenth: {found.lift_top_tenth or 0:.2f} times the rate of all")
        return "\n".join(lines)

"""What reporting shows on other pages: the lifecycles with what moved today, and a campaign's lift by its results."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from campaigns.models import Campaign, Enrollment
from kit import installation
from kit.sql import rows, sql
from lifecycle.editions import versions
from lifecycle.models import Lifecycle, Version
from reporting import campaigns, figures, funnel, plans, printed
from reporting import lift as lifts
from reporting.figures import lift as lift_figures
from reporting.metrics import balance
from reporting.plans import Place, Plan
from reporting.questions import Question, ask
from reporting.windows import Window


def home(subject: None, request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """Each species with its lifecycles; None as long as none was ever live. One statement counts for all of them."""
    lifecycles = plans.readable()
    if not lifecycles:
        return None
    today = funnel.today(now)
    window = Window(today, today + timedelta(days=1))
    there, moved = _counts(lifecycles, window)
    shown = defaultdict(list)
    for lifecycle in lifecycles:
        plan = plans.read(lifecycle)
        assert plan is not None
        shown[lifecycle.species].append(_card(ask(plan, window, today), there[lifecycle.pk], moved[lifecycle.pk]))
    species = [(value, label, shown[value]) for value, label in Lifecycle.Species.choices if shown[value]]
    missing = [(value, label) for value, label in Lifecycle.Species.choices if not shown[value]]
    return {"species": species, "missing": missing}


def document_of(lifecycle: Lifecycle, _request: HttpRequest, _now: datetime) -> dict[str, Any] | None:
    """Of a lifecycle's page: its document, and how many answers about its stages are missing."""
    version = versions.to_show(lifecycle)
    if version is None:
        return None
    missing, asked = printed.gaps(version)
    return {"missing": missing, "asked": asked, "url": reverse("report_document", args=[lifecycle.slug])}


def _card(question: Question, there: dict[str, int], moved: dict[str, int]) -> dict[str, Any]:
    plan = question.plan
    return {
        "lifecycle": plan.lifecycle,
        "url": f"{reverse('report_funnel')}?lifecycle={plan.lifecycle.slug}",
        "board": reverse("lifecycle_board", args=[plan.lifecycle.slug]) if _is_live(plan) else "",
        "open": sum(there.get(place.slug, 0) for place in plan.places if not place.is_terminal),
        "largest": max([there.get(place.slug, 0) for place in plan.places], default=0),
        "stages": [_stage(question, place, there, moved) for place in _shown(plan, there)],
        "moved": sum(moved.values()),
    }


def _is_live(plan: Plan) -> bool:
    return plan.version.state == Version.State.PUBLISHED


def _stage(question: Question, place: Place, there: dict[str, int], moved: dict[str, int]) -> dict[str, Any]:
    at = question.about(stage=place.slug)
    came = moved.get(place.slug, 0)
    return {
        "name": place.name,
        "balance": figures.counted(at.about(moment=balance.END), "balance", there.get(place.slug, 0)),
        "came": figures.counted(at, "in_flow", came) if came else None,
    }


def _shown(plan: Plan, there: dict[str, int]) -> list[Place]:
    return [place for place in plan.places if not place.is_gate and not (place.former and not there.get(place.slug))]


def lift(campaign: Campaign, request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """What a campaign led to; None while nobody was assigned to it."""
    question, url = campaigns.ask([campaign], funnel.today(now))[0], campaigns.page(campaign)
    if question.obstacle:  # nothing is counted of which nothing can be told
        assigned = Enrollment.objects.filter(campaign=campaign).exists()
        return {"headline": [], "words": question.obstacle, "url": url} if assigned else None
    answer = lifts.answer(question)
    if not answer.assigned:
        return None
    return {"headline": lift_figures.headline(answer), "words": lift_figures.in_a_sentence(answer), "url": url}


Counts = dict[int, dict[str, int]]


def _counts(lifecycles: list[Lifecycle], window: Window) -> tuple[Counts, Counts]:
    """For each lifecycle: how many are in each stage at the end of the day, and how many came into it today; those that
    left the model today under the empty stage."""
    statement = sql(
        """
        SELECT lifecycle_id, stage, sum(n)::bigint,
               COALESCE(sum(n) FILTER (WHERE n > 0 AND day >= {} AND NOT by_version), 0)::bigint
        FROM (
            SELECT lifecycle_id, to_stage AS stage, day, count AS n, by_version FROM reporting_dailyflow
            UNION ALL SELECT lifecycle_id, from_stage, day, -count, by_version FROM reporting_dailyflow
        ) moves
        WHERE day < {} AND lifecycle_id = ANY({}) GROUP BY 1, 2
        """,
        window.start,
        window.end,
        [lifecycle.pk for lifecycle in lifecycles],
    )
    there: Counts = defaultdict(dict)
    moved: Counts = defaultdict(dict)
    for lifecycle_id, stage, balance_now, came in rows(statement):
        there[lifecycle_id][stage] = balance_now
        moved[lifecycle_id][stage] = came
    return there, moved


def pars(_subject: None, _request: HttpRequest, _now: datetime) -> dict[str, Any]:
    """Of the settings page: what retention is held against, and where that is said."""
    told = {"grr": installation.get("grr_par"), "nrr": installation.get("nrr_par")}
    says = _("GRR is held against %(grr)s %%, NRR against %(nrr)s %%.") % told
    return {"says": says, "label": _("Retention"), "url": reverse("report_retention")}

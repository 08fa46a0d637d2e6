"""The page of what a stage cost."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from kit import exports
from reporting import addresses, costs, freshness, plans
from reporting import funnel as funnels
from reporting import notes as notes_of
from reporting.figures import costs as figures
from reporting.figures.sheet import Choice
from reporting.views import asking

NAME = "report_costs"


@require_GET
def page(request: HttpRequest) -> HttpResponseBase:
    """What it cost to bring somebody to a stage; as a page, as its part for htmx, or as a file."""
    now = timezone.now()
    words = {
        "title": _("Cost per stage"),
        "purpose": _("What channels cost, and whom they brought how far."),
    }
    found = [(lifecycle, plan) for lifecycle in plans.readable() if (plan := plans.read(lifecycle)) and plan.success]
    if not found:
        return asking.no_lifecycle(request, words, "coins")
    lifecycle, notes = addresses.choose(request.GET, [each for each, _plan in found])
    plan = next(plan for each, plan in found if each == lifecycle)
    asked = addresses.read(request.GET, plan, funnels.today(now), now)
    stage, more = addresses.stage_of(request.GET, plan.success[1:] or plan.success)
    question = asked.question.about(stage=stage.slug, split=None)
    filled_at = freshness.bring_up_to_date(lifecycle, now)
    answer = costs.answer(question)
    if exports.wanted(request):
        heads, lines = figures.as_rows(answer)
        return exports.download(request, f"costs-{lifecycle.slug}", heads, lines, count=len(lines), now=now)
    stages = Choice("stage", _("Until"), [(each.slug, each.name) for each in plan.success], stage.slug)
    context = {
        **words,
        "notes": (*notes, *asked.notes, *more),
        "chart_notes": notes_of.within(question.window),
        "filled_at": filled_at,
        **asking.form(
            NAME,
            asked.preset,
            question.window,
            [asking.lifecycle_choice([each for each, _plan in found], lifecycle), stages],
            [],
            addresses.page(NAME, question, stage=stage.slug, export="csv"),
        ),
    }
    return asking.report(request, figures.sheet(answer), context)

"""The page of time."""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from kit import exports
from reporting import addresses, freshness, known, notes, pace, plans
from reporting import funnel as funnels
from reporting.figures import pace as figures
from reporting.figures.sheet import Choice
from reporting.views import asking

NAME = "report_time"


@require_GET
def page(request: HttpRequest) -> HttpResponseBase:
    """How fast one lifecycle moves, with one stage looked at closely; as a page, as its part for htmx, or as a file."""
    now = timezone.now()
    words = {"title": _("Time"), "purpose": _("How fast people move on, where they wait longest, and who waits still.")}
    found = [(each, plan) for each in plans.readable() if (plan := plans.read(each)) and pace.offered(plan)]
    if not found:
        return asking.no_lifecycle(request, words, "timer")
    lifecycle, said = addresses.choose(request.GET, [each for each, _plan in found])
    plan = next(plan for each, plan in found if each == lifecycle)
    asked = addresses.read(request.GET, plan, funnels.today(now), now)
    stage, more = addresses.stage_of(request.GET, pace.offered(plan))
    question = asked.question.about(stage=stage.slug)
    with known.entries(question) as then:
        answer = replace(pace.answer(then), question=question)
    if exports.wanted(request):
        heads, lines = figures.as_rows(answer)
        return exports.download(request, f"time-{lifecycle.slug}", heads, lines, count=len(lines), now=now)
    stages = [(each.slug, each.name) for each in plan.places if each in pace.offered(plan)]
    context = {
        **words,
        "notes": (*said, *asked.notes, *more, *asking.known_words(question)),
        "chart_notes": notes.within(question.window),
        "filled_at": freshness.bring_up_to_date(lifecycle, now),
        **asking.form(
            NAME,
            asked.preset,
            question.window,
            [asking.lifecycle_choice([each for each, _plan in found], lifecycle)],
            [Choice("stage", _("Look closely at"), stages, stage.slug)],
            addresses.page(NAME, question, stage=stage.slug, export="csv"),
            asking.past_of(request, asked, now),
        ),
    }
    return asking.report(request, figures.sheet(answer), context)

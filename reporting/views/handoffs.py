"""The page of hand-offs."""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from kit import exports
from reporting import addresses, freshness, handoffs, known, plans
from reporting import funnel as funnels
from reporting import notes as notes_of
from reporting.figures import handoffs as figures
from reporting.figures.sheet import Choice
from reporting.views import asking

NAME = "report_handoffs"


@require_GET
def page(request: HttpRequest) -> HttpResponseBase:
    """The hand-offs out of one stage with a limit; as a page, as its part for htmx, or as a file."""
    now = timezone.now()
    words = {
        "title": _("Hand-offs"),
        "purpose": _("What sales made of whom marketing handed over, how soon, and in time or not."),
    }
    found = [(lifecycle, plan) for lifecycle in plans.readable() if (plan := plans.read(lifecycle)) and plan.hand_offs]
    if not found:
        return asking.nothing_yet(
            request,
            words,
            "handshake",
            _("No stage has a limit yet"),
            _(
                "A hand-off is the way out of a stage of the kind “SLA”, which says within how many working hours its "
                "people must be looked at. Publish a lifecycle with such a stage."
            ),
        )
    lifecycle, notes = addresses.choose(request.GET, [each for each, _plan in found])
    plan = next(plan for each, plan in found if each == lifecycle)
    asked = addresses.read(request.GET, plan, funnels.today(now), now)
    stage, more = addresses.stage_of(request.GET, plan.hand_offs)
    question = handoffs.of_stage(asked.question, stage)
    with known.entries(question) as then:
        answer = replace(handoffs.answer(then), question=question)
    if exports.wanted(request):
        heads, lines = figures.as_rows(answer)
        return exports.download(request, f"hand-offs-{lifecycle.slug}", heads, lines, count=len(lines), now=now)
    stages = Choice("stage", _("Out of"), [(place.slug, place.name) for place in plan.hand_offs], stage.slug)
    context = {
        **words,
        "notes": (*notes, *asked.notes, *more, *asking.known_words(question)),
        "chart_notes": notes_of.within(question.window),
        "filled_at": freshness.bring_up_to_date(lifecycle, now),
        **asking.form(
            NAME,
            asked.preset,
            question.window,
            [asking.lifecycle_choice([each for each, _plan in found], lifecycle), stages],
            [asking.split_choice(question)],
            addresses.page(NAME, question, stage=stage.slug, export="csv"),
            asking.past_of(request, asked, now),
        ),
    }
    return asking.report(request, figures.sheet(answer), context)

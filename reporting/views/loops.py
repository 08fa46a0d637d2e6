"""The page of loops."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from kit import exports
from reporting import addresses, freshness, known, loops, notes, plans
from reporting import funnel as funnels
from reporting.figures import loops as figures
from reporting.figures.sheet import Choice
from reporting.views import asking

NAME = "report_loops"


@require_GET
def page(request: HttpRequest) -> HttpResponseBase:
    """Detours and returns of one lifecycle; as a page, as its part for htmx, or as a file."""
    now = timezone.now()
    words = {"title": _("Loops"), "purpose": _("Who was sent on a detour, who came back, and who won after all.")}
    found = [(each, plan) for each in plans.readable() if (plan := plans.read(each)) and len(plan.success) > 1]
    if not found:
        return asking.no_lifecycle(request, words, "refresh-cw")
    lifecycle, said = addresses.choose(request.GET, [each for each, _plan in found])
    plan = next(plan for each, plan in found if each == lifecycle)
    asked = addresses.read(request.GET, plan, funnels.today(now), now)
    stage, more = addresses.stage_of(request.GET, loops.offered(plan))
    reason = addresses.reason(request.GET)
    question = loops.of_stage(asked.question, stage, reason)
    told = list(notes.within(question.window))
    cut, unread = _cut(request)
    cuts = [(note.day, note.text) for note in told] + ([(cut, _("your day"))] if cut else [])
    with known.entries(question) as then:
        answer = replace(loops.answer(then, cuts), question=question)
    if exports.wanted(request):
        heads, lines = figures.as_rows(answer)
        return exports.download(request, f"loops-{lifecycle.slug}", heads, lines, count=len(lines), now=now)
    reasons = [(each, each) for each in answer.reasons if each]
    if reason and reason not in answer.reasons:
        reasons.append((reason, reason))
    extra = {"stage": stage.slug, "reason": reason or "", "cut": cut.isoformat() if cut else ""}
    context = {
        **words,
        "notes": (*said, *asked.notes, *more, *unread, *asking.known_words(question)),
        "chart_notes": told,
        "filled_at": freshness.bring_up_to_date(lifecycle, now),
        **asking.form(
            NAME,
            asked.preset,
            question.window,
            [asking.lifecycle_choice([each for each, _plan in found], lifecycle)],
            [
                Choice("reason", _("Sent because"), [("", _("any reason")), *reasons], reason or ""),
                Choice("stage", _("Periods of"), [(each.slug, each.name) for each in loops.offered(plan)], stage.slug),
                Choice("cut", _("A period begins on"), [], cut.isoformat() if cut else ""),
            ],
            addresses.page(NAME, question, export="csv", **extra),
            asking.past_of(request, asked, now),
        ),
    }
    return asking.report(request, figures.sheet(answer), context)


def _cut(request: HttpRequest) -> tuple[date | None, list[str]]:
    text = request.GET.get("cut", "").replace("\x00", "").strip()
    if not text:
        return None, []
    try:
        return date.fromisoformat(text), []
    except ValueError:
        return None, [_("“%(text)s” is no day; write it as 2025-01-31.") % {"text": text[:40]}]

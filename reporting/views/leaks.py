"""The page of leaks."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from kit import exports
from reporting import addresses, freshness, known, leaks, plans
from reporting import funnel as funnels
from reporting.figures import leaks as figures
from reporting.figures.sheet import Choice
from reporting.views import asking

NAME = "report_leaks"


@require_GET
def page(request: HttpRequest) -> HttpResponseBase:
    """Where one lifecycle loses most; as a page, as its part for htmx, or as a file."""
    now = timezone.now()
    purpose = _("At which stage, and in which part of everybody, most is lost, and what that is worth.")
    words = {"title": _("Leaks"), "purpose": purpose}
    found = [(each, plan) for each in plans.readable() if (plan := plans.read(each)) and len(plan.success) > 1]
    if not found:
        return asking.no_lifecycle(request, words, "droplets")
    lifecycle, said = addresses.choose(request.GET, [each for each, _plan in found])
    plan = next(plan for each, plan in found if each == lifecycle)
    given = request.GET.dict()
    if not given.get("split"):
        given["split"] = figures.parted_by(lifecycle.of)
    asked = addresses.read(given, plan, funnels.today(now), now)
    question = asked.question
    with known.entries(question) as then:
        answer = leaks.answer(then)
    answer = leaks.Leaks(question, answer.ranked, answer.few, answer.value, answer.deals)
    if exports.wanted(request):
        heads, lines = figures.as_rows(answer)
        return exports.download(request, f"leaks-{lifecycle.slug}", heads, lines, count=len(lines), now=now)
    within = [
        ("", _("any time")),
        *((str(days), _("within %(days)s days") % {"days": days}) for days in addresses.WITHIN),
    ]
    split = asking.split_choice(question)
    context = {
        **words,
        "notes": (*said, *asked.notes, *asking.known_words(question)),
        "filled_at": freshness.bring_up_to_date(lifecycle, now),
        **asking.form(
            NAME,
            asked.preset,
            question.window,
            [asking.lifecycle_choice([each for each, _plan in found], lifecycle)],
            [
                Choice("split", split.label, split.options[1:], split.chosen),
                Choice("within", _("Reached the next stage"), within, str(question.within or "")),
            ],
            addresses.page(NAME, question, export="csv"),
            asking.past_of(request, asked, now),
        ),
    }
    return asking.report(request, figures.sheet(answer), context)

"""The page of partners."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from kit import exports
from reporting import addresses, freshness, partners, questions
from reporting import funnel as funnels
from reporting import money as asking_money
from reporting.figures import partners as figures
from reporting.views import asking

NAME = "report_partners"


@require_GET
def page(request: HttpRequest) -> HttpResponseBase:
    """Where partners stand and what they bring; as a page, as its part for htmx, or as a file."""
    now = timezone.now()
    words = {
        "title": _("Partners"),
        "purpose": _("Where partners stand, what they bring, and what those did that came to a deal."),
    }
    found = dict(partners.lifecycles())
    if not found:
        why = _("No lifecycle of partners is published yet")
        way_out = _("Publish the playbook of partners, or a lifecycle of that species; accounts are its members.")
        return asking.nothing_yet(request, words, "handshake", why, way_out)
    lifecycle, said = addresses.choose(request.GET, list(found))
    plan, today = found[lifecycle], funnels.today(now)
    asked = asking_money.read(request.GET, today, first=partners.first_day(plan))
    of = questions.ask(plan, asked.question.window, today, now=now)
    answer = partners.answer(asked.question, of)
    if exports.wanted(request):
        heads, lines = figures.as_rows(answer)
        return exports.download(request, f"partners-{lifecycle.slug}", heads, lines, count=len(lines), now=now)
    context = {
        **words,
        "notes": (*said, *asked.notes),
        "filled_at": freshness.bring_up_to_date(lifecycle, now),
        **asking.form(
            NAME,
            asked.preset,
            answer.question.window,
            [asking.lifecycle_choice(list(found), lifecycle), *asking.pipeline_choice(answer.question.pipeline)],
            [],
            asking_money.page(NAME, answer.question, lifecycle=lifecycle.slug, export="csv"),
        ),
    }
    return asking.report(request, figures.sheet(answer), context)

"""The page of the pipeline of sales."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from audience.models import Pipeline
from kit import exports, users
from reporting import funnel as funnels
from reporting import pipeline as asking_pipeline
from reporting.figures import pipeline as figures
from reporting.figures.sheet import Choice
from reporting.pipeline import Asked, PipelineQuestion
from reporting.views import asking


@require_GET
def pipeline(request: HttpRequest) -> HttpResponseBase:
    """What is open and how often deals are won; as a page, as its part for htmx, or as a file."""
    now = timezone.now()
    asked = asking_pipeline.read(request.GET, funnels.today(now))
    answer = asking_pipeline.answer(asked.question)
    if exports.wanted(request):
        heads, lines = figures.as_rows(answer)
        return exports.download(request, "pipeline", heads, lines, count=len(lines), now=now)
    context = {
        "title": _("Pipeline"),
        "purpose": _("What sales have open, how often they win, and how much money a day that makes."),
        "notes": asked.notes,
        **_form(asked),
    }
    return asking.report(request, figures.sheet(answer), context)


def _form(asked: Asked) -> dict[str, object]:
    question = asked.question
    there = [(str(each.pk), each.name) for each in Pipeline.objects.all()]
    owners = [(str(each.pk), str(each)) for each in users.to_choose(question.owner.pk if question.owner else None)]
    before = [Choice("pipeline", _("Pipeline"), [("", _("all")), *there], _key(question.pipeline))]
    after = [Choice("owner", _("Owner"), [("", _("anybody")), *owners], _key(question.owner))]
    export = f"{reverse('report_pipeline')}?{urlencode(_told(question) | {'export': 'csv'})}"
    return asking.form("report_pipeline", asked.preset, question.window, before, after, export)


def _key(chosen: object) -> str:
    return str(getattr(chosen, "pk", ""))


def _told(question: PipelineQuestion) -> dict[str, str]:
    told = {"from": question.window.start.isoformat(), "to": question.window.end.isoformat()}
    told |= {"pipeline": _key(question.pipeline), "owner": _key(question.owner)}
    return {name: value for name, value in told.items() if value}

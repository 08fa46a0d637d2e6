"""Pages of scores as they stand: the models, one model with its distribution, the list of scores, the matrix."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET, require_POST

from audience.subjects import sight
from kit import jobs, pages, progress, rights
from kit.audit import asker
from kit.models import Job
from scoring import explaining, filters, previewing, querysets, running
from scoring.models import Score, ScoringModel, ScoringVersion
from scoring.rules import Plans


@require_GET
def models(request: HttpRequest) -> HttpResponse:
    """All scoring models."""
    return render(request, "scoring/model_list.html", {"models": querysets.for_list()})


@require_GET
def model(request: HttpRequest, slug: str) -> HttpResponse:
    """One model: who reaches the limit, how the scores are spread, who leads, its versions."""
    found = get_object_or_404(ScoringModel, slug=slug)
    now = timezone.now()
    version = Plans(found).version_at(now)
    job = Job.objects.filter(kind=running.KIND, payload__model=found.pk).order_by("-pk").first()
    spans = previewing.distribution(found)
    context = {
        "model": found,
        "version": version,
        "spans": spans,
        "largest": max((span.count for span in spans), default=0),
        "figures": querysets.figures(found, version),
        "reached_url": f"{reverse('scoring_scores', args=[slug])}?least={version.limit if version else ''}",
        "leaders": querysets.leaders(found, request.user),
        "movers": querysets.moved_since(found, now),
        "versions": found.versions.select_related("created_by").order_by("-number"),
        "draft": found.versions.filter(state=ScoringVersion.State.DRAFT).order_by("-number").first(),
        "job": job if job and (job.state in jobs.OPEN or job.state == Job.State.FAILED) else None,
        "progress": progress.of(job, now) if job else None,
    }
    return render(request, "scoring/model.html", context)


@require_GET
def matrix(request: HttpRequest, slug: str) -> HttpResponse:
    """Fit by behaviour: how many of each grade are on each level, A1 to D4."""
    found = get_object_or_404(ScoringModel, slug=slug)
    version = Plans(found).version_at(timezone.now())
    context = {"model": found, "version": version, "matrix": querysets.matrix(found, version) if version else None}
    return render(request, "scoring/matrix.html", context)


@require_POST
@rights.needs("operate")
def rescore(request: HttpRequest, slug: str) -> HttpResponse:
    """Everybody scored again, in the background."""
    found = get_object_or_404(ScoringModel, slug=slug)
    running.ask(found, by=asker(request), now=timezone.now())
    messages.info(request, _("Everybody is being scored again; what differs is written."))
    return redirect("scoring_model", slug)


class Scores(pages.ListPage):
    """The scores of one model, the highest first."""

    queryset = Score.objects.all()
    filterset_class = filters.Scores
    columns = (
        pages.Column("subject", gettext_lazy("Who"), template="scoring/_subject_cell.html", value="subject"),
        pages.Column("shown", gettext_lazy("Score"), sort="shown", align="end", desc_first=True),
        pages.Column("grade", gettext_lazy("Grade"), sort="grade"),
        pages.Column("behaviour_points", gettext_lazy("Behaviour"), sort="behaviour", align="end", desc_first=True),
        pages.Column("fit_points", gettext_lazy("Fit"), sort="fit", align="end", desc_first=True),
    )
    counted = ngettext_lazy("%(shown)s score", "%(shown)s scores", "count")
    purpose = gettext_lazy("One row for each person or account that is scored. Open one to see why.")
    default_sort = "-shown"
    file_name = "scores"
    empty_title = gettext_lazy("Nobody here")
    empty_text = gettext_lazy("Nobody has such a score now.")
    empty_icon = "gauge"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.model = get_object_or_404(ScoringModel, slug=kwargs["slug"])
        request.scoring_version = Plans(self.model).version_at(timezone.now())  # type: ignore[attr-defined]
        return super().dispatch(request, *args, **kwargs)

    def rows(self) -> QuerySet[Score]:
        return querysets.scores(self.model)

    def seen(self, rows: QuerySet[Score]) -> QuerySet[Score]:
        return sight.subjects(rows, self.request.user)

    def prepare(self, rows: list[Score]) -> list[Score]:
        for row in rows:
            row.behaviour_points = explaining.rounded(row.behaviour)  # type: ignore[attr-defined]
            row.fit_points = explaining.rounded(row.fit)  # type: ignore[attr-defined]
        return rows

    def get_title(self) -> str:
        return _("Scores of %(model)s") % {"model": self.model}

    def get_crumbs(self) -> list[tuple[Any, str]]:
        return [
            (gettext_lazy("Scoring"), reverse("scoring_models")),
            (str(self.model), reverse("scoring_model", args=[self.model.slug])),
            (gettext_lazy("Scores"), ""),
        ]

"""Pages of starting points: the groups that are proposed, who is in each, having one placed and how far that is."""

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
from django.views.decorators.http import require_POST

from audience.subjects import sight
from kit import jobs, pages, progress, rights
from kit.audit import asker
from lifecycle import accepting, filters, placing
from lifecycle.ledger import moving, stages
from lifecycle.models import BulkMember, Lifecycle, Proposal


@rights.needs("edit")
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """The groups of the newest round; asked by POST, a new round begins."""
    lifecycle = get_object_or_404(Lifecycle, slug=slug)
    version = stages.live_version(lifecycle)
    if request.method == "POST" and version:
        try:
            placing.ask(version, by=asker(request), now=timezone.now())
        except placing.PlacingRefused as refused:
            messages.error(request, str(refused))
        return redirect("lifecycle_placing", slug)
    found, now = placing.newest(version) if version else None, timezone.now()
    shown = progress.of(found.job, now) if found and found.job else None
    groups = placing.groups(found) if found and not (shown and shown.is_open) else []
    asked = placing.acceptances(found) if found else []
    context = {
        "lifecycle": lifecycle,
        "version": version,
        "round": found,
        "job": found.job if found else None,
        "progress": shown,
        "groups": [(group, _outcomes(group)) for group in groups],
        # Whatever is on its way, and of what has ended the newest: what came of it.
        "acceptances": [(job, progress.of(job, now)) for job in asked if job.state in jobs.OPEN or job == asked[0]],
    }
    return render(request, "lifecycle/placing.html", context)


def _outcomes(group: placing.Group) -> list[tuple[str, int]]:
    """What came of those of a group that was accepted, in words."""
    told = moving.outcomes(group.accepted) if group.accepted else {}
    return [(str(label), told[value]) for value, label in BulkMember.Outcome.choices if value in told]


@require_POST
@rights.needs("edit")
def accept(request: HttpRequest, slug: str) -> HttpResponse:
    """Have a group placed, by the job that programs ask for too; how far it is stands on the page of the groups."""
    version = stages.live_version(get_object_or_404(Lifecycle, slug=slug))
    found = placing.newest(version) if version else None
    group = placing.group(found, request.POST.get("group", "")) if found else None
    if found is None or group is None or group.stage is None:
        messages.error(request, _("There is no such group; look again."))
        return redirect("lifecycle_placing", slug)
    try:
        accepting.ask(found, group, by=asker(request), now=timezone.now())
    except placing.PlacingRefused as refused:
        messages.error(request, str(refused))
    return redirect("lifecycle_placing", slug)


class People(pages.ListPage):
    """Who is in a group of starting points."""

    queryset = Proposal.objects.all()
    filterset_class = filters.Proposals
    columns = (
        pages.Column("subject", gettext_lazy("Who"), template="lifecycle/_member.html", value="subject"),
        pages.Column("stage", gettext_lazy("Proposed"), value="stage"),
        pages.Column("evidence", gettext_lazy("Because"), value="get_evidence_display"),
        pages.Column("evidence_at", gettext_lazy("Since"), sort="evidence_at", desc_first=True),
    )
    counted = ngettext_lazy("%(shown)s subject", "%(shown)s subjects", "count")
    purpose = gettext_lazy("Those whom the rules left at the start or outside, and the stage that is proposed.")
    file_name = "starting_points"
    default_sort = "-evidence_at"
    empty_title = gettext_lazy("Nobody here")
    empty_text = gettext_lazy("Nobody is in this group.")
    empty_icon = "map-pin"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.lifecycle = get_object_or_404(Lifecycle, slug=kwargs["slug"])
        return super().dispatch(request, *args, **kwargs)

    def rows(self) -> QuerySet[Proposal]:
        found = Proposal.objects.filter(round__version__lifecycle=self.lifecycle)
        return found.select_related("person__account", "account", "stage")

    def seen(self, rows: QuerySet[Proposal]) -> QuerySet[Proposal]:
        return sight.subjects(rows, self.request.user)

    def get_title(self) -> str:
        return _("Starting points of %(lifecycle)s") % {"lifecycle": self.lifecycle}

    def get_crumbs(self) -> list[tuple[Any, str]]:
        return [
            (gettext_lazy("Lifecycles"), reverse("lifecycles")),
            (str(self.lifecycle), reverse("lifecycle", args=[self.lifecycle.slug])),
            (gettext_lazy("Starting points"), ""),
        ]

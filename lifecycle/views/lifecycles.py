"""Pages of lifecycles: the list, a new one from a playbook, a version with preview and publishing, its members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET, require_POST
from django_filters import FilterSet

from audience.subjects import sight
from kit import jobs, pages, panels, past, progress, rights
from kit.audit import asker
from kit.models import Job
from lifecycle import filters, forms, querysets
from lifecycle.editions import cards, checking, documents, handing, picture, sentences, versions
from lifecycle.engine import live, needs, sla
from lifecycle.handoffs import wording
from lifecycle.ledger import stages, then
from lifecycle.models import Lifecycle, Membership, Stage, Version
from lifecycle.views import played


def _version(slug: str, number: int) -> Version:
    found = Version.objects.select_related("lifecycle", "job", "created_by")
    return get_object_or_404(found, lifecycle__slug=slug, number=number)


@require_GET
def lifecycles(request: HttpRequest) -> HttpResponse:
    """All lifecycles, and the playbooks to start another from."""
    return _list(request, forms.Start())


def _list(request: HttpRequest, form: forms.Start, status: int = 200) -> HttpResponse:
    taken = set(Lifecycle.objects.values_list("slug", flat=True))
    playbooks = [
        {"name": name, "document": document, "taken": document["lifecycle"] in taken}
        for name, document in documents.playbooks().items()
    ]
    context = {"lifecycles": querysets.for_list(), "playbooks": playbooks, "form": form}
    return render(request, "lifecycle/lifecycle_list.html", context, status=status)


@rights.needs("edit")
def start(request: HttpRequest) -> HttpResponse:
    """A new draft from a playbook or a file; a reload of a refused one leads back to the list."""
    if request.method != "POST":
        return redirect("lifecycles")
    form = forms.Start(request.POST, request.FILES)
    if not form.is_valid():
        return _list(request, form, status=400)
    try:
        version = versions.draft(form.cleaned_data["document"], by=asker(request), now=timezone.now())
    except versions.PublishRefused as refused:
        form.add_error(None, str(refused))
        return _list(request, form, status=409)
    told = _("%(version)s is a draft: nobody has moved. Look it over, preview it, publish it.")
    messages.success(request, told % {"version": version})
    return redirect("lifecycle_version", version.lifecycle.slug, version.number)


@require_GET
def playbook(request: HttpRequest, name: str) -> HttpResponse:
    """What a playbook holds and what it needs, before anything is made of it."""
    document = _playbook(name)
    told, now = sentences.Sentences(document), timezone.now()
    context = {
        "name": name,
        "document": document,
        "taken": Lifecycle.objects.filter(slug=document["lifecycle"]).exists(),
        "stages": [
            each | {
                "kind_label": Stage.Kind(each["kind"]).label,
                "handed": handing.sentences(each, document["stages"]),
            }
            for each in document["stages"]
        ],
        "rules": told.moves(),
        "entry": told.entry(),
        "needs": needs.of(document, now),
        "pictures": _pictures(document),
    }  # fmt: skip
    return render(request, "lifecycle/playbook.html", context)


@require_GET
def playbook_file(request: HttpRequest, name: str) -> HttpResponse:
    """A playbook as the file that it is."""
    _playbook(name)
    return _file((documents.PLAYBOOKS / f"{name}.yaml").read_text(), f"{name}.yaml")


def _playbook(name: str) -> dict[str, Any]:
    found = documents.playbooks().get(name)
    if found is None:
        raise Http404
    return found


@require_GET
def lifecycle(request: HttpRequest, slug: str) -> HttpResponse:
    """The live version of a lifecycle, or else its newest draft."""
    found = get_object_or_404(Lifecycle, slug=slug)
    newest = versions.to_show(found)
    if newest is None:
        return redirect("lifecycles")
    return redirect("lifecycle_version", slug, newest.number)


@require_GET
def version(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """One version as a document: stages, rules in words, test cases, and what publishing would do."""
    found = _version(slug, number)
    now = timezone.now()
    is_draft, live_one = found.state == Version.State.DRAFT, stages.live_version(found.lifecycle)
    told = sentences.Sentences(documents.of_version(found))
    handed = wording.by_stage(found.lifecycle, told.document)
    counted = querysets.counted(cards.as_amended(found.stages.all()))
    sla.name_calendars(counted)
    context: dict[str, Any] = {
        "version": found,
        "lifecycle": found.lifecycle,
        "stages": [(each, *_card(each), handed.get(each.slug, [])) for each in counted],
        "calendars": sla.calendar_words(counted),
        "rules": told.moves(),
        "entry": told.entry(),
        "pictures": _pictures(told.document),
        "findings": checking.findings(found) if is_draft else [],
        "live_one": live_one,
        "may_withdraw": found.state == Version.State.PUBLISHING and not (found.job and found.job.state in jobs.OPEN),
        "stopped_rules": found.stopped_rules.select_related("transition__from_stage", "transition__to_stage"),
        "versions": found.lifecycle.versions.order_by("-number"),
        "job": found.job,
        "progress": progress.of(found.job, now) if found.job else None,
        "preview": _preview_of(found),
        "circles": live.circles(found, now) if found.state == Version.State.PUBLISHED else [],
        "panels": panels.draw("lifecycle", found.lifecycle, request, now),
        "backtests": querysets.backtests().filter(version__lifecycle=found.lifecycle).count(),
        "test_cases": played.expected(told.document) if is_draft else [],
    }
    return render(request, "lifecycle/lifecycle_version.html", context)


@require_POST
@rights.needs("edit")
def preview(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Ask what publishing this draft would do to the history that is there."""
    found = _version(slug, number)
    try:
        versions.preview(found, by=asker(request), now=timezone.now())
    except versions.PublishRefused as refused:
        messages.error(request, str(refused))
    return redirect("lifecycle_version", slug, number)


@require_POST
@rights.needs("edit")
def publish(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Publish a draft; its history is replayed by a job."""
    found = _version(slug, number)
    try:
        versions.publish(found, by=asker(request), now=timezone.now())
    except versions.PublishRefused as refused:
        messages.error(request, _("It is not published: %(why)s") % {"why": "; ".join(refused.problems)})
    return redirect("lifecycle_version", slug, number)


@require_POST
@rights.needs("edit")
def resume(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Have the rules of a version that stopped go on."""
    found = _version(slug, number)
    if live.resume(found, by=asker(request), now=timezone.now()):
        messages.success(request, _("The rules run again, over everybody first."))
    return redirect("lifecycle_version", slug, number)


@require_POST
@rights.needs("edit")
def discard(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Throw a draft away."""
    found = _version(slug, number)
    try:
        versions.discard(found, by=asker(request), now=timezone.now())
    except versions.PublishRefused as refused:
        messages.error(request, str(refused))
        return redirect("lifecycle_version", slug, number)
    messages.success(request, _("The draft is gone."))
    return redirect("lifecycles")


@require_GET
def document(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """A version as its YAML file."""
    found = _version(slug, number)
    return _file(documents.dump(found), f"{slug}_v{number}.yaml")


def _file(text: str, name: str) -> HttpResponse:
    response = HttpResponse(text, content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _card(stage: Stage) -> tuple[list[tuple[Any, str]], list[Any]]:
    """What is answered of a stage, and what is not."""
    told = list(cards.answers(stage))
    return [(question.label, answer) for question, answer in told if answer], [
        question.label for question, answer in told if not answer
    ]


def _pictures(document: dict[str, Any]) -> list[picture.Picture]:
    """The picture of a document, whose parts lead to their places on its page."""
    return picture.both(document, stage_url=lambda slug: f"#stage-{slug}", rule_url=lambda number: f"#rule-{number}")


def _preview_of(found: Version) -> dict[str, Any] | None:
    done = found.job is not None and found.job.kind == "preview" and found.job.state == Job.State.DONE
    return found.job.result if found.job and done else None


THEN = (
    pages.Column("stage_then", gettext_lazy("Stage then")),
    pages.Column("since_then", gettext_lazy("In it since")),
)


class Members(pages.ListPage):
    """Who is, or was, in a lifecycle, and where."""

    queryset = Membership.objects.all()
    filterset_class: type[FilterSet] | None = filters.Members
    columns: Sequence[pages.Column] = (
        pages.Column(
            "subject",
            gettext_lazy("Who"),
            template="lifecycle/_member.html",
            value="subject",
        ),
        pages.Column("stage", gettext_lazy("Stage"), value="stage"),
        pages.Column("entered_at", gettext_lazy("In it since"), sort="entered_at", desc_first=True),
        pages.Column("ended_at", gettext_lazy("Pass ended"), sort="ended_at", desc_first=True),
        pages.Column("pass_number", gettext_lazy("Pass"), sort="pass_number", align="end"),
    )
    counted = ngettext_lazy("%(shown)s membership", "%(shown)s memberships", "count")
    purpose: Any = gettext_lazy("One row for each pass of each subject through this lifecycle.")
    default_sort = "-entered_at"
    file_name = "members"
    empty_title = gettext_lazy("Nobody here")
    empty_text = gettext_lazy("Nobody is in this part of the lifecycle.")
    empty_icon = "users"
    template_name = "lifecycle/members.html"
    parameters: Sequence[str] = past.PARAMETERS

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.lifecycle = get_object_or_404(Lifecycle, slug=kwargs["slug"])
        request.lifecycle = self.lifecycle  # type: ignore[attr-defined]  # the stages to choose from are its stages
        self.past = past.wish(request, timezone.now())
        if self.past.past:
            self.filterset_class, self.parameters = filters.MembersThen, (*past.PARAMETERS, "stage")
            self.purpose = _("One row for each pass that was in a stage when %(day)s began.") % {
                "day": self.past.day_words
            }
            self.columns, self.default_sort = (*Members.columns[:1], *THEN), "-pk"
        return super().dispatch(request, *args, **kwargs)

    def rows(self) -> QuerySet[Membership]:
        found = querysets.members(self.lifecycle)
        if self.past.past is None:
            return found
        stage = self.request.GET.get("stage", "").replace("\x00", "")
        return then.members(found, self.lifecycle, self.past.past, stage)

    def context(self) -> dict[str, Any]:
        return {"past": self.past, "past_more": then.note()}

    def seen(self, rows: QuerySet[Membership]) -> QuerySet[Membership]:
        return sight.subjects(rows, self.request.user)

    def get_title(self) -> str:
        return _("Members of %(lifecycle)s") % {"lifecycle": self.lifecycle}

    def get_crumbs(self) -> list[tuple[Any, str]]:
        return [
            (gettext_lazy("Lifecycles"), reverse("lifecycles")),
            (str(self.lifecycle), reverse("lifecycle", args=[self.lifecycle.slug])),
            (gettext_lazy("Members"), ""),
        ]

"""The flow of a campaign: its steps drawn as a path, edited one at a time, moved, taken out and put back.

Every change is a form, so all of it works without scripts; static/js/flow.js adds dragging and keys.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from audience.conditions.tree import ConditionError
from campaigns import arranging, counts, flows, forms, plans, querysets, wording
from campaigns.flows import Node
from campaigns.forms.parts import StageField
from campaigns.forms.steps import StepForm
from campaigns.models import Campaign, CampaignVersion, Content, Step
from campaigns.views import head
from kit import pages, rights, undo
from kit.audit import asker

Kind = Step.Kind
TAKEN_OUT = "campaign_steps_taken_out"  # in the session: what “Undo” puts back
REMEMBERED = 5
WIDEST = 16  # columns that the stylesheet knows
# Which figures stand on a card, by kind of step.
SHOWN: dict[str, tuple[str, ...]] = {
    Kind.SEND: ("entered", "queued", "sent", "held_back", "failed", "unknown", "opened", "clicked", "unsubscribed"),
    Kind.WAIT: ("entered", "waiting"),
    Kind.WAIT_UNTIL: ("entered", "waiting"),
    Kind.GOAL: ("entered", "reached"),
    Kind.MOVE: ("entered", "moved"),
}
ALWAYS = frozenset({"entered", "waiting", "sent", "clicked", "reached", "moved"})  # said even when they are nought
ORDER = (Kind.SEND, Kind.WAIT, Kind.WAIT_UNTIL, Kind.BRANCH, Kind.MOVE, Kind.GOAL, Kind.EXIT)
CAME = (
    ("entered", gettext_lazy("entered"), {"held": "no"}),
    ("holdout", gettext_lazy("held out"), {"held": "yes"}),
)
WENT = (
    ("finished", gettext_lazy("went through"), {"state": "finished"}),
    ("goal", gettext_lazy("reached the goal"), {"state": "goal"}),
    ("exited", gettext_lazy("left"), {"state": "exited"}),
    ("stopped", gettext_lazy("stopped"), {"state": "stopped"}),
    ("quarantined", gettext_lazy("set aside after errors"), {"state": "quarantined"}),
)
ARMS: dict[str, tuple[Any, Any]] = {
    Kind.BRANCH: (gettext_lazy("Yes"), gettext_lazy("No")),
    Kind.WAIT_UNTIL: (gettext_lazy("It holds"), gettext_lazy("Too late")),
}


@dataclass
class Figure:
    """One number on a card, with the list behind it."""

    name: str
    label: Any
    number: int
    url: str


@dataclass
class Arm:
    """One way on from a step that parts the path."""

    name: str
    label: Any
    nodes: list[Drawn]
    figure: Figure | None
    ends: bool  # whether it leads out instead of on


@dataclass
class Drawn:
    """One step as the page draws it."""

    step: Step
    title: str
    detail: str
    look: wording.Look
    figures: list[Figure] = field(default_factory=list)
    checks: list[plans.Check] = field(default_factory=list)
    arms: list[Arm] = field(default_factory=list)
    is_first: bool = False
    is_last: bool = False

    @property
    def columns(self) -> int:
        """How many cards stand beside each other under it at most: a power of two, as arms are equally wide."""
        inside = (node.columns for arm in self.arms for node in arm.nodes)
        return min(2 * max(inside, default=1), WIDEST) if self.arms else 1


class Drawing:
    """Draws the tree of one version: words, figures and checks are read once for all of it."""

    def __init__(self, version: CampaignVersion, nodes: Sequence[Node], checks: Sequence[plans.Check]) -> None:
        self.version, self.nodes = version, nodes
        self.walked = [node.step for node in flows.walk(nodes)]
        self.words = wording.Words(self.walked)
        counted = version.state != CampaignVersion.State.DRAFT
        self.counts = counts.of_steps([step.pk for step in self.walked]) if counted else {}
        self.checks: dict[str, list[plans.Check]] = defaultdict(list)
        for check in checks:
            self.checks[check.where].append(check)

    def draw(self) -> list[Drawn]:
        """The steps at the top, with all that is in their arms."""
        return [self._drawn(node) for node in self.nodes]

    def _drawn(self, node: Node) -> Drawn:
        step = node.step
        sentence = self.words.sentence(step)
        return Drawn(
            step=step,
            title=step.name or sentence,
            detail=sentence if step.name else self._detail(step),
            look=wording.LOOKS[step.kind],
            figures=self._figures(step),
            checks=[replace(each, text=_beside(step, each.text)) for each in self.checks[step.key]],
            arms=self._arms(node) if node.parts else [],
            is_first=step.pk == self.walked[0].pk,
            is_last=step.pk == self.walked[-1].pk and step.parent_id is None,
        )

    def _detail(self, step: Step) -> str:
        if step.kind == Kind.SEND and step.settings.get("not_after_hours"):
            return _("Not after %(hours)s hours") % {"hours": step.settings["not_after_hours"]}
        return ""

    def _arms(self, node: Node) -> list[Arm]:
        labels = ARMS[node.step.kind]
        return [
            Arm(name, label, [self._drawn(each) for each in inside], self._figure(node.step, name), _ends(inside))
            for name, label, inside in (("yes", labels[0], node.yes), ("no", labels[1], node.no))
        ]

    def _figures(self, step: Step) -> list[Figure]:
        if not self.counts:
            return []
        own = self.counts[step.pk]
        names = [name for name in SHOWN.get(step.kind, ("entered",)) if own[name] or name in ALWAYS]
        return [figure for name in names if (figure := self._figure(step, name))]

    def _figure(self, step: Step, name: str) -> Figure | None:
        if not self.counts:
            return None
        url = head.people_url(self.version.campaign, step=step.key, did=name, version=self.version.number)
        return Figure(name, counts.LABELS[name], self.counts[step.pk][name], url)


def _beside(step: Step, text: str) -> str:
    """A check's words without the step's name, which stands beside them."""
    short = text.removeprefix(f"“{step}”: ")
    return short[:1].upper() + short[1:]


def _ends(nodes: Sequence[Node]) -> bool:
    return bool(nodes) and nodes[-1].step.kind == Kind.EXIT


# ---- the page ----


@require_GET
def flow(request: HttpRequest, slug: str, number: int | None = None) -> HttpResponse:
    """The flow of a version: of the one named, else of the draft, else of the live one."""
    campaign = head.find(slug)
    if number is None:
        version = querysets.version_to_show(campaign)
    else:
        version = get_object_or_404(campaign.versions, number=number)
        version.campaign = campaign
    return _page(request, version)


def _page(request: HttpRequest, version: CampaignVersion, panel: dict[str, Any] | None = None) -> HttpResponse:
    campaign, now = version.campaign, timezone.now()
    is_draft = version.state == CampaignVersion.State.DRAFT
    nodes = flows.tree(version)
    checks = plans.checklist(version, now=now) if is_draft else []
    drawing = Drawing(version, nodes, checks)
    states = {} if is_draft else counts.of_version(version.pk, campaign.pk)
    drawn = drawing.draw()
    context = {
        **head.context(campaign, "flow", now, version=version),
        "nodes": drawn,
        "columns": max((node.columns for node in drawn), default=1),
        "ends": _ends(nodes),
        "entry": wording.entry(version),
        "leaves": _leaves(version, drawing.words),
        "came": _whole_figures(version, states, CAME),
        "went": _whole_figures(version, states, WENT),
        "may_edit": is_draft and rights.may(request.user, "edit"),
        "is_draft": is_draft,
        "kinds": [(kind, Kind(kind).label, wording.LOOKS[kind]) for kind in ORDER],
        "stops": [check for check in checks if check.level == "stop"],
        "warnings": [check for check in checks if check.level == "warn"],
        "media": forms.BranchStep().media,
        "panel": panel,
        "form": (panel or {}).get("form"),
    }
    bound = panel is not None and panel["form"] is not None and panel["form"].is_bound
    return render(request, "campaigns/campaign_flow.html", context, status=400 if bound else 200)


def _whole_figures(version: CampaignVersion, states: dict[str, int], wanted: Any) -> list[Figure]:
    """How many came, or ended how, of the whole version; none of a draft."""
    if version.state == CampaignVersion.State.DRAFT:
        return []
    return [
        Figure(name, label, states.get(name, 0), head.people_url(version.campaign, version=version.number, **asked))
        for name, label, asked in wanted
        if states.get(name) or name in ("entered", "finished")
    ]


def _leaves(version: CampaignVersion, words: wording.Words) -> list[str]:
    """Why somebody leaves wherever in the flow, in words."""
    told = []
    if version.goal:
        told.append(_("reached the goal: %(condition)s") % {"condition": words.condition(version.goal)})
    if version.exit:
        told.append(_("exit: %(condition)s") % {"condition": words.condition(version.exit)})
    if version.leave_with_stage and version.entry == CampaignVersion.Entry.STAGE:
        told.append(_("left the stage"))
    return told


# ---- one step ----


def _draft(slug: str) -> CampaignVersion:
    """The draft of a campaign. 404 when there is none."""
    campaign = head.find(slug)
    return querysets.with_campaign(get_object_or_404(campaign.versions, state=CampaignVersion.State.DRAFT), campaign)


def _step(slug: str, pk: int) -> Step:
    found = get_object_or_404(Step.objects.select_related("content", "lifecycle", "parent", "version"),
                              version__campaign__slug=slug, pk=pk)  # fmt: skip
    querysets.with_campaign(found.version, head.find(slug))
    return found


def _back(version: CampaignVersion, step: Step | None = None) -> HttpResponse:
    """To the flow, where the step stands. The draft has the campaign's own address."""
    anchor = f"#step-{step.key}" if step else ""
    return redirect(reverse("campaign_version", args=[version.campaign.slug, version.number]) + anchor)


def _panel(request: HttpRequest, version: CampaignVersion, panel: dict[str, Any]) -> HttpResponse:
    """The panel of one step for htmx, the whole page with it for everybody else."""
    form = panel.get("form")
    panel["write_url"] = _write_url(request, version.campaign)
    if pages.wants_part(request, "step-panel") and not (form is not None and form.is_bound):
        told = {"panel": panel, "form": form, "campaign": version.campaign, "version": version}
        response = render(request, "campaigns/_campaign_panel.html", told)
        patch_vary_headers(response, ["HX-Request"])
        return response
    return _page(request, version, panel)


def _choose_written(request: HttpRequest, form: StepForm) -> None:
    """Content that was just written for the step is chosen already; the address names it."""
    if "content" in form.fields and (written := request.GET.get("content")):
        form.initial["content"] = Content.objects.filter(slug=written).first() or form.initial.get("content")


def _write_url(request: HttpRequest, campaign: Campaign) -> str:
    """Where content for this step is written: tagged with the stage that the campaign serves, and leading back here."""
    stage = StageField.written(campaign.lifecycle, campaign.stage) if campaign.stage else ""
    return f"{reverse('content_new')}?{urlencode({'next': request.get_full_path(), 'stage': stage})}"


@rights.needs("edit")
def step_new(request: HttpRequest, slug: str, kind: str) -> HttpResponse:
    """A step more of this kind; the address says where."""
    if kind not in forms.STEPS:
        raise Http404
    version = _draft(slug)
    parent, arm, position = _place(version, request.GET)
    form = forms.STEPS[kind](request.POST or None)
    _choose_written(request, form)
    if form.is_valid():
        try:
            made = plans.add_step(
                version,
                kind,
                parent=parent,
                arm=arm,
                position=position,
                by=asker(request),
                now=timezone.now(),
                **form.values,
            )
        except (plans.Refused, ConditionError) as refused:
            form.add_error(None, str(refused))
        else:
            return _back(version, made)
    look = wording.LOOKS[kind]
    panel = {"title": Kind(kind).label, "purpose": look.purpose, "look": look, "form": form, "kind": kind, "step": None}
    return _panel(request, version, panel)


@rights.needs("edit")
def step(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """What one step does, to be changed; of a version that was launched, to be read."""
    found = _step(slug, pk)
    version = found.version
    if version.state != CampaignVersion.State.DRAFT:
        return _back(version, found)
    form = forms.STEPS[found.kind](request.POST or None, step=found)
    _choose_written(request, form)
    if form.is_valid():
        try:
            plans.change_step(found, by=asker(request), now=timezone.now(), **form.values)
        except (plans.Refused, ConditionError) as refused:
            form.add_error(None, str(refused))
        else:
            return _back(version, found)
    words = wording.Words([found])
    panel = {
        "title": words.title(found), "purpose": Kind(found.kind).label, "look": wording.LOOKS[found.kind],
        "form": form, "kind": found.kind, "step": found,
    }  # fmt: skip
    return _panel(request, version, panel)


@require_POST
@rights.needs("edit")
def step_move(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """A step one place up or down the page (`to`), or to a place that is named."""
    found = _step(slug, pk)
    nodes = flows.tree(found.version)
    try:
        if to := request.POST.get("to"):
            place = arranging.above(nodes, found) if to == "up" else arranging.below(nodes, found)
        else:
            parent, arm, position = _place(found.version, request.POST)
            place = arranging.Place(parent, arm, position or 1)
        if place is not None:
            by, now = asker(request), timezone.now()
            plans.move_step(found, parent=place.parent, arm=place.arm, position=place.position, by=by, now=now)
    except plans.Refused as refused:
        messages.error(request, str(refused))
    return _back(found.version, found)


@require_POST
@rights.needs("edit")
def step_remove(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """A step less, with all in its arms; “Undo” puts it back."""
    found = _step(slug, pk)
    version, title = found.version, wording.Words([found]).title(found)
    mark = f"{version.pk}-{found.pk}"
    try:
        taken = arranging.take_out(found, by=asker(request), now=timezone.now())
    except plans.Refused as refused:
        messages.error(request, str(refused))
    else:
        remembered = request.session.get(TAKEN_OUT, {}) | {mark: taken}
        request.session[TAKEN_OUT] = dict(list(remembered.items())[-REMEMBERED:])
        url = f"{reverse('campaign_step_put_back', args=[slug])}?{urlencode({'mark': mark})}"
        undo.offer(request, _("“%(step)s” is taken out.") % {"step": title}, url)
    return _back(version)


@require_POST
@rights.needs("edit")
def step_put_back(request: HttpRequest, slug: str) -> HttpResponse:
    """What was taken out stands where it stood."""
    version = _draft(slug)
    mark = request.GET.get("mark", "")
    remembered = request.session.get(TAKEN_OUT, {})
    taken = remembered.pop(mark, None)
    if taken is None or not mark.startswith(f"{version.pk}-"):
        messages.error(request, _("There is nothing to put back any more."))
        return _back(version)
    request.session[TAKEN_OUT] = remembered
    try:
        made = arranging.put_back(version, taken, by=asker(request), now=timezone.now())
    except plans.Refused as refused:
        messages.error(request, str(refused))
        return _back(version)
    return _back(version, made)


def _place(version: CampaignVersion, asked: Any) -> tuple[Step | None, str, int | None]:
    """The place that an address or a form names. 404 for a branch that is not there."""
    pk, position = asked.get("parent", ""), asked.get("position", "")
    parent = get_object_or_404(version.steps, pk=int(pk)) if _is_number(pk) else None
    return parent, asked.get("arm", "") if parent else "", int(position) if _is_number(position) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10

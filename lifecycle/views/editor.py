"""The editor of a draft: its picture, stages, rules and test cases, and beside them the part that is open.

Every change is a form, so all of it works without scripts; static/js/model.js keeps what is typed by itself, drags,
and answers keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from audience.conditions.tree import ConditionError
from kit import calendars, pages, panels, rights, undo, writing
from kit.audit import asker
from kit.yamlfiles import DocumentError
from lifecycle.editing import drafts, findings, forms, parts
from lifecycle.editions import cards, checking, differing, documents, picture, sentences
from lifecycle.ledger import stages
from lifecycle.models import Lifecycle, Stage, Version
from lifecycle.views import played

TAKEN_OUT = "lifecycle_taken_out"  # in the session: what a draft was before a part of it was taken out
RULES, CASES = "transitions", "cases"
FAULTS = (parts.Refused, DocumentError, ConditionError)


def _draft(slug: str, number: int) -> Version:
    found = Version.objects.select_related("lifecycle", "job", "created_by")
    return get_object_or_404(found, lifecycle__slug=slug, number=number)


class Desk:
    """One draft on the desk: its document, and the addresses of its parts."""

    def __init__(self, request: HttpRequest, slug: str, number: int) -> None:
        self.request = request
        self.version = _draft(slug, number)
        self.read()

    def read(self) -> None:
        """The draft as it is now."""
        self.document = documents.of_version(self.version)

    def url(self, name: str = "lifecycle_edit", *args: Any) -> str:
        """The address of a page about this draft."""
        return reverse(name, args=[self.version.lifecycle.slug, self.version.number, *args])

    @property
    def is_draft(self) -> bool:
        return self.version.state == Version.State.DRAFT

    def change(self, edit: parts.Edit) -> bool:
        """The one verb, and the draft read anew."""
        changed = drafts.change(self.version, edit, by=asker(self.request), now=timezone.now())
        self.version = _draft(self.version.lifecycle.slug, self.version.number)
        self.read()
        return changed

    def back(self, anchor: str = "") -> HttpResponse:
        return redirect(self.url() + anchor)


def _context(desk: Desk) -> dict[str, Any]:
    document, told = desk.document, sentences.Sentences(desk.document)
    faults = findings.by_place(desk.version, document)
    live = stages.live_version(desk.version.lifecycle)
    names = calendars.names({each.get("calendar", "") for each in document["stages"]} - {""})
    places = {each["slug"]: place for place, each in enumerate(document["stages"], 1)}
    return {
        "version": desk.version,
        "lifecycle": desk.version.lifecycle,
        "document": document,
        "stages": [
            each | {
                "place": places[each["slug"]],
                "faults": faults.get(each["slug"], []),
                "missed": _missed(each, told.names),
                "calendar_name": names.get(each.get("calendar"), each.get("calendar", "")),
                "missing": len(cards.missing(each["kind"], each.get("card") or {})),
                "kind_label": Stage.Kind(each["kind"]).label,
            }
            for each in document["stages"]
        ],
        "rules": [
            {"words": each, "mark": cards.mark(each.entry), "faults": faults.get(str(each.number), [])}
            for each in told.rules()
        ],
        "test_cases": played.expected(document),
        "entry": told.entry(),
        "errors": [each for found in faults.values() for each in found if each.severity == checking.Severity.ERROR],
        "warnings": [each for found in faults.values() for each in found if each.severity != checking.Severity.ERROR],
        "whole_faults": faults.get(findings.WHOLE, []),
        "pictures": picture.both(
            document,
            stage_url=lambda slug: desk.url("lifecycle_edit_stage", slug),
            rule_url=lambda number: desk.url("lifecycle_edit_rule", number),
        ),
        "last": drafts.last_change(desk.version),
        "differences": differing.between(live, desk.version) if live else None,
        "edit_url": desk.url(),
        "media": forms.Rule(document=document).media,
    }  # fmt: skip


def _missed(stage: dict[str, Any], names: dict[str, str]) -> str:
    """Where a stage's people go when its limit is missed."""
    missed = stage.get("when_missed")
    return names[missed["to"]] if missed else ""


def _page(desk: Desk, panel: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
    context = _context(desk) | {"panel": panel, "form": (panel or {}).get("form")}
    response = render(desk.request, "lifecycle/lifecycle_edit.html", context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _panel(desk: Desk, panel: dict[str, Any], status: int = 200) -> HttpResponse:
    """The open part for htmx, the whole page with it for everybody else."""
    if desk.request.method == "GET" and pages.wants_part(desk.request, "model-panel"):
        context = {"panel": panel, "form": panel["form"], "version": desk.version, "edit_url": desk.url()}
        response = render(desk.request, "lifecycle/_edit_panel.html", context)
        patch_vary_headers(response, ["HX-Request"])
        return response
    return _page(desk, panel, status)


def _save(
    desk: Desk, form: forms.Part, edit: Callable[[], parts.Edit], panel: dict[str, Any], done: str
) -> HttpResponse:
    """Keep what a part's form says, or say what is wrong with it, with what was typed still there.

    A script that keeps what is typed sends `stay`, and reads from the part's own page what became of it.
    """
    if not form.is_valid():
        return _panel(desk, panel, 400)
    try:
        desk.change(edit())
    except cards.Stale:
        form.add_error(None, _stale(desk))
        desk.read()
        return _panel(desk, panel | {"seen_now": _mark_now(desk, panel)}, 409)
    except FAULTS as fault:
        form.add_error(None, str(fault))
        return _panel(desk, panel, 409 if isinstance(fault, parts.Refused) else 400)
    return redirect(panel["url"] if desk.request.POST.get("stay") else done)


def _stale(desk: Desk) -> str:
    """What the later of two is told: who was first, and how long ago."""
    last = drafts.last_change(desk.version)
    told = {"who": last.actor if last else "", "ago": writing.span(timezone.now() - last.at) if last else ""}
    return _(
        "%(who)s changed this %(ago)s ago, after you opened it, so nothing of yours is kept yet. Save again to put "
        "yours in its place, or open it anew to see what it is now."
    ) % told  # fmt: skip


def _mark_now(desk: Desk, panel: dict[str, Any]) -> str:
    try:
        return cards.mark(panel["part"](desk.document))
    except parts.Refused:
        return ""


# ---- the page, and the lifecycle as a whole ----


@rights.needs("edit")
@require_GET
def edit(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The draft to work on; a version that is none is shown instead."""
    desk = Desk(request, slug, number)
    return _page(desk) if desk.is_draft else redirect("lifecycle_version", slug, number)


@rights.needs("edit")
def model(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Name, goal, who enters, whether again."""
    desk = Desk(request, slug, number)
    if not desk.is_draft:
        return redirect("lifecycle_version", slug, number)
    form = forms.Model(request.POST or None, document=desk.document, part=parts.model(desk.document))
    panel = {
        "title": _("The lifecycle"), "purpose": _("What it is called, and who enters it."), "icon": "route",
        "form": form, "url": desk.url("lifecycle_edit_model"), "part": parts.model, "keeps": True,
    }  # fmt: skip
    if request.method == "POST":
        return _save(desk, form, lambda: parts.set_model(form.values, form.seen_mark), panel, desk.url() + "#model")
    return _panel(desk, panel)


# ---- stages ----


@rights.needs("edit")
def stage_new(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """A stage more."""
    desk = Desk(request, slug, number)
    if not desk.is_draft:
        return redirect("lifecycle_version", slug, number)
    form = forms.StageForm(request.POST or None, document=desk.document)
    panel = {
        "title": _("A new stage"), "purpose": _("Where somebody can be."), "icon": "plus", "form": form,
        "kind": "stage", "url": desk.url("lifecycle_edit_stage_new"), "word": _("Add the stage"),
    }  # fmt: skip
    if request.method == "POST" and form.is_valid():
        new = parts.free_slug(form.cleaned_data["name"], [each["slug"] for each in desk.document["stages"]])
        made = {key: value for key, value in form.values.items() if value is not None}
        return _save(desk, form, lambda: parts.add_stage(made, new), panel, desk.url() + f"#stage-{new}")
    return _panel(desk, panel, 400 if form.is_bound else 200)


def _found(desk: Desk, find: Callable[[parts.Document], Any]) -> Any:
    """A part of the draft, or None with a message when somebody took it out."""
    try:
        return find(desk.document)
    except parts.Refused as refused:
        messages.error(desk.request, str(refused))
        return None


@rights.needs("edit")
def stage(request: HttpRequest, slug: str, number: int, stage: str) -> HttpResponse:
    """What a stage is called and how it works."""
    desk = Desk(request, slug, number)
    part = _found(desk, lambda document: parts.stage_itself(document, stage))
    if part is None or not desk.is_draft:
        return desk.back()
    form = forms.StageForm(request.POST or None, document=desk.document, part=part)
    panel = _stage_panel(desk, part, "stage") | {
        "form": form, "kind": "stage", "url": desk.url("lifecycle_edit_stage", stage), "keeps": True,
        "part": lambda document: parts.stage_itself(document, stage),
    }  # fmt: skip
    if request.method == "POST":
        edit = lambda: parts.change_stage(stage, form.values, form.seen_mark)  # noqa: E731
        return _save(desk, form, edit, panel, desk.url() + f"#stage-{stage}")
    return _panel(desk, panel)


@rights.needs("edit")
def card(request: HttpRequest, slug: str, number: int, stage: str) -> HttpResponse:
    """What is answered about a stage: how people are treated in it. Of a published version, it is amended."""
    desk = Desk(request, slug, number)
    part = _found(desk, lambda document: parts.stage(document, stage))
    if part is None:
        return desk.back()
    answers = part.get("card") or {}
    form = forms.CardForm(request.POST or None, kind=part["kind"], card=answers)
    panel = _stage_panel(desk, part, "card") | {
        "more": panels.draw("stage_card", (desk.version.lifecycle, stage), request, timezone.now()),
        "form": form, "kind": "card", "url": desk.url("lifecycle_edit_card", stage), "keeps": True,
        "part": lambda document: parts.stage(document, stage).get("card") or {},
    }  # fmt: skip
    if desk.is_draft and request.method == "POST":
        # Answers to questions that a stage of this kind is not asked stay.
        edit = lambda: parts.set_card(stage, _with_unasked(part, form.values), form.seen_mark)  # noqa: E731
        return _save(desk, form, edit, panel, desk.url() + f"#stage-{stage}")
    return _panel(desk, panel) if desk.is_draft else _amend(desk, part, form, panel)


def _with_unasked(part: dict[str, Any], answers: dict[str, Any]) -> dict[str, Any]:
    asked = {each.name for each in cards.asked_of(part["kind"])}
    return {name: answer for name, answer in (part.get("card") or {}).items() if name not in asked} | answers


def _amend(desk: Desk, part: dict[str, Any], form: forms.CardForm, panel: dict[str, Any]) -> HttpResponse:
    """The card of a stage of a published version, as a page of its own."""
    version, status = desk.version, 200
    shown = reverse("lifecycle_version", args=[version.lifecycle.slug, version.number]) + "#stages"
    if desk.request.method == "POST":
        status = 400
        if form.is_valid():
            row = get_object_or_404(version.stages, slug=part["slug"])
            card, by, now = _with_unasked(part, form.values), asker(desk.request), timezone.now()
            try:
                cards.amend(row, card, seen=form.seen_mark, by=by, now=now)
            except cards.Stale:
                form.add_error(
                    None, _("Somebody else changed this card after you opened it. Open it anew, then decide.")
                )
                status = 409
            except DocumentError as fault:
                form.add_error(None, str(fault))
            else:
                return redirect(shown)
    context = {"version": version, "lifecycle": version.lifecycle, "panel": panel, "form": form, "back": shown}
    return render(desk.request, "lifecycle/stage_card.html", context, status=status)


def _stage_panel(desk: Desk, part: dict[str, Any], here: str) -> dict[str, Any]:
    slug = part["slug"]
    return {
        "title": part["name"],
        "purpose": _("How it works") if here == "stage" else _("How people are treated in it"),
        "icon": "circle-dot" if here == "stage" else "id-card",
        "stage": slug,
        "tabs": [
            {"label": _("Stage"), "url": desk.url("lifecycle_edit_stage", slug), "current": here == "stage"},
            {"label": _("Card"), "url": desk.url("lifecycle_edit_card", slug), "current": here == "card"},
        ],
        "remove_url": desk.url("lifecycle_edit_stage_remove", slug),
    }


@require_POST
@rights.needs("edit")
def stage_move(request: HttpRequest, slug: str, number: int, stage: str) -> HttpResponse:
    """A stage elsewhere in the order (`to`: up, down, or a place)."""
    desk = Desk(request, slug, number)
    return _moved(desk, parts.move_stage(stage, request.POST.get("to", "")), f"#stage-{stage}")


def _moved(desk: Desk, edit: parts.Edit, anchor: str) -> HttpResponse:
    try:
        desk.change(edit)
    except cards.Stale:
        messages.error(desk.request, _stale(desk))
    except FAULTS as fault:
        messages.error(desk.request, str(fault))
    return desk.back(anchor)


@rights.needs("edit")
def stage_remove(request: HttpRequest, slug: str, number: int, stage: str) -> HttpResponse:
    """What goes with a stage, and then the stage."""
    desk = Desk(request, slug, number)
    part = _found(desk, lambda document: parts.stage(document, stage))
    if part is None or not desk.is_draft:
        return desk.back()
    if request.method == "POST":
        return _removed(desk, parts.remove_stage(stage), _("“%(name)s” is taken out.") % {"name": part["name"]})
    panel = _stage_panel(desk, part, "remove") | {
        "purpose": _("Take it out of the draft"), "icon": "trash-2", "form": None, "kind": "remove", "tabs": [],
        "taken": parts.taken_with(desk.document, stage), "url": desk.url("lifecycle_edit_stage_remove", stage),
        "back": desk.url("lifecycle_edit_stage", stage),
    }  # fmt: skip
    return _panel(desk, panel)


def _removed(desk: Desk, edit: parts.Edit, told: str) -> HttpResponse:
    """A part less, with “Undo” beside the words."""
    before = desk.document
    try:
        desk.change(edit)
    except cards.Stale:
        messages.error(desk.request, _stale(desk))
        return desk.back()
    except FAULTS as fault:
        messages.error(desk.request, str(fault))
        return desk.back()
    kept = {"version": desk.version.pk, "document": before, "seen": cards.mark(desk.document)}
    desk.request.session[TAKEN_OUT] = kept
    undo.offer(desk.request, told, desk.url("lifecycle_edit_put_back"))
    return desk.back()


@require_POST
@rights.needs("edit")
def put_back(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """What was taken out stands where it stood, as long as nobody has changed the draft since."""
    desk = Desk(request, slug, number)
    kept = request.session.pop(TAKEN_OUT, None)
    if kept is None or kept["version"] != desk.version.pk:
        messages.error(request, _("There is nothing to put back any more."))
        return desk.back()
    try:
        desk.change(parts.replace_all(kept["document"], kept["seen"]))
    except cards.Stale:
        messages.error(request, _("The draft was changed since, so that cannot be put back by itself."))
    except FAULTS as fault:
        messages.error(request, str(fault))
    return desk.back()


# ---- rules ----


@rights.needs("edit")
def rule_new(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """A rule more; the address may say from where and to where."""
    desk = Desk(request, slug, number)
    if not desk.is_draft:
        return redirect("lifecycle_version", slug, number)
    form = forms.Rule(request.POST or None, document=desk.document)
    form.initial.update(source=request.GET.get("from", ""), target=request.GET.get("to", ""))
    panel = {
        "title": _("A new rule"), "purpose": _("When somebody moves, and where to."), "icon": "plus", "form": form,
        "kind": "rule", "url": desk.url("lifecycle_edit_rule_new"), "word": _("Add the rule"),
    }  # fmt: skip
    if request.method == "POST":
        return _added(desk, form, RULES, panel, "rule")
    return _panel(desk, panel)


def _added(desk: Desk, form: forms.Part, part: str, panel: dict[str, Any], anchor: str) -> HttpResponse:
    def edit() -> parts.Edit:
        return parts.add_entry(part, {key: value for key, value in form.values.items() if value is not None})

    return _save(desk, form, edit, panel, desk.url() + f"#{anchor}-{len(desk.document[part]) + 1}")


@rights.needs("edit")
def rule(request: HttpRequest, slug: str, number: int, place: int) -> HttpResponse:
    """One rule: from, to, when, why."""
    desk = Desk(request, slug, number)
    part = _found(desk, lambda document: parts.entry(document, RULES, place))
    if part is None or not desk.is_draft:
        return desk.back()
    names = {each["slug"]: each["name"] for each in desk.document["stages"]}
    form = forms.Rule(request.POST or None, document=desk.document, part=part)
    panel = {
        "title": part.get("name") or parts.rule_name(part, names), "icon": "arrow-right", "form": form, "keeps": True,
        "purpose": _("Rule %(number)s: when somebody moves, and where to") % {"number": place},
        "url": desk.url("lifecycle_edit_rule", place), "remove_url": desk.url("lifecycle_edit_rule_remove", place),
        "part": lambda document: parts.entry(document, RULES, place), "removes": True, "kind": "rule",
    }  # fmt: skip
    if request.method == "POST":
        edit = lambda: parts.change_entry(RULES, place, form.values, form.seen_mark)  # noqa: E731
        return _save(desk, form, edit, panel, desk.url() + f"#rule-{place}")
    return _panel(desk, panel)


@require_POST
@rights.needs("edit")
def rule_move(request: HttpRequest, slug: str, number: int, place: int) -> HttpResponse:
    """A rule elsewhere in the order in which they are tried."""
    desk = Desk(request, slug, number)
    seen = request.POST.get(f"mark-{place}", "") or request.POST.get("seen", "")
    return _moved(desk, parts.move_entry(RULES, place, request.POST.get("to", ""), seen), "#rules")


@require_POST
@rights.needs("edit")
def rule_remove(request: HttpRequest, slug: str, number: int, place: int) -> HttpResponse:
    """A rule less."""
    desk = Desk(request, slug, number)
    return _removed(desk, parts.remove_entry(RULES, place, request.POST.get("seen", "")), _("The rule is taken out."))


# ---- test cases ----


@rights.needs("edit")
def case_new(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """A test case more."""
    desk = Desk(request, slug, number)
    if not desk.is_draft:
        return redirect("lifecycle_version", slug, number)
    form = forms.Case(request.POST or None, document=desk.document)
    panel = {
        "title": _("A new test case"), "icon": "plus", "form": form, "kind": "case", "word": _("Add the test case"),
        "purpose": _("Somebody made up, what they did, and where the rules must have them."),
        "url": desk.url("lifecycle_edit_case_new"),
    }  # fmt: skip
    if request.method == "POST":
        return _added(desk, form, CASES, panel, "case")
    return _panel(desk, panel)


@rights.needs("edit")
def case(request: HttpRequest, slug: str, number: int, place: int) -> HttpResponse:
    """One test case, with what came of it."""
    desk = Desk(request, slug, number)
    part = _found(desk, lambda document: parts.entry(document, CASES, place))
    if part is None or not desk.is_draft:
        return desk.back()
    form = forms.Case(request.POST or None, document=desk.document, part=part)
    panel = {
        "title": part.get("name") or _("Case %(number)s") % {"number": place}, "icon": "flask-conical", "form": form,
        "kind": "case", "purpose": _("Where the rules must have somebody who did this"), "keeps": True,
        "url": desk.url("lifecycle_edit_case", place), "remove_url": desk.url("lifecycle_edit_case_remove", place),
        "part": lambda document: parts.entry(document, CASES, place), "removes": True,
    }  # fmt: skip
    if request.method == "POST":
        edit = lambda: parts.change_entry(CASES, place, form.values, form.seen_mark)  # noqa: E731
        return _save(desk, form, edit, panel, desk.url() + f"#case-{place}")
    return _panel(desk, panel)


@require_POST
@rights.needs("edit")
def case_remove(request: HttpRequest, slug: str, number: int, place: int) -> HttpResponse:
    """A test case less."""
    desk = Desk(request, slug, number)
    edit = parts.remove_entry(CASES, place, request.POST.get("seen", ""))
    return _removed(desk, edit, _("The test case is taken out."))


# ---- beginnings ----


@require_POST
@rights.needs("edit")
def next_draft(request: HttpRequest, slug: str) -> HttpResponse:
    """The draft that is being worked on, or a new one like the live version."""
    found = get_object_or_404(Lifecycle, slug=slug)
    try:
        version = drafts.draft_of(found, by=asker(request), now=timezone.now())
    except FAULTS as fault:
        messages.error(request, str(fault))
        return redirect("lifecycles")
    return redirect("lifecycle_edit", slug, version.number)


@rights.needs("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A lifecycle from nothing."""
    form = forms.New(request.POST or None)
    if form.is_valid():
        version = drafts.begin(**form.cleaned_data, by=asker(request), now=timezone.now())
        return redirect("lifecycle_edit", version.lifecycle.slug, version.number)
    return render(request, "lifecycle/lifecycle_new.html", {"form": form}, status=400 if form.is_bound else 200)

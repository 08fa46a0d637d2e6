"""Pages of notes and tasks: writing them, doing them, and the list of what is to be done."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from kit import audit, bulk, forms, notes, pages, panels, registry, rights, undo, work, writing
from kit.models import Note, Task

# ---- notes ----


@require_POST
@rights.needs("note")
def note_add(request: HttpRequest) -> HttpResponse:
    """A new note about a subject."""
    about, subject_id = _about(request, request.POST.get("subject", ""))
    form = forms.Note(request.POST)
    if form.is_valid():
        notes.add(subject_id, form.cleaned_data["body"], by=audit.asker(request), now=timezone.now())
        messages.success(request, _now("The note is kept."))
        return redirect(pages.next_of(request, about.url))
    return _note_page(request, form, about, subject_id, _now("New note"))


@require_http_methods(["GET", "POST"])
@rights.needs("note")
def note_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Other words for one's own note."""
    note = _note(request, pk, removed_at=None)
    if not notes.may_change(note, request.user):
        raise PermissionDenied(_now("A note is changed by its author alone. Write one of your own beside it."))
    about, subject_id = _about(request, str(note.subject_id))
    form = forms.Note(request.POST or None, initial={"body": note.body})
    if request.method == "POST" and form.is_valid():
        notes.change(note, form.cleaned_data["body"], by=audit.asker(request), now=timezone.now())
        messages.success(request, _now("The note is kept."))
        return redirect(pages.next_of(request, about.url))
    return _note_page(request, form, about, subject_id, _now("Edit note"))


@require_POST
@rights.needs("note")
def note_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a note off its page."""
    note = _note(request, pk)
    _only_theirs(note, request)
    if notes.remove(note, by=audit.asker(request), now=timezone.now()):
        undo.offer(request, _now("The note was removed."), reverse("note_restore", args=[pk]))
    return redirect(_back(request, note.subject_id))


@require_POST
@rights.needs("note")
def note_restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a removed note back."""
    note = _note(request, pk)
    _only_theirs(note, request)
    if notes.restore(note, by=audit.asker(request), now=timezone.now()):
        messages.success(request, _now("The note is back."))
    return redirect(_back(request, note.subject_id))


def _note(request: HttpRequest, pk: int, **having: Any) -> Note:
    seen = registry.seen(Note.objects.select_related("author"), request.user)
    return get_object_or_404(seen, pk=pk, **having)


def _only_theirs(note: Note, request: HttpRequest) -> None:
    if not notes.may_remove(note, request.user):
        raise PermissionDenied(_now("A note is removed by its author or by an administrator."))


def _note_page(request: HttpRequest, form: Any, about: registry.Named, subject_id: int, title: str) -> HttpResponse:
    context = {"form": form, "about": about, "subject_id": subject_id, "title": title, "back_url": about.url}
    return render(request, "kit/note.html", context, status=400 if form.is_bound else 200)


# ---- tasks ----


class Filters(django_filters.FilterSet):
    """Tasks by whose they are, by day and by word; unless asked otherwise, those that the reader has still to do."""

    WHOSE = (("team", _("My team’s")), ("all", _("Everybody’s")), ("given", _("Those I gave")))
    STATES = (("overdue", _("Overdue")), ("today", _("Due today")), ("done", _("Done")), ("any", _("Open and done")))

    q = django_filters.CharFilter(method="with_word", label=_("Search"), help_text=_("What is to be done"))
    whose = django_filters.ChoiceFilter(choices=WHOSE, label=_("Whose"), empty_label=_("Mine"), method="all_of")
    state = django_filters.ChoiceFilter(choices=STATES, label=_("State"), empty_label=_("To do"), method="all_of")

    class Meta:
        model = Task
        fields: ClassVar[list[str]] = []

    def with_word(self, rows: QuerySet[Task], name: str, value: str) -> QuerySet[Task]:
        return rows.filter(title__icontains=value)

    def all_of(self, rows: QuerySet[Task], name: str, value: str) -> QuerySet[Task]:
        return rows  # both have a meaning when they are not asked too: see `filter_queryset`

    def filter_queryset(self, queryset: QuerySet[Task]) -> QuerySet[Task]:
        rows, user = super().filter_queryset(queryset), self.request.user
        whose = self.form.cleaned_data.get("whose") or ""
        state = self.form.cleaned_data.get("state") or ""
        today = timezone.localdate()
        if whose == "":
            rows = rows.filter(assigned_to=user)
        elif whose == "team":
            rows = rows.filter(team=user.team_id) if user.team_id else rows.none()
        elif whose == "given":
            rows = rows.filter(created_by=user)
        if state == "done":
            return rows.exclude(done_at=None)
        if state == "any":
            return rows
        rows = rows.filter(done_at=None)
        if state == "overdue":
            return rows.filter(due_on__lt=today)
        return rows.filter(due_on=today) if state == "today" else rows


class Work(pages.ListPage):
    """What is to be done: the reader's own first."""

    filterset_class = Filters
    queryset = Task.objects.all()
    template_name = "kit/work.html"
    columns = (
        pages.Column("title", _("Task"), sort="title", template="kit/_task_name.html", whole=True),
        pages.Column("about", _("About"), template="kit/_task_about.html", value="about.name"),
        pages.Column("due_on", _("Due"), sort="due_on", template="kit/_task_due.html"),
        pages.Column("assigned_to", _("For"), sort="assigned_to__name"),
        pages.Column("created_by", _("Given by")),
        pages.Column("done_at", _("Done"), sort="done_at", desc_first=True),
    )
    title = _("My work")
    purpose = _("What you and your team have to do, by day. Tasks about a person or account stand on their page too.")
    counted = ngettext_lazy("%(shown)s task", "%(shown)s tasks", "count")
    action = pages.Action(_("New task"), "task_new", "plus", right="note")
    default_sort = "due_on"
    file_name = "tasks"
    empty_title = _("Nothing to do")
    empty_text = _("Tasks that you or others give you come here, with the day by which they are due.")
    empty_icon = "circle-check-big"

    def rows(self) -> QuerySet[Task]:
        return work.there()

    def seen(self, rows: QuerySet[Task]) -> QuerySet[Task]:
        return work.seen(rows, self.request.user)

    def unseen_words(self, total: pages.Total, *, narrowed: bool) -> str:
        return ""  # a list of one's own work is not meant to be everybody's

    def prepare(self, rows: list[Any]) -> list[Any]:
        return work.described(rows, self.request.user, timezone.now())

    def context(self) -> dict[str, Any]:
        here = reverse("work")
        views = (
            ("", "", _("To do")),
            ("", "overdue", _("Overdue")),
            ("", "today", _("Today")),
            ("team", "", _("My team")),
            ("all", "", _("Everybody")),
            ("", "done", _("Done")),
        )
        now_at = (self.request.GET.get("whose", ""), self.request.GET.get("state", ""))
        tabs = []
        for whose, state, label in views:
            asked = urlencode({name: value for name, value in (("whose", whose), ("state", state)) if value})
            url = f"{here}?{asked}" if asked else here
            tabs.append({"label": label, "url": url, "current": (whose, state) == now_at})
        return {
            "tabs": tabs,
            "may_note": rights.may(self.request.user, "note"),
            "panels": panels.draw("work", None, self.request, timezone.now()),
        }


@require_http_methods(["GET", "POST"])
@rights.needs("note")
def task_new(request: HttpRequest) -> HttpResponse:
    """A new task, about a subject when one is named."""
    asked = request.POST.get("subject", "") or request.GET.get("subject", "")
    about, subject_id = _about(request, asked) if asked else (None, None)
    form = forms.Task(request.POST or None, initial={"assigned_to": request.user.pk})
    if request.method == "POST" and form.is_valid():
        by, now = audit.asker(request), timezone.now()
        task = work.add(**form.cleaned_data, subject_id=subject_id, by=by, now=now)
        messages.success(request, _now("“%(task)s” is on the list.") % {"task": task})
        _warn_unseen(request, task)
        return redirect(pages.next_of(request, about.url if about else reverse("work")))
    return _task_page(request, form, None, about, subject_id)


@require_http_methods(["GET", "POST"])
@rights.needs("note")
def task(request: HttpRequest, pk: int) -> HttpResponse:
    """One task: another day, another user, other words."""
    found = _task(request, pk, removed_at=None)
    about = registry.named([found.subject_id], request.user).get(found.subject_id) if found.subject_id else None
    shown = {name: getattr(found, name) for name in work.FIELDS} | {"assigned_to": found.assigned_to_id}
    form = forms.Task(request.POST or None, initial=shown, present=found.assigned_to_id)
    if request.method == "POST" and form.is_valid():
        work.change(found, form.cleaned_data, by=audit.asker(request), now=timezone.now())
        messages.success(request, _now("The task is kept."))
        _warn_unseen(request, Task.objects.select_related("assigned_to").get(pk=pk))
        return redirect(pages.next_of(request, reverse("work")))
    return _task_page(request, form, found, about, found.subject_id)


@require_POST
@rights.needs("note")
def task_done(request: HttpRequest, pk: int) -> HttpResponse:
    """It is done."""
    found = _task(request, pk)
    if work.finish(found, by=audit.asker(request), now=timezone.now()):
        undo.offer(request, _now("Done: %(task)s") % {"task": found}, reverse("task_reopen", args=[pk]))
    else:
        messages.info(request, _now("It was done already: %(task)s") % {"task": found})
    return redirect(_back(request, found.subject_id))


@require_POST
@rights.needs("note")
def task_reopen(request: HttpRequest, pk: int) -> HttpResponse:
    """It is not done after all."""
    found = _task(request, pk)
    if work.reopen(found, by=audit.asker(request), now=timezone.now()):
        messages.success(request, _now("To do again: %(task)s") % {"task": found})
    return redirect(_back(request, found.subject_id))


@require_POST
@rights.needs("note")
def task_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a task off the list."""
    found = _task(request, pk)
    if work.remove(found, by=audit.asker(request), now=timezone.now()):
        undo.offer(request, _now("Removed: %(task)s") % {"task": found}, reverse("task_restore", args=[pk]))
    return redirect(_back(request, found.subject_id))


@require_POST
@rights.needs("note")
def task_restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a removed task back."""
    found = _task(request, pk)
    if work.restore(found, by=audit.asker(request), now=timezone.now()):
        messages.success(request, _now("Back on the list: %(task)s") % {"task": found})
    return redirect(_back(request, found.subject_id))


def _task(request: HttpRequest, pk: int, **having: Any) -> Task:
    return get_object_or_404(work.seen(Task.objects.all(), request.user), pk=pk, **having)


def _warn_unseen(request: HttpRequest, task: Task) -> None:
    """Say so when a task is for somebody who does not see whom it is about."""
    if task.subject_id and task.assigned_to and not registry.named([task.subject_id], task.assigned_to):
        told = _now("%(user)s does not see whom it is about: give them the person or account too.")
        messages.warning(request, told % {"user": task.assigned_to})


def _task_page(
    request: HttpRequest, form: Any, found: Task | None, about: registry.Named | None, subject_id: int | None
) -> HttpResponse:
    context = {
        "form": form,
        "task": found,
        "about": about,
        "subject_id": subject_id,
        "title": _now("Edit task") if found else _now("New task"),
        "back_url": pages.next_of(request, about.url if about else reverse("work")),
    }
    return render(request, "kit/task.html", context, status=400 if form.is_bound else 200)


# ---- both ----


def _about(request: HttpRequest, text: str) -> tuple[registry.Named, int]:
    """The subject that a form speaks of. Raises Http404 for none, and for one that the reader does not see."""
    if text.isascii() and text.isdigit() and len(text) < 19:
        found = registry.named([int(text)], request.user).get(int(text))
        if found:
            return found, int(text)
    raise Http404


def _back(request: HttpRequest, subject_id: int | None) -> str:
    """Where the form came from, else the subject's page, else the list of work."""
    about = registry.named([subject_id], request.user).get(subject_id) if subject_id else None
    return pages.next_of(request, about.url if about else reverse("work"))


# ---- taking back ----


@require_POST
def take_back(request: HttpRequest) -> HttpResponse:
    """Undo what was done to many rows; the mark says what, and its right is asked again."""
    mark = request.POST.get("mark") or request.GET.get("mark", "")
    try:
        changed = bulk.take_back(mark, request.user, now=timezone.now())
    except bulk.Refused as refused:
        messages.error(request, str(refused))
    else:
        told = ngettext("%(n)s change was taken back.", "%(n)s changes were taken back.", changed)
        messages.success(request, told % {"n": writing.number(changed)})
    return redirect(pages.next_of(request, reverse("home")))

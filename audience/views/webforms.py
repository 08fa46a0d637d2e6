"""Pages of forms, for those who make them: the list, one form with what it brought, its draft and its preview."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience.models import Form, RefusedSubmission, Submission
from audience.subjects import names, sight
from audience.views import hosted
from audience.webforms import asking, counting, drafts, editing, files, filling
from kit import audit, installation, pages, panels, rights

NEWEST = 10  # submissions on a form's own page


class Named(forms.Form):
    """What a form is called."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=200)


class Forms(pages.ListPage):
    """Every form, with how it does."""

    queryset = Form.objects.select_related("edition")
    columns = (
        pages.Column("name", gettext_lazy("Form"), sort="name", link=True, whole=True),
        pages.Column(
            "state", gettext_lazy("State"), sort="state", template="audience/_form_state.html",
            export=lambda row: row.get_state_display(),
        ),
        pages.Column("views", gettext_lazy("Page views"), value=lambda row: row.figures.views, align="end"),
        pages.Column("sent", gettext_lazy("Sent"), align="end", template="audience/_form_sent.html",
                     export=lambda row: row.figures.submissions),
        pages.Column("share", gettext_lazy("Sent per view"), align="end", template="audience/_form_share.html",
                     export=lambda row: row.figures.share),
        pages.Column("refused", gettext_lazy("Refused"), value=lambda row: row.figures.refused, align="end"),
        pages.Column("last", gettext_lazy("Last"), value=lambda row: row.figures.last_at),
    )  # fmt: skip
    title = gettext_lazy("Forms")
    purpose = gettext_lazy("Pages and pieces of your site on which people say who they are, and what they agree to.")
    counted = ngettext_lazy("%(shown)s form", "%(shown)s forms", "count")
    action = pages.Action(gettext_lazy("New form"), "form_new", right="edit")
    also = (pages.Action(gettext_lazy("Your web sites"), "site", icon="globe", right="edit"),)
    default_sort = "name"
    file_name = "forms"
    empty_title = gettext_lazy("No forms yet")
    empty_text = gettext_lazy("Make one without code: it has a page of its own, and can stand on your site.")
    empty_icon = "clipboard-list"

    def prepare(self, rows: list[Form]) -> list[Form]:
        told = counting.figures(rows)
        for row in rows:
            row.figures = told[row.pk]  # type: ignore[attr-defined]
        return rows


class _OfForm(pages.ListPage):
    """A list of what came by one form."""

    @property
    def form(self) -> Form:
        return get_object_or_404(Form, slug=self.kwargs["slug"])

    def get_crumbs(self) -> Any:
        form = self.form
        return [(_("Forms"), reverse("forms")), (form.name, form.get_absolute_url()), (self.get_title(), "")]


class Submissions(_OfForm):
    """What was sent by one form, the newest first."""

    queryset = Submission.objects.select_related("person", "edition")
    columns = (
        pages.Column("person", gettext_lazy("Person"), value=lambda row: names.of(row.person),
                     template="audience/_submission_person.html", whole=True),
        pages.Column("answers", gettext_lazy("Answers"), template="audience/_submission_answers.html", whole=True,
                     export=lambda row: _in_words(row.answers)),
        pages.Column("edition", gettext_lazy("Edition"), value="edition.number", align="end"),
        pages.Column("origin", gettext_lazy("Came from"), value=lambda row: _from(row)),
        pages.Column("confirmed_at", gettext_lazy("Consent"), template="audience/_submission_consent.html",
                     export=lambda row: row.confirmed_at),
        pages.Column("occurred_at", gettext_lazy("Sent"), sort="occurred_at", desc_first=True),
    )  # fmt: skip
    title = gettext_lazy("Sent")
    template_name = "audience/submissions.html"
    purpose = gettext_lazy("Each time it was sent, word for word. What became of the person stands on their page.")
    counted = ngettext_lazy("%(shown)s submission", "%(shown)s submissions", "count")
    default_sort = "-occurred_at"
    file_name = "submissions"
    empty_title = gettext_lazy("Nothing was sent yet")
    empty_text = gettext_lazy("Share its page, or put it on your site.")
    empty_icon = "clipboard-list"

    def rows(self) -> QuerySet[Submission]:
        return self.queryset.filter(form=self.form)

    def seen(self, rows: QuerySet[Submission]) -> QuerySet[Submission]:
        return sight.people(rows, self.request.user, "person_id")

    def prepare(self, rows: list[Submission]) -> list[Submission]:
        return _told(rows)


class Refused(_OfForm):
    """What was refused, and why; for those who see everybody, because it is nobody's."""

    queryset = RefusedSubmission.objects.all()
    columns = (
        pages.Column("reason", gettext_lazy("Why"), value="get_reason_display", sort="reason", whole=True),
        pages.Column("answers", gettext_lazy("What was sent"), value=lambda row: _in_words(row.answers), whole=True),
        pages.Column("occurred_at", gettext_lazy("When"), sort="occurred_at", desc_first=True),
    )
    title = gettext_lazy("Refused")
    purpose = gettext_lazy("What machines sent, cut short and kept for thirty days. It made nobody and nothing.")
    counted = ngettext_lazy("%(shown)s refused", "%(shown)s refused", "count")
    default_sort = "-occurred_at"
    file_name = "refused"
    empty_title = gettext_lazy("Nothing was refused")
    empty_text = gettext_lazy("What fills in a field that people do not see, or is sent at once, is kept here.")
    empty_icon = "shield-check"

    def rows(self) -> QuerySet[RefusedSubmission]:
        return self.queryset.filter(form=self.form)

    def seen(self, rows: QuerySet[RefusedSubmission]) -> QuerySet[RefusedSubmission]:
        return rows if sight.everything(self.request.user) else rows.none()


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A name, and a draft to begin with."""
    form = Named(request.POST or None)
    if request.method == "POST" and form.is_valid():
        made = editing.create(form.cleaned_data["name"], by=audit.asker(request), now=timezone.now())
        return redirect("form_edit", made.slug)
    return render(request, "audience/form_new.html", {"form": form}, status=400 if form.errors else 200)


@require_GET
def one(request: HttpRequest, slug: str) -> HttpResponse:
    """A form: how it does, how it is reached, what it brought of late."""
    found = get_object_or_404(Form.objects.select_related("edition", "created_by"), slug=slug)
    address = installation.address() + reverse("form_page", args=[found.public_id])
    sent = sight.people(Submission.objects.filter(form=found), request.user, "person_id")
    newest = sent.select_related("person", "edition").order_by("-occurred_at")[:NEWEST]
    shown = {
        "form": found,
        "figures": counting.figures([found])[found.pk],
        "address": address,
        "embed": _embed(found, address),
        "newest": _told(list(newest)),
        "editions": found.editions.select_related("published_by").order_by("-number"),
        "is_ahead": found.edition is None or found.edition.asked != found.draft,
        "site_domains": installation.get("site_domains"),
        "panels": panels.draw("form", found, request, timezone.now()),
        "sees_all": sight.everything(request.user),
    }
    return render(request, "audience/form.html", shown)


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """The draft: words, questions, boxes. Every button keeps it, and most do something more."""
    found = get_object_or_404(Form, slug=slug)
    was = asking.read(found.draft)
    do = request.POST.get("do", "")
    words = drafts.words(found.name, was, request.POST or None, request.FILES or None)
    rows = drafts.rows(was, request.POST or None, more="more" in request.GET)
    if request.method == "POST" and words.is_valid() and rows.is_valid():
        now, by = timezone.now(), audit.asker(request)
        asked = drafts.said(was, words, rows, do=do)
        try:
            if upload := words.cleaned_data["upload"]:
                asked = replace(asked, file=files.keep(found, upload, now=now).pk)
        except files.Refused as refused:
            words.add_error("upload", str(refused))
        else:
            editing.change(found, name=words.cleaned_data["name"], asked=asked, by=by, now=now)
            return _onwards(request, found, do)
    file = found.files.filter(pk=was.file).first() if was.file else None
    shown = {"form": found, "words": words, "rows": rows, "file": file, "hidden": asking.HIDDEN}
    wrong = words.errors or rows.total_error_count()
    return render(request, "audience/form_edit.html", shown, status=400 if wrong else 200)


def _onwards(request: HttpRequest, form: Form, do: str) -> HttpResponse:
    here = reverse("form_edit", args=[form.slug])
    if do == "publish":
        return _publish(request, form)
    if do == "preview":
        return redirect("form_preview", form.slug)
    if do == "add":
        return redirect(f"{here}?more=1#last-question")
    if do:
        return redirect(f"{here}#questions")
    messages.success(request, _("The draft is kept. Visitors see it once it is published."))
    return redirect(here)


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def preview(request: HttpRequest, slug: str) -> HttpResponse:
    """The draft as a visitor would meet it; sending it tries it out and keeps nothing."""
    asked = asking.read(get_object_or_404(Form, slug=slug).draft)
    everything = [each for each in asked.questions if each.when != asking.HIDDEN]
    filled = filling.Filled(asked, everything, request.POST if request.method == "POST" else None)
    if request.method == "POST" and filled.is_valid():
        return hosted.page(request, "audience/form_done.html", asked=asked, preview=True)
    return hosted.draw(request, asked, filled, 400 if filled.errors else 200, preview=True, action=request.path)


@require_POST
@rights.needs("edit")
def publish(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask what the draft asks, from now on."""
    return _publish(request, get_object_or_404(Form, slug=slug))


def _publish(request: HttpRequest, form: Form) -> HttpResponse:
    try:
        edition = editing.publish(form, by=audit.asker(request), now=timezone.now())
    except editing.Refused as refused:
        messages.error(request, _("It is not published. %(why)s") % {"why": refused})
        return redirect("form_edit", form.slug)
    messages.success(request, _("Edition %(number)s is published.") % {"number": edition.number})
    return redirect(form)


@require_POST
@rights.needs("edit")
def close(request: HttpRequest, slug: str) -> HttpResponse:
    """Take nothing more."""
    found = get_object_or_404(Form, slug=slug)
    if editing.close(found, by=audit.asker(request), now=timezone.now()):
        messages.success(request, _("It takes nothing more. Its page says that it is closed."))
    return redirect(found)


# ---- what pages say ----


def _told(rows: list[Submission]) -> list[Submission]:
    """Answers with the labels of their fields, in the order in which they were asked."""
    labels = {name: each.label for name, each in asking.offered().items()}
    for row in rows:
        order = [each["field"] for each in row.edition.asked["questions"] if each["field"] in row.answers]
        row.shown = [(labels.get(name, name), row.answers[name]) for name in order]  # type: ignore[attr-defined]
    return rows


def _in_words(answers: dict[str, Any]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in answers.items())


def _from(row: Submission) -> str:
    return row.origin.get("utm_source") or row.origin.get("page") or row.origin.get("referrer") or ""


def _embed(form: Form, address: str) -> str:
    """The form as plain HTML for a page of somebody's own, to be styled there."""
    if form.edition is None:
        return ""
    asked = asking.read(form.edition.asked)
    filled = filling.Filled(asked, list(asking.shown(asked, known=False, answered=())))
    shown = {"asked": asked, "filled": filled, "address": address, "edition": form.edition.number, "trap": hosted.TRAP}
    return "\n".join(line for line in render_to_string("audience/_form_embed.html", shown).splitlines() if line.strip())

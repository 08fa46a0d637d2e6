"""Pages of content: the list, what a new one may begin with, the editor with its preview, editions, tests."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience.models import Person
from audience.subjects import querysets, sight
from campaigns import channels, content, filters, forms, personal, senders, sending, wording
from campaigns.models import Campaign, Content, ContentVersion, Step
from campaigns.rendering import ContentError
from kit import pages, rights, security
from kit.audit import asker

OFFERED = 8  # people that the search of the preview suggests

# A mail's own styles and pictures, in the sandboxed frame of the preview, which goes by the policy of its page.
MAIL_POLICY = f"{security.POLICY}; style-src 'self' 'unsafe-inline'".replace(
    "img-src 'self' data:", "img-src 'self' data: https: http:"
)


class Contents(pages.ListPage):
    """Every content, how it is tagged, and where it is used."""

    queryset = Content.objects.all()
    filterset_class = filters.Contents
    columns = (
        pages.Column("name", gettext_lazy("Content"), sort="name", template="campaigns/_content_name.html", whole=True),
        pages.Column(
            "style", gettext_lazy("Style"), sort="style", template="campaigns/_content_style.html",
            export=lambda row: row.get_style_display(),
        ),
        pages.Column("stage", gettext_lazy("Serves"), sort="stage", value="serves", export=lambda row: row.stage),
        pages.Column("number", gettext_lazy("Version"), sort="number", align="end"),
        pages.Column("campaigns", gettext_lazy("Campaigns"), sort="campaigns", align="end", desc_first=True),
        pages.Column("updated_at", gettext_lazy("Changed"), sort="updated_at", desc_first=True),
    )  # fmt: skip
    title = gettext_lazy("Content")
    purpose = gettext_lazy("What we say: mails that are written once, kept in editions, and sent by campaigns.")
    counted = ngettext_lazy("%(shown)s content", "%(shown)s contents", "count")
    action = pages.Action(gettext_lazy("New content"), "content_new", right="edit")
    default_sort = "-updated_at"
    file_name = "content"
    empty_title = gettext_lazy("Nothing is written yet")
    empty_text = gettext_lazy(
        "Begin with a welcome, an article or an offer, and see it as any of your people would get it."
    )
    empty_icon = "file-text"

    def rows(self) -> QuerySet[Content]:
        newest = ContentVersion.objects.filter(content=OuterRef("pk")).order_by("-number")
        return Content.objects.select_related("lifecycle").annotate(
            subject=Subquery(newest.values("subject")[:1]),
            number=Subquery(newest.values("number")[:1]),
            campaigns=Count("step__version__campaign", distinct=True),
        )

    def prepare(self, rows: list[Any]) -> list[Any]:
        stages = wording.names_of_stages({row.lifecycle_id for row in rows if row.lifecycle_id})
        for row in rows:
            row.readable = content.readable(row.subject or "")
            row.serves = stages.get((row.lifecycle_id, row.stage), row.stage) if row.stage else ""
        return rows


# ---- the editor ----


@rights.needs("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A new content: what to begin with, then the editor."""
    begun = request.GET.get("from", "")
    starter = content.starter(begun)
    if request.method == "POST":
        return _create(request)
    if not begun:
        now = timezone.now()
        starters = [(each, content.shown(each, now=now)) for each in content.starters()]
        context = {"starters": starters, "title": _("New content"), "crumbs": _crumbs(_("New content"))}
        return _with_mail(render(request, "campaigns/content_new.html", context))
    draft = starter.draft if starter else content.Draft(subject="", source=_blank())
    more: dict[str, Any] = {"name": starter.name, "style": starter.style} if starter else {}
    more |= {"stage": request.GET.get("stage", "")}
    form = forms.Written.begun(draft, **more)
    return _editor(request, form, None, draft if starter else None, title=_("New content"))


def _blank() -> str:
    return '<p>Hello {{ person.first_name | default: "there" }},</p>\n<p></p>\n'


def _create(request: HttpRequest) -> HttpResponse:
    form, now = forms.Written(request.POST), timezone.now()
    if "show" not in request.POST and form.is_valid():
        try:
            made = content.create(by=asker(request), now=now, draft=form.draft(), **form.tags())
        except ContentError as error:
            form.refuse(error)
        else:
            return _lead_on(request, made)
    return _editor(request, form, None, form.draft(), title=_("New content"))


def _lead_on(request: HttpRequest, made: Content) -> HttpResponse:
    """To the content that was made, or back to the step for which it was written, where it is chosen already."""
    step = pages.next_of(request, "")
    if not step:
        messages.success(request, _("It is kept. Campaigns can send it from now on."))
        return redirect(made)
    messages.success(request, _("“%(name)s” is kept, and chosen for the step.") % {"name": made.name})
    return redirect(f"{step}{'&' if '?' in step else '?'}{urlencode({'content': made.slug})}")


@require_http_methods(["GET", "POST"])
def one(request: HttpRequest, slug: str) -> HttpResponseBase:
    """A content in its editor, with its newest edition or with the one that `from` names; POST keeps a new edition."""
    if request.method == "POST":
        return _write(request, slug)
    found = _find(slug)
    version = _asked_version(request, found) or content.latest(found)
    draft = content.draft_of(version) if version else content.Draft(subject="", source=_blank())
    return _editor(request, forms.Written.begun(draft, found), found, draft, version=version, title=found.name)


def _find(slug: str) -> Content:
    return get_object_or_404(Content.objects.select_related("lifecycle"), slug=slug)


@rights.needs("edit")
def _write(request: HttpRequest, slug: str) -> HttpResponse:
    found = _find(slug)
    form, now = forms.Written(request.POST), timezone.now()
    if "show" not in request.POST and form.is_valid():
        try:
            before = content.latest(found)
            kept = content.write(found, form.draft(), by=asker(request), now=now)
            content.change(found, by=asker(request), now=now, **form.tags())
        except ContentError as error:
            form.refuse(error)
        else:
            messages.success(request, _kept_words(before, kept))
            return redirect(found)
    return _editor(request, form, found, form.draft(), title=found.name)


def _kept_words(before: ContentVersion | None, kept: ContentVersion) -> str:
    if before == kept:
        return _("Name and tags are kept; the words are as they were.")
    told = _("Kept as version %(number)s. Campaigns that run go on with the version that they were launched with.")
    return told % {"number": kept.number}


def _asked_version(request: HttpRequest, found: Content) -> ContentVersion | None:
    number = request.GET.get("from", "")
    return found.versions.filter(number=int(number)).first() if number.isdecimal() and len(number) < 9 else None


def _editor(
    request: HttpRequest, form: forms.Written, found: Content | None, draft: content.Draft | None, *,
    title: str, version: ContentVersion | None = None,
) -> HttpResponse:  # fmt: skip
    context = {
        "form": form,
        "content": found,
        "version": version,
        "newest": content.latest(found) if found else None,
        "offers": personal.offers(),
        "may_edit": rights.may(request.user, "edit"),
        "title": title,
        "crumbs": _crumbs(title),
        "used_in": Campaign.objects.filter(versions__steps__content=found).distinct().order_by("name") if found else (),
        "untagged": content.untagged(found) if found else [],
        **_preview_of(request, draft),
    }
    status = 400 if form.is_bound and form.errors and "show" not in request.POST else 200
    return _with_mail(render(request, "campaigns/content_editor.html", context, status=status))


# ---- the preview ----


@require_POST
@rights.needs("edit")
def preview(request: HttpRequest) -> HttpResponse:
    """What is typed, as a person would get it: the part of the editor that follows the typing."""
    form = forms.Written(request.POST)
    return _with_mail(render(request, "campaigns/_content_preview.html", _preview_of(request, form.draft())))


def _preview_of(request: HttpRequest, draft: content.Draft | None) -> dict[str, Any]:
    """The variables of the preview."""
    asked = request.POST or request.GET
    text = asked.get("person", "")
    person = _person(text, request.user)
    told: dict[str, Any] = {
        "person": person,
        "person_text": _written(person) if person else "",
        "not_found": bool(text.strip()) and person is None,
        "sender": senders.default(),
        "dark": bool(asked.get("dark")),
        "preview": None,
        "error": None,
        "doubts": [],
    }
    if draft is None:
        return told
    try:
        version = content.compiled(draft)
    except ContentError as error:
        return told | {"error": error}
    person = person or content.somebody(request.user)
    shown = content.preview(version, person, now=timezone.now(), dark=told["dark"])
    return told | {"preview": shown, "doubts": content.doubts(version), "person": person}


def _with_mail(response: HttpResponse) -> HttpResponse:
    response["Content-Security-Policy"] = MAIL_POLICY
    return response


def _person(text: str, user: Any) -> Person | None:
    """Whom somebody chose or typed, if the user sees them: by the number at the end, else whom a search finds first."""
    text = text.replace("\x00", "").strip()
    _rest, mark, number = text.rpartition("#")
    if mark and number.isdecimal() and len(number) < 19:
        return sight.people(Person.objects.filter(pk=int(number), erased_at=None), user).first()
    return next(iter(querysets.quick_people(text, 1, user)), None)


def _written(person: Person) -> str:
    return f"{person} · {person.email} · #{person.pk}" if person.email else f"{person} · #{person.pk}"


@require_GET
def people(request: HttpRequest) -> HttpResponse:
    """The people that the search of the preview suggests."""
    found = querysets.quick_people(request.GET.get("person", "").replace("\x00", ""), OFFERED, request.user)
    offered = [(_written(each), each) for each in found]
    return render(request, "campaigns/_content_people.html", {"offered": offered})


# ---- editions, copies, tests ----


@require_GET
def versions(request: HttpRequest, slug: str) -> HttpResponse:
    """Every edition of a content, the newest first."""
    found = get_object_or_404(Content, slug=slug)
    steps = Step.objects.filter(content_version=OuterRef("pk")).exclude(version__state="draft")
    launched = Coalesce(Subquery(steps.values("content_version").annotate(n=Count("pk")).values("n")), 0)
    context = {
        "content": found,
        "editions": found.versions.select_related("created_by").annotate(steps=launched).order_by("-number"),
        "may_edit": rights.may(request.user, "edit"),
        "title": _("Versions of “%(content)s”") % {"content": found},
        "crumbs": [*_crumbs(found.name)[:-1], (found.name, found.get_absolute_url()), (_("Versions"), "")],
    }
    return render(request, "campaigns/content_versions.html", context)


@require_GET
def version(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """One edition as it was written and as a person gets it; it never changes."""
    found = get_object_or_404(
        ContentVersion.objects.select_related("content", "created_by"), content__slug=slug, number=number
    )
    told = _preview_of(request, None)
    person = told["person"] or content.somebody(request.user)
    context = {
        **told,
        "content": found.content,
        "version": found,
        "person": person,
        "preview": content.preview(found, person, now=timezone.now(), dark=told["dark"]),
        "may_edit": rights.may(request.user, "edit"),
        "is_newest": content.latest(found.content) == found,
        "title": str(found),
        "crumbs": [
            *_crumbs(found.content.name)[:-1],
            (found.content.name, found.content.get_absolute_url()),
            (_("Versions"), reverse("content_versions", args=[slug])),
            (_("Version %(number)s") % {"number": number}, ""),
        ],
    }
    return _with_mail(render(request, "campaigns/content_version.html", context))


@require_POST
@rights.needs("edit")
def clone(request: HttpRequest, slug: str) -> HttpResponseBase:
    """A copy, opened in the editor."""
    made = content.clone(get_object_or_404(Content, slug=slug), by=asker(request), now=timezone.now())
    messages.success(request, _("This is the copy; the original is as it was."))
    return redirect(made)


@require_POST
@rights.needs("edit")
def test(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The newest edition to whoever asks for it, written as for the person that the preview showed."""
    found = _find(slug)
    newest, to = content.latest(found), asker(request)
    person = _person(f"#{request.POST.get('person', '')}", request.user) or content.somebody(request.user)
    if newest is None or to is None:
        raise Http404
    try:
        sending.test(newest, to=to, person=person, now=timezone.now())
    except sending.Refused as refused:
        messages.error(request, str(refused))
    else:
        told = _("Version %(number)s is on its way to %(address)s.") % {"number": newest.number, "address": to.email}
        if channels.setting_of("email").provider == "mailbox":
            told = format_html('{} <a href="{}">{}</a>', told, reverse("mailbox"), _("Read it in the mailbox"))
        messages.success(request, told)
    return redirect(found)


def _crumbs(title: str) -> list[tuple[Any, str]]:
    return [(_("Content"), reverse("contents")), (title, "")]

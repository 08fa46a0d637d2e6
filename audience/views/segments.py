"""Pages of segments: the list, one segment with its members and history, the builder, and why somebody is in or out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience import live, segments
from audience.conditions import describe, registry, tree, trial
from audience.conditions.tree import ConditionError
from audience.importing import forms
from audience.models import Account, Person, Segment, SegmentMember
from audience.segments import stays
from audience.subjects import filters, names, sight
from audience.views import accounts, people
from audience.views.conditions import counted
from kit import exports, installation, pages, panels, past, progress, reading, rights
from kit.audit import asker
from kit.sql import Sql, sql, value

LATELY = timedelta(days=30)
PATIENCE = 10  # seconds for a question about the past


class Segments(pages.ListPage):
    """Every segment, with its size and what moved lately."""

    queryset = Segment.objects.all()
    filterset_class = filters.Segments
    columns = (
        pages.Column(
            "name", gettext_lazy("Segment"), sort="name", template="audience/_segment_name.html", whole=True
        ),
        pages.Column("of", gettext_lazy("Of"), value="get_of_display", sort="of"),
        pages.Column("kind", gettext_lazy("Kind"), value="get_kind_display", sort="kind"),
        pages.Column(
            "size", gettext_lazy("In it now"), sort="size", align="end", desc_first=True,
            template="audience/_segment_size.html",
        ),
        pages.Column("entered", gettext_lazy("Entered in 30 days"), sort="entered", align="end", desc_first=True),
        pages.Column("left", gettext_lazy("Left in 30 days"), sort="left", align="end", desc_first=True),
        pages.Column(
            "updated_at", gettext_lazy("Changed"), sort="updated_at", desc_first=True,
            value=lambda row: people.day(row.updated_at),
        ),
    )  # fmt: skip
    title = gettext_lazy("Segments")
    purpose = gettext_lazy("Named groups of people or accounts. Those by condition keep themselves, within seconds.")
    counted = ngettext_lazy("%(shown)s segment", "%(shown)s segments", "count")
    action = pages.Action(gettext_lazy("New segment"), "segment_new", right="edit")
    default_sort = "name"
    file_name = "segments"
    empty_title = gettext_lazy("No segments yet")
    empty_text = gettext_lazy(
        "Say who belongs together, such as active people in Germany; whoever comes to fit is in it from then on."
    )
    empty_icon = "users-round"

    def rows(self) -> QuerySet[Segment]:
        return stays.with_sizes(Segment.objects.select_related("job"), since=timezone.now() - LATELY)

    def prepare(self, rows: list[Segment]) -> list[Segment]:
        known = {of: registry.catalogue(of) for of in ("person", "account")}
        for row in rows:
            row.sentence = _sentence(row, known[row.of])  # type: ignore[attr-defined]
        return rows


def _sentence(segment: Segment, catalogue: registry.Catalogue) -> str:
    if segment.condition is None:
        return ""
    try:
        return describe.sentence(tree.parse(segment.condition, of=segment.of, catalogue=catalogue))
    except ConditionError as error:
        return error.message


# ---- one segment ----


@require_GET
def segment(request: HttpRequest, slug: str) -> HttpResponse:
    """One segment: who belongs to it in words, how many, some of them, what moved, and how it was on a past day."""
    found = get_object_or_404(Segment.objects.select_related("job", "created_by"), slug=slug)
    now = timezone.now()
    past = _past(request, found, now)
    if pages.wants_part(request, "as-of"):
        return render(request, "audience/_segment_as_of.html", {"segment": found, **past})
    sized = stays.with_sizes(Segment.objects.filter(pk=found.pk), since=now - LATELY).get()
    first = timezone.localdate(now - LATELY).isoformat()
    context = {
        "segment": found,
        "sized": sized,
        "sentence": segments.sentence(found),
        "sample": _sample(found, request.user),
        "users": segments.users(found),
        "job": found.job,
        "progress": progress.of(found.job, now) if found.job else None,
        "panels": panels.draw("segment", found, request, now),
        "would_leave": segments.would_leave(found, at=now + live.INSTANT) if found.held_back_at else None,
        "since_view": f"?first={first}&what=",
        "title": found.name,
        "crumbs": _crumbs(found),
        **past,
    }
    return render(request, "audience/segment.html", context)


def _past(request: HttpRequest, found: Segment, now: datetime) -> dict[str, Any]:
    """How many were in it at the beginning of the day that the address names."""
    wish = past.wish(request, now)
    told: dict[str, Any] = {"past": wish, "as_of_note": wish.note}
    if wish.past is None:
        return told
    try:
        with reading.only(PATIENCE):
            members = segments.members(found, at=wish.past.at, known=wish.past.known)
            there = value(sql("SELECT count(*) FROM ({}) there", members))
    except segments.FAULTS as fault:
        return told | {"as_of_note": cannot(fault)}
    url = f"{reverse('segment_members', args=[found.slug])}?{wish.past.address}"
    return told | {"as_of_words": counted(there, found.of), "as_of_url": url}


def _day(text: str) -> tuple[date | None, str]:
    """The day that somebody wrote, and what to say when it was none."""
    if not text:
        return None, ""
    try:
        found = parse_date(text)
    except ValueError:
        found = None
    if found is None or not 1900 <= found.year <= 2200:
        return None, _("This is no day; write it as 2025-03-31.")
    return found, ""


def cannot(fault: Exception) -> str:
    """Why a condition could not be asked while somebody waited."""
    if isinstance(fault, reading.TooSlow):
        return _("This takes too long to find out while you wait.")
    if isinstance(fault, ConditionError):
        return fault.message
    return _("A value of the condition is too large or too odd to be compared with.")


def _sample(found: Segment, user: Any) -> list[Person | Account]:
    order = ("-entered_at", "-subject_id")
    newest = sight.subjects(stays.in_it_now(found), user).order_by(*order).values_list("pk", flat=True)
    # Those few are told by name, after: joined before they are chosen, all members would be.
    told = SegmentMember.objects.filter(pk__in=list(newest[: trial.SAMPLE])).order_by(*order)
    return [each.person or each.account for each in told.select_related("person__account", "account")]  # type: ignore[misc]


def _crumbs(found: Segment, *more: tuple[Any, str]) -> list[tuple[Any, str]]:
    own = found.get_absolute_url() if more else ""
    return [(_("Segments"), reverse("segments")), (found.name, own), *more]


@require_http_methods(["GET", "POST"])
def members(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Who is in a segment, as a list of people or of accounts; with `as_of`, who was at the beginning of a day."""
    found = get_object_or_404(Segment, slug=slug)
    page: Any = PeopleIn if found.of == "person" else AccountsIn
    return page.as_view()(request, segment=found)


class Within(pages.ListPage):
    """What the lists of people and of accounts in a segment have in common."""

    template_name = "audience/segment_members.html"

    parameters = past.PARAMETERS
    action: pages.Action | None = None
    also: Sequence[pages.Action] = ()
    file_name = "segment"
    empty_title: Any = gettext_lazy("Nobody is in it")
    empty_text: Any = ""
    empty_icon = "users-round"

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.segment: Segment = kwargs["segment"]
        self.past = past.wish(request, timezone.now())
        self.purpose = _("Who is in it now.")
        if self.past.past:
            told = _("Who was in it at the beginning of %(day)s.")
            self.purpose = told % {"day": self.past.day_words}
            self.rows_are = ""  # nothing is done to a past
        else:
            since = pages.Column("entered", gettext_lazy("In it since"), sort="entered", desc_first=True)
            self.columns = (*self.columns, since)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # A file that is taken away is written down; whatever else is asked here changes nothing.
        within = reading.in_time if exports.wanted(request) else reading.only
        try:
            with within(PATIENCE):
                return super().get(request, *args, **kwargs)
        except segments.FAULTS as fault:
            messages.error(request, cannot(fault))
            return redirect(self.segment)

    def rows(self) -> QuerySet[Any]:
        found = super().rows()
        then = self.past.past
        at, known = (then.at, then.known) if then else (None, None)
        there: Sql = segments.members(self.segment, at=at, known=known)
        found = found.filter(pk__in=RawSQL(there.text, there.params))  # noqa: S611 - values are bound
        if then is None:
            stay = stays.in_it_now(self.segment).filter(subject_id=OuterRef("pk"))
            found = found.annotate(entered=Subquery(stay.values("entered_at")[:1]))
        return found

    def context(self) -> dict[str, Any]:
        return {**super().context(), "past": self.past, "past_more": _("Their values are those of today.")}

    def tools(self) -> list[Any]:
        return []

    def get_title(self) -> str:
        return _("In “%(segment)s”") % {"segment": self.segment}

    def get_crumbs(self) -> list[tuple[Any, str]]:
        return _crumbs(self.segment, (_("Members"), ""))


class PeopleIn(Within, people.People):
    """The people of a segment."""


class AccountsIn(Within, accounts.Accounts):
    """The accounts of a segment."""


class History(pages.ListPage):
    """Who entered and left a segment, and how many on each day."""

    queryset = SegmentMember.objects.all()
    filterset_class = filters.Stays
    template_name = "audience/segment_history.html"
    columns = (
        pages.Column(
            "subject", gettext_lazy("Who"), template="audience/_stay_subject.html", whole=True,
            export=lambda row: names.of(row.person or row.account),
        ),
        pages.Column("entered_at", gettext_lazy("Entered"), sort="entered_at", desc_first=True),
        pages.Column("left_at", gettext_lazy("Left"), sort="left_at", desc_first=True),
    )  # fmt: skip
    purpose = gettext_lazy("Everybody who entered or left, and when. It begins when the segment was made.")
    counted = ngettext_lazy("%(shown)s stay", "%(shown)s stays", "count")
    default_sort = "-entered_at"
    file_name = "segment-history"
    empty_title = gettext_lazy("Nobody was ever in it")
    empty_icon = "history"

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.segment = get_object_or_404(Segment, slug=kwargs["slug"])

    def rows(self) -> QuerySet[SegmentMember]:
        return SegmentMember.objects.filter(segment=self.segment).select_related("person", "account")

    def seen(self, rows: QuerySet[SegmentMember]) -> QuerySet[SegmentMember]:
        return sight.subjects(rows, self.request.user)

    def context(self) -> dict[str, Any]:
        today = timezone.localdate(timezone.now(), installation.zone())
        first, _no = _day(self.request.GET.get("first", ""))
        last, _no = _day(self.request.GET.get("last", ""))
        last = min(last or today, today)
        first = min(first or last - LATELY, last)
        told = stays.days(self.segment, first, last)
        return {
            "segment": self.segment,
            "days": told,
            "most": max((max(each.entered, each.left) for each in told), default=0),
            "entered": sum(each.entered for each in told),
            "left": sum(each.left for each in told),
            "cut": (last - first).days >= stays.MOST_DAYS,
        }

    def get_title(self) -> str:
        return _("History of “%(segment)s”") % {"segment": self.segment}

    def get_crumbs(self) -> list[tuple[Any, str]]:
        return _crumbs(self.segment, (_("History"), ""))


@require_GET
def why(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Why one subject is in a segment or not: its condition, part by part, with what was found."""
    found = get_object_or_404(Segment, slug=slug)
    subjects: Any = Person if found.of == "person" else Account
    subject = sight.get(subjects.objects.all(), request.user, pk=pk, erased_at=None)
    stay = SegmentMember.objects.filter(segment=found, subject_id=pk).order_by("-entered_at").first()
    try:
        told, fault = segments.why(found, pk, at=timezone.now() + live.INSTANT), ""
    except segments.FAULTS as failed:
        told, fault = None, cannot(failed)
    context = {
        "segment": found,
        "subject": subject,
        "name": names.of(subject),
        "explanation": told,
        "fault": fault,
        "stay": stay,
        "title": _("Why in or out?"),
        "crumbs": _crumbs(found, (names.of(subject), "")),
    }
    return pages.part(request, f"why-{found.slug}", "audience/_why.html", "audience/segment_why.html", context)


# ---- making and changing ----


@rights.needs("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A new segment in the builder."""
    of = "account" if request.GET.get("of") == "account" else "person"
    form = forms.NewSegment(request.POST or None, of=of)
    if form.is_valid():
        try:
            made = segments.create(
                form.cleaned_data["name"],
                of=of,
                condition=form.cleaned_data["condition"],
                by=asker(request),
                now=timezone.now(),
            )
        except (segments.Refused, ConditionError) as refused:
            form.add_error("condition", str(refused))
        else:
            _tell_filled(request, made)
            return redirect(made)
    url = reverse("segment_new")
    context = {
        "form": form,
        "of": of,
        "kinds": [
            {"label": _("Of people"), "url": url, "current": of == "person"},
            {"label": _("Of accounts"), "url": f"{url}?of=account", "current": of == "account"},
        ],
    }
    return render(request, "audience/segment_new.html", context, status=400 if form.is_bound else 200)


def _tell_filled(request: HttpRequest, made: Segment) -> None:
    if made.job_id and made.job and made.job.state in ("queued", "running"):
        messages.info(request, _("“%(segment)s” is kept. It is being filled; its size follows.") % {"segment": made})
    else:
        told = counted(stays.in_it_now(made).count(), made.of)
        messages.success(request, _("“%(segment)s” is kept: %(counted)s.") % {"segment": made, "counted": told})


@rights.needs("edit")
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """Another name or condition; a fixed list has only a name."""
    found = get_object_or_404(Segment, slug=slug)
    dynamic = found.kind == Segment.Kind.DYNAMIC
    initial = {"name": found.name, "condition": found.condition}
    form: Any
    if dynamic:
        form = forms.NewSegment(request.POST or None, of=found.of, initial=initial)
    else:
        form = forms.SegmentName(request.POST or None, initial=initial)
    if form.is_valid():
        try:
            segments.change(
                found,
                label=form.cleaned_data["name"],
                condition=form.cleaned_data.get("condition"),
                by=asker(request),
                now=timezone.now(),
            )
        except (segments.Refused, ConditionError) as refused:
            form.add_error("condition", str(refused))
        else:
            _tell_filled(request, found)
            return redirect(found)
    context = {
        "form": form,
        "segment": found,
        "size": stays.in_it_now(found).count(),
        "size_words": counted(stays.in_it_now(found).count(), found.of),
        "crumbs": _crumbs(found, (_("Edit"), "")),
    }
    return render(request, "audience/segment_edit.html", context, status=400 if form.is_bound else 200)


@rights.needs("edit")
def of_list(request: HttpRequest, of: str) -> HttpResponse:
    """A fixed list of those whom a list of people or accounts shows with the filters of the address."""
    listed: dict[str, Any] = {"person": people.People, "account": accounts.Accounts}
    if of not in listed:
        raise Http404
    page = listed[of]()
    page.setup(request)
    filterset = page._filterset()
    there = filterset.qs.order_by().values("pk")
    number = there.count()
    form = forms.SegmentName(request.POST or None)
    if form.is_valid() and number:
        made = segments.create_list(
            form.cleaned_data["name"],
            of=of,
            members=sql("SELECT listed.id AS subject_id FROM ({}) listed (id)", Sql(*there.query.sql_with_params())),
            by=asker(request),
            now=timezone.now(),
        )
        _tell_filled(request, made)
        return redirect(made)
    context = {
        "form": form,
        "of": of,
        "number": number,
        "counted": counted(number, of),
        "chips": page._chips(filterset),
        "list_url": f"{reverse('people' if of == 'person' else 'accounts')}?{request.GET.urlencode()}",
        "crumbs": [(_("Segments"), reverse("segments")), (_("From a list"), "")],
    }
    return render(request, "audience/segment_of_list.html", context, status=400 if form.is_bound else 200)


@rights.needs("edit")
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    """Delete a segment, once somebody has said so; refused while it is in use."""
    found = get_object_or_404(Segment, slug=slug)
    if request.method == "POST":
        try:
            segments.delete(found, by=asker(request), now=timezone.now())
        except segments.Refused as refused:
            messages.error(request, str(refused))
            return redirect("segment_delete", slug)
        messages.success(request, _("“%(segment)s” is deleted. Nobody who was in it is.") % {"segment": found})
        return redirect("segments")
    size = stays.in_it_now(found).count()
    context = {
        "segment": found,
        "users": segments.users(found),
        "size_words": counted(size, found.of),
        "crumbs": _crumbs(found, (_("Delete"), "")),
    }
    return render(request, "audience/segment_delete.html", context)


@require_POST
@rights.needs("edit")
def refresh(request: HttpRequest, slug: str) -> HttpResponse:
    """Compare everybody with the condition again."""
    found = get_object_or_404(Segment, slug=slug, kind=Segment.Kind.DYNAMIC)
    try:
        segments.fill_again(found, by=asker(request), now=timezone.now())
    except segments.FAULTS as fault:
        messages.error(request, cannot(fault))
    return redirect(found)


@require_POST
@rights.needs("edit")
def let_leave(request: HttpRequest, slug: str) -> HttpResponse:
    """Somebody has looked: those who were held back leave."""
    found = get_object_or_404(Segment, slug=slug, kind=Segment.Kind.DYNAMIC)
    try:
        done = segments.let_leave(found, by=asker(request), now=timezone.now())
    except segments.FAULTS as fault:
        messages.error(request, cannot(fault))
    else:
        if done:
            messages.success(request, _("Left: %(left)s.") % {"left": counted(done.left, found.of)})
    return redirect(found)

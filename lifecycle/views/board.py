"""The board of a lifecycle, and moving many of it at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy
from django.views.decorators.http import require_POST

from audience.subjects import sight
from kit import installation, pages, past, progress, rights
from kit.audit import asker
from kit.undo import MORE, offer
from lifecycle import board, filters
from lifecycle.ledger import moving, stages, then, undo
from lifecycle.models import BulkMember, BulkMove, Lifecycle, Membership, Stage
from lifecycle.views.memberships import Towards, reasons, wanted

FIGURES = "board-figures"  # what htmx names when it asks for the figures alone
OUTCOMES = BulkMember.Outcome


class Board(pages.ListPage):
    """The live version of a lifecycle as columns of cards, narrowed by filters. Its export is its members."""

    queryset = Membership.objects.all()
    filterset_class = filters.Board
    columns = (
        pages.Column("subject", gettext_lazy("Who"), value="subject"),
        pages.Column("stage", gettext_lazy("Stage"), value="stage"),
        pages.Column("entered_at", gettext_lazy("In it since"), sort="entered_at"),
    )
    counted = ngettext_lazy("%(shown)s member", "%(shown)s members", "count")
    purpose: Any = gettext_lazy(
        "Who is in which stage now. Drag a card to move somebody, or use its menu or the keyboard."
    )
    default_sort = board.NEWEST
    parameters = ("column", *past.PARAMETERS)  # the one that a phone shows, and as of when
    file_name = "board"
    template_name = "lifecycle/board.html"
    part_name = "lifecycle/_board.html"
    has_past = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.lifecycle = get_object_or_404(Lifecycle, slug=kwargs["slug"])
        self.version = stages.live_version(self.lifecycle)
        if self.version is None:
            messages.info(
                request, _("%(lifecycle)s has no live version yet, so it has no board.") % {"lifecycle": self.lifecycle}
            )
            return redirect("lifecycle", self.lifecycle.slug)
        self.version.lifecycle = self.lifecycle
        request.lifecycle = self.lifecycle  # type: ignore[attr-defined]  # what its subjects can be asked
        self.past = past.wish(request, timezone.now())
        if not self.has_past:
            self.past = replace(self.past, past=None)
        if self.past.past:
            self.purpose = _("Who was in which stage when %(day)s began.") % {"day": self.past.day_words}
        return super().dispatch(request, *args, **kwargs)

    def rows(self) -> QuerySet[Membership]:
        assert self.version is not None
        return board.members(self.version) if self.past.past is None else self.lifecycle.membership_set.all()

    def seen(self, rows: QuerySet[Membership]) -> QuerySet[Membership]:
        return sight.subjects(rows, self.request.user)

    def get_title(self) -> str:
        return str(self.lifecycle)

    def get_crumbs(self) -> list[tuple[Any, str]]:
        return [
            (gettext_lazy("Lifecycles"), reverse("lifecycles")),
            (str(self.lifecycle), reverse("lifecycle", args=[self.lifecycle.slug])),
            (gettext_lazy("Board"), ""),
        ]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if pages.wants_part(request, FIGURES):
            filterset = self._filterset()
            made = self._columns(filterset, filterset.qs, self.default_sort, shown=False)
            return render(
                request, "lifecycle/_board_figures.html", {"board": made, "currency": installation.get("currency")}
            )
        return super().get(request, *args, **kwargs)

    # ---- what of the list page is otherwise ----

    def _file(self, rows: QuerySet[Any], wish: pages.Wish) -> HttpResponseBase:
        if self.past.past:  # the list of members of that day is the one that says where they were
            members = reverse("lifecycle_members", args=[self.lifecycle.slug])
            asked = self._filterset().as_list | self.past.past.query | {"export": self.request.GET["export"]}
            return redirect(f"{members}?{urlencode(asked)}")
        return super()._file(rows.select_related("person", "account", "stage"), wish)

    def _drawn(self, filterset: Any, rows: QuerySet[Any], wish: pages.Wish) -> dict[str, Any]:
        self.made = self._columns(filterset, rows, wish.sort)
        context = super()._drawn(filterset, rows, wish)
        may_move = rights.may(self.request.user, "move") and not self.past.past
        current = self.request.GET.get("column", "")
        slugs = [column.stage.slug for column in self.made]
        return context | {
            "lifecycle": self.lifecycle,
            "version": self.version,
            "past": self.past,
            "past_url": self.request.path,
            "past_more": then.note(),
            "board": self.made,
            "current": current if current in slugs else slugs[0] if slugs else "",
            "tabs": [(column, self._view(column=column.stage.slug)) for column in self.made],
            "sorts": [
                {"label": _("Newest first"), "url": self._view(sort=""), "current": wish.sort == board.NEWEST},
                {
                    "label": _("Longest in stage"),
                    "url": self._view(sort=board.LONGEST),
                    "current": wish.sort == board.LONGEST,
                },
            ],
            "may_move": may_move,
            "reasons": reasons(self.version) if may_move and self.version else [],
            "stages_held": [column.stage for column in self.made],
            "currency": installation.get("currency"),
            "figures_target": FIGURES,
            "asked": self._asked().urlencode(),
            "narrowed": bool(context["chips"]),
            "open_count": sum(column.figures.count for column in self.made if not column.is_slim),
            "move_whole": _with(
                reverse("lifecycle_board_move", args=[self.lifecycle.slug]), self._asked(), column="", sort=""
            ),
        }

    def _page(self, rows: QuerySet[Any], wish: pages.Wish) -> pages.Page:
        return pages.Page(rows=[None] if self._count() else [], first=1)

    def _total(self, rows: QuerySet[Any]) -> pages.Total:
        return pages.Total(self._count(), True)

    def _count(self) -> int:
        return sum(column.figures.count for column in self.made)

    def _filterset(self) -> filters.Board:
        return filters.Board(self.request.GET, self._seen(), request=self.request)

    def _columns(
        self, filterset: filters.Board, rows: QuerySet[Any], sort: str, *, shown: bool = True
    ) -> list[board.Column]:
        assert self.version is not None
        if self.past.past:
            return self._columns_then(filterset, rows, sort, self.past.past)
        made = board.columns(
            self.version,
            rows,
            sort=sort,
            order=f"board:{sort}",
            now=timezone.now(),
            narrowed=filterset.is_narrow or self._whole is not None,
            shown=shown,
        )
        members = reverse("lifecycle_members", args=[self.lifecycle.slug])
        asked = self._asked()
        asked.pop("column", None)
        for column in made:
            of_list = {"stage": column.stage.slug} | filterset.as_list
            column.links = {
                "members": f"{members}?{urlencode(of_list)}",
                "with_deal": f"{members}?{urlencode(of_list | {'deal': 'yes'})}",
                "move_all": _with(
                    reverse("lifecycle_board_move", args=[self.lifecycle.slug]), asked, all=column.stage.slug
                ),
            }
            if column.more:
                address = reverse("lifecycle_board_column", args=[self.lifecycle.slug, column.stage.slug])
                column.more_url = _with(address, asked, after=column.more)
        return made

    def _columns_then(
        self, filterset: filters.Board, rows: QuerySet[Any], sort: str, day: past.Past
    ) -> list[board.Column]:
        assert self.version is not None
        made = then.columns(self.version, rows, day, sort=sort)
        members = reverse("lifecycle_members", args=[self.lifecycle.slug])
        for column in made:
            url = f"{members}?{urlencode({'stage': column.stage.slug} | filterset.as_list | day.query)}"
            column.links = {"members": url}
            column.rest_url = url if column.cards and len(column.cards) < column.figures.count else ""
        return made


class ColumnCards(Board):
    """More cards of one column, behind those that are there: a fragment for htmx, the members' list for others."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        filterset = self._filterset()
        stage = get_object_or_404(Stage, version=self.version, slug=kwargs["stage"])
        wish = self._wish(filterset)
        if not request.htmx or wish.after is None or self.past.past:  # type: ignore[attr-defined]
            members = reverse("lifecycle_members", args=[self.lifecycle.slug])
            return redirect(f"{members}?{urlencode({'stage': stage.slug} | filterset.as_list | self._then())}")
        cards, more = board.more(
            filterset.qs, stage, of=self.lifecycle.of, sort=wish.sort, after=wish.after, order=self._order(wish),
            now=timezone.now(),
        )  # fmt: skip
        context = {
            "cards": cards,
            "stage": stage,
            "more_url": _with(request.path, self._asked(), after=more) if more else "",
            "may_move": rights.may(request.user, "move"),
            "back": _with(reverse("lifecycle_board", args=[self.lifecycle.slug]), self._asked(), after=""),
        }
        return render(request, "lifecycle/_board_cards.html", context)

    def _then(self) -> dict[str, str]:
        return self.past.past.query if self.past.past else {}

    def _order(self, wish: pages.Wish) -> str:
        return f"board:{wish.sort}"


class BulkForm(Towards):
    """Where to move those that are named, or everybody in a column, or on the whole board, as it was asked for."""

    all = forms.SlugField(max_length=64, required=False)
    whole = forms.BooleanField(required=False)
    asked = forms.CharField(required=False, max_length=5000)


class WhyForm(forms.Form):
    """Why those are moved whom a guard keeps."""

    reason = forms.CharField(max_length=500)


class MoveMany(Board):
    """Moving many: the form for everybody in a column, and the move itself for those or for chosen ones."""

    has_past = False  # only who is somewhere now can be moved

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return rights.needs("move")(super().dispatch)(request, *args, **kwargs)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        assert self.version is not None
        asked = self._asked()
        slug = asked.pop("all", [""])[-1]
        stage = get_object_or_404(Stage, version=self.version, slug=slug) if slug else None
        found = self._everybody(stage, asked)
        context = {
            "lifecycle": self.lifecycle,
            "stage": stage,
            "count": found.count(),
            "asked": asked.urlencode(),
            "back": _with(reverse("lifecycle_board", args=[self.lifecycle.slug]), asked),
            "destinations": [each for each in board.stages_of(self.version) if each != stage],
            "reasons": reasons(self.version),
        }
        return render(request, "lifecycle/board_move.html", context)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        assert self.version is not None
        form = BulkForm(request.POST)
        valid = form.is_valid()
        asked = QueryDict(form.cleaned_data.get("asked", "") if "asked" in form.cleaned_data else "", mutable=True)
        back = _with(reverse("lifecycle_board", args=[self.lifecycle.slug]), asked)
        if not valid:
            messages.error(request, _("Nobody was moved: choose a stage and say why, in 500 letters at most."))
            return redirect(back)
        try:
            members = self._members(form, asked)
            to = form.stage()
            bulk = moving.move(
                self.version, members, to=to, reason=form.cleaned_data["reason"], by=asker(request), now=timezone.now()
            )
        except Stage.DoesNotExist:
            messages.error(request, _("Nobody was moved: that stage does not exist any more. Choose another one."))
        except stages.MoveRefused as refused:
            messages.error(request, _("Nobody was moved: %(why)s") % {"why": refused})
        else:
            if bulk.job:
                return redirect(bulk)
            _tell(request, bulk)
            if moving.kept_by_guard(bulk):  # there they can be moved all the same
                return redirect(bulk)
        return redirect(back)

    def _members(self, form: BulkForm, asked: QueryDict) -> Any:
        if form.cleaned_data["all"]:
            stage = get_object_or_404(Stage, version=self.version, slug=form.cleaned_data["all"])
            return moving.everybody_of(self._everybody(stage, asked))
        if form.cleaned_data["whole"]:
            return moving.everybody_of(self._everybody(None, asked))
        pairs = _pairs(self.request.POST.getlist("member"))
        seen = set(self._seen().filter(pk__in=[pk for pk, _seq in pairs]).values_list("pk", flat=True))
        return moving.chosen(pair for pair in pairs if pair[0] in seen)

    def _everybody(self, stage: Stage | None, asked: QueryDict) -> QuerySet[Membership]:
        filterset = filters.Board(asked, self._seen(), request=self.request)
        if filterset.form.errors:
            # A filter that is not understood must not silently mean everybody.
            raise Http404
        found = filterset.qs.filter(ended_at=None)
        return found.filter(stage=stage) if stage else found


def _tell(request: HttpRequest, bulk: BulkMove) -> None:
    found = moving.outcomes(bulk)
    moved = found.get(OUTCOMES.MOVED, 0)
    skipped = found.get(OUTCOMES.SKIPPED, 0) + found.get(OUTCOMES.ENDED, 0)
    where = bulk.to_stage or _("out of the lifecycle")
    words = ngettext("%(n)s moved to “%(stage)s”.", "%(n)s moved to “%(stage)s”.", moved) % {"n": moved, "stage": where}
    if skipped:
        words += " " + ngettext(
            "%(n)s was skipped: somebody else had moved it first.",
            "%(n)s were skipped: somebody else had moved them first.",
            skipped,
        ) % {"n": skipped}
    if kept := found.get(OUTCOMES.GUARDED, 0):
        words += " " + ngettext(
            "%(n)s stays where it is: a guard keeps this way (%(guard)s).",
            "%(n)s stay where they are: a guard keeps this way (%(guard)s).",
            kept,
        ) % {"n": kept, "guard": moving.guard_in_words(bulk)}
    more = bulk.get_absolute_url()
    if moved:
        offer(request, words, reverse("bulk_undo", args=[bulk.pk]), more=more)
    else:
        messages.warning(request, words, extra_tags=MORE + more)


def _pairs(told: list[str]) -> list[tuple[int, int]]:
    """The chosen members out of “membership:seq”; what is not written so was not written by the page."""
    read = []
    for each in told:
        membership, _colon, seq = each.partition(":")
        if (
            all(part.isascii() and part.isdigit() for part in (membership, seq))
            and len(membership) < 19
            and len(seq) < 10
        ):
            read.append((int(membership), int(seq)))
    return read


def _with(path: str, asked: QueryDict, **changes: str) -> str:
    """An address with what was asked, and some of it otherwise."""
    query = asked.copy()
    for name in ("after", "before", "export"):
        query.pop(name, None)
    for name, value in changes.items():
        query.pop(name, None)
        if value:
            query[name] = value
    return f"{path}?{query.urlencode()}" if query else path


# ---- what came of a bulk move ----


class BulkMoved(pages.ListPage):
    """A bulk move: how far it is, what came of each member, and taking it back."""

    queryset = BulkMember.objects.all()
    filterset_class = filters.BulkMembers
    columns = (
        pages.Column("who", gettext_lazy("Who"), template="lifecycle/_bulk_member.html", value="membership.subject"),
        pages.Column("outcome", gettext_lazy("What came of it"), value="get_outcome_display"),
        pages.Column("why", gettext_lazy("Why not"), value="why"),
        pages.Column("stage", gettext_lazy("In it now"), value="membership.stage"),
        pages.Column("entered_at", gettext_lazy("Since"), value="membership.entered_at"),
    )
    counted = ngettext_lazy("%(shown)s member", "%(shown)s members", "count")
    file_name = "bulk_move"
    template_name = "lifecycle/bulk_move.html"
    empty_title = gettext_lazy("Nobody")
    empty_text = gettext_lazy("The bulk move was of nobody.")
    empty_icon = "users"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        found = BulkMove.objects.select_related("version__lifecycle", "to_stage", "created_by", "job", "undo_job")
        self.bulk = get_object_or_404(found, pk=kwargs["pk"])
        return super().dispatch(request, *args, **kwargs)

    def rows(self) -> QuerySet[BulkMember]:
        return self.bulk.members.select_related("membership__person", "membership__account", "membership__stage")

    def seen(self, rows: QuerySet[BulkMember]) -> QuerySet[BulkMember]:
        return sight.subjects(rows, self.request.user, "membership__subject_id")

    def get_title(self) -> str:
        return str(self.bulk)

    def get_crumbs(self) -> list[tuple[Any, str]]:
        lifecycle = self.bulk.version.lifecycle
        return [
            (str(lifecycle), reverse("lifecycle", args=[lifecycle.slug])),
            (gettext_lazy("Board"), reverse("lifecycle_board", args=[lifecycle.slug])),
            (self.get_title(), ""),
        ]

    def context(self) -> dict[str, Any]:
        now = timezone.now()
        found = moving.outcomes(self.bulk)
        shown_jobs = [job for job in (self.bulk.undo_job, self.bulk.job) if job]
        is_open = any(progress.of(job, now).is_open for job in shown_jobs)
        may = _may_undo(self.bulk, self.request.user)
        kept = moving.kept_by_guard(self.bulk) if may and not is_open else 0
        return {
            "moved_by": self.bulk,
            "lifecycle": self.bulk.version.lifecycle,
            "jobs": [(job, progress.of(job, now)) for job in shown_jobs],
            "is_open": is_open,
            "figures": [(value, label, found[value]) for value, label in OUTCOMES.choices if value in found],
            "may_undo": bool(found.get(OUTCOMES.MOVED)) and may,
            "moved": found.get(OUTCOMES.MOVED, 0),
            "held_back": kept,
            "guard": moving.guard_in_words(self.bulk) if kept else "",
        }


def _may_undo(bulk: BulkMove, user: Any) -> bool:
    return rights.may(user, "move") and (bulk.created_by_id == user.pk or sight.everything(user))


@require_POST
@rights.needs("move")
def bulk_override(request: HttpRequest, pk: int) -> HttpResponse:
    """Move those whom a guard has kept from a bulk move all the same, with a reason of its own."""
    bulk = get_object_or_404(BulkMove.objects.select_related("version__lifecycle", "to_stage"), pk=pk)
    if not _may_undo(bulk, request.user):
        raise Http404
    form = WhyForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Nobody was moved: say why, in 500 letters at most."))
        return redirect(bulk)
    try:
        made = moving.move_kept(bulk, reason=form.cleaned_data["reason"], by=asker(request), now=timezone.now())
    except stages.MoveRefused as refused:
        messages.error(request, _("Nobody was moved: %(why)s") % {"why": refused})
        return redirect(bulk)
    if not made.job:
        _tell(request, made)
    return redirect(made)


@require_POST
@rights.needs("move")
def bulk_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a whole bulk move back: one's own, or anybody's for those who see all whom it moved."""
    bulk = get_object_or_404(BulkMove.objects.select_related("version__lifecycle"), pk=pk)
    if not _may_undo(bulk, request.user):
        raise Http404
    try:
        moving.take_back(bulk, by=asker(request), now=timezone.now())
    except undo.UndoRefused as refused:
        messages.error(request, str(refused))
        return redirect(bulk)
    bulk.refresh_from_db()
    found = moving.outcomes(bulk)
    if not bulk.undo_job and not found.get(OUTCOMES.KEPT):
        messages.success(request, _("Taken back: everybody is where they were. Their time in the stage begins anew."))
    return redirect(wanted(request) or bulk)

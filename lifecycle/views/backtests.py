"""Pages of backtests: asking for one, its figures, whom the two sides treat differently, and all of a lifecycle."""

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

from audience import segments
from audience.importing.forms import SegmentName
from audience.subjects import sight
from audience.views.conditions import counted
from kit import pages, progress, rights, writing
from kit.audit import asker
from kit.sql import Sql, sql
from lifecycle import backtests, filters, forms, querysets
from lifecycle.backtests import recorded, telling
from lifecycle.models import Backtest, Lifecycle, Moved, Movement, Reached, Version

Crumbs = list[tuple[Any, str]]


def _crumbs(lifecycle: Lifecycle, *more: tuple[Any, str]) -> Crumbs:
    above = [(_("Lifecycles"), reverse("lifecycles")), (str(lifecycle), reverse("lifecycle", args=[lifecycle.slug]))]
    return [*above, (_("Backtests"), reverse("backtests", args=[lifecycle.slug])), *more]


def _backtest(pk: int) -> Backtest:
    return get_object_or_404(querysets.backtests(), pk=pk)


@require_GET
def of_lifecycle(request: HttpRequest, slug: str) -> HttpResponse:
    """All results of one lifecycle beside each other."""
    lifecycle = get_object_or_404(Lifecycle, slug=slug)
    found = querysets.backtests().filter(version__lifecycle=lifecycle).order_by("-pk")
    context = {
        "lifecycle": lifecycle,
        "crumbs": _crumbs(lifecycle)[:-1] + [(_("Backtests"), "")],
        "results": [telling.summary(each) for each in found],
        "newest": lifecycle.versions.order_by("-number").first(),
    }
    return render(request, "lifecycle/backtests.html", context)


@rights.needs("edit")
def new(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """What a version is to be tried on."""
    found = get_object_or_404(Version.objects.select_related("lifecycle"), lifecycle__slug=slug, number=number)
    now = timezone.now()
    form = forms.Backtest(request.POST or None, version=found, now=now)
    if form.is_valid():
        try:
            made = backtests.ask(found, form.asked(), by=asker(request), now=now)
            return redirect(made)
        except backtests.BacktestRefused as refused:
            form.add_error(refused.field if refused.field in form.fields else None, str(refused))
    context = {"version": found, "form": form, "crumbs": _crumbs(found.lifecycle, (str(found), ""))}
    return render(request, "lifecycle/backtest_new.html", context, status=400 if form.is_bound else 200)


@require_GET
def shown(request: HttpRequest, pk: int) -> HttpResponse:
    """One backtest: how far it is, or its figures."""
    found = _backtest(pk)
    context = {
        "backtest": found,
        "version": found.version,
        "lifecycle": found.version.lifecycle,
        "crumbs": _crumbs(found.version.lifecycle, (_("Backtest %(n)s") % {"n": found.pk}, "")),
        "question": telling.question(found),
        "job": found.job,
        "progress": progress.of(found.job, timezone.now()) if found.job else None,
        "told": telling.whole(found) if found.result else None,
        "changed": backtests.changed_since(found),
        "is_draft": found.version.state == Version.State.DRAFT,
    }
    return render(request, "lifecycle/backtest.html", context)


@require_POST
@rights.needs("edit")
def take(request: HttpRequest, pk: int) -> HttpResponse:
    """Write a value that was tried into the draft."""
    found = _backtest(pk)
    text = request.POST.get("point", "")
    point = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else -1
    try:
        rule = backtests.take(found, point, by=asker(request), now=timezone.now())
    except backtests.BacktestRefused as refused:
        messages.error(request, str(refused))
        return redirect(found)
    messages.success(request, _("“%(rule)s” asks for %(point)s now.") % {"rule": rule, "point": point})
    return redirect(reverse("lifecycle_version", args=[found.version.lifecycle.slug, found.version.number]) + "#rules")


@require_POST
@rights.needs("edit")
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Throw a result away."""
    found = _backtest(pk)
    try:
        backtests.remove(found, by=asker(request), now=timezone.now())
    except backtests.BacktestRefused as refused:
        messages.error(request, str(refused))
        return redirect(found)
    messages.success(request, _("The backtest is gone."))
    return redirect("backtests", found.version.lifecycle.slug)


OF_SIDES = {"live": ("live_at", "live_stood"), "recorded": ("ledger_at",)}  # columns that say something of a side


class OfBacktest(pages.ListPage):
    """A list behind the figures of a backtest; one of subjects can be kept as a segment."""

    segment_url = ""
    counted = ngettext_lazy("%(shown)s subject", "%(shown)s subjects", "count")
    empty_title = gettext_lazy("Nobody here")
    empty_icon = "users"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.backtest = _backtest(kwargs["pk"])
        sides = (self.backtest.result or {}).get("sides", {})
        absent = {name for side, names in OF_SIDES.items() if side not in sides for name in names}
        self.columns = [column for column in self.columns if column.name not in absent]
        return super().dispatch(request, *args, **kwargs)

    def seen(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return sight.subjects(rows, self.request.user)

    def tools(self) -> list[dict[str, Any]]:
        if not self.segment_url or not rights.may(self.request.user, "edit"):
            return []
        url = f"{reverse(self.segment_url, args=[self.backtest.pk])}?{self.request.GET.urlencode()}"
        return [{"label": _("Save as segment"), "icon": "users-round", "url": url}]

    def context(self) -> dict[str, Any]:
        return {"purpose": telling.question(self.backtest)}

    def get_crumbs(self) -> Crumbs:
        here = (_("Backtest %(n)s") % {"n": self.backtest.pk}, self.backtest.get_absolute_url())
        return _crumbs(self.backtest.version.lifecycle, here, (self.get_title(), ""))


class People(OfBacktest):
    """Who came to the stage that was judged, by which side when, when in truth, and what each has cost."""

    queryset = Reached.objects.all()
    filterset_class = filters.Reached
    columns = (
        pages.Column("subject", gettext_lazy("Who"), template="lifecycle/_member.html", value="subject"),
        pages.Column("tried_at", gettext_lazy("By this version"), sort="tried_at", desc_first=True),
        pages.Column("live_at", gettext_lazy("By the live version"), sort="live_at", desc_first=True),
        pages.Column("ledger_at", gettext_lazy("As recorded"), sort="ledger_at", desc_first=True),
        pages.Column("outcome_at", gettext_lazy("Outcome reached"), sort="outcome_at", desc_first=True),
        pages.Column(
            "cost", gettext_lazy("Share of costs"), sort="cost", value=telling.cost, align="end", desc_first=True
        ),
    )
    file_name = "backtest"
    default_sort = "-tried_at"
    empty_text = gettext_lazy("Nobody came to this stage in the time span, by either side or in truth.")
    segment_url = "backtest_segment"

    def rows(self) -> QuerySet[Reached]:
        return self.backtest.reached.select_related("person__account", "account")

    def get_title(self) -> str:
        return _("Who came to “%(stage)s”") % {"stage": telling.stage_name(self.backtest, self.backtest.stage)}


def _named(field: str, label: Any) -> pages.Column:
    """A column of a stage by its name, beside which `Moved` has only the slug."""
    return pages.Column(field, label, value=lambda row: row.names.get(getattr(row, field), getattr(row, field)))


class MovedByPeople(OfBacktest):
    """Whom a hand, a file or an answer of sales moved in the time span, and where the rules alone would have them."""

    queryset = Moved.objects.all()
    filterset_class = filters.Moved
    columns = (
        pages.Column("subject", gettext_lazy("Who"), template="lifecycle/_member.html", value="subject"),
        pages.Column("cause", gettext_lazy("How"), value="get_cause_display"),
        _named("from_stage", gettext_lazy("From")),
        _named("to_stage", gettext_lazy("To")),
        pages.Column("moved_at", gettext_lazy("Moved"), sort="moved_at", desc_first=True),
        pages.Column("recorded_at", gettext_lazy("Written down"), sort="recorded_at", desc_first=True),
        pages.Column("moves", gettext_lazy("Such moves"), sort="moves", align="end", desc_first=True, aside=True),
        _named("stood", gettext_lazy("At the end, as recorded")),
        _named("tried_stood", gettext_lazy("By this version")),
        _named("live_stood", gettext_lazy("By the live version")),
    )
    file_name = "moved"
    default_sort = "-moved_at"
    empty_text = gettext_lazy("Nobody was moved so in the time span.")
    segment_url = "backtest_moved_segment"

    def rows(self) -> QuerySet[Moved]:
        return self.backtest.moved.select_related("person__account", "account")

    def prepare(self, rows: list[Any]) -> list[Any]:
        names = telling.stage_names(self.backtest)
        for row in rows:
            row.names = names
        return rows

    def get_title(self) -> str:
        return _("Moved by people or files")

    def context(self) -> dict[str, Any]:
        return {
            "purpose": _(
                "The last move of each by hand, a program, a file or an answer of sales from %(from)s until %(until)s, "
                "and where each stood when that ended: as recorded, and by the rules alone. A stage is the same in two "
                "versions when its key is."
            )
            % {"from": writing.day(self.backtest.begins_on), "until": writing.day(self.backtest.ends_on)}
        }


class Movements(OfBacktest):
    """The ledger's moves behind the figures of what truly happened."""

    queryset = Movement.objects.all()
    filterset_class = filters.BacktestMovements
    columns = (
        pages.Column(
            "subject", gettext_lazy("Who"), template="lifecycle/_bulk_member.html", value="membership.subject"
        ),
        pages.Column("from_stage", gettext_lazy("From"), value="from_stage"),
        pages.Column("to_stage", gettext_lazy("To"), value="to_stage"),
        pages.Column("occurred_at", gettext_lazy("Moved"), sort="occurred_at", desc_first=True),
        pages.Column("recorded_at", gettext_lazy("Written down"), sort="recorded_at", desc_first=True),
        pages.Column("kind", gettext_lazy("Kind"), value="get_kind_display"),
        pages.Column("actor", gettext_lazy("By"), value="actor"),
        pages.Column("reason", gettext_lazy("Reason"), value="reason", aside=True),
    )
    counted = ngettext_lazy("%(shown)s move", "%(shown)s moves", "count")
    file_name = "backtest_moves"
    default_sort = "-occurred_at"
    empty_title = gettext_lazy("No moves")
    empty_text = gettext_lazy("Nobody moved so in the time span.")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        request.backtest = _backtest(kwargs["pk"])  # type: ignore[attr-defined]  # the stages to choose from are its stages
        return super().dispatch(request, *args, **kwargs)

    def rows(self) -> QuerySet[Movement]:
        found = recorded.movements(self.backtest)
        return found.select_related("membership__person__account", "membership__account", "from_stage", "to_stage")

    def seen(self, rows: QuerySet[Movement]) -> QuerySet[Movement]:
        return sight.subjects(rows, self.request.user, "membership__subject_id")

    def get_title(self) -> str:
        return _("Moves in the ledger")

    def context(self) -> dict[str, Any]:
        assert self.backtest.result
        return {"purpose": telling.clocks(self.backtest, self.backtest.result["sides"]["recorded"])}


@rights.needs("edit")
def segment(request: HttpRequest, pk: int) -> HttpResponse:
    """A fixed list of those whom the list of a backtest shows."""
    return _segment(request, pk, People(), "backtest_people")


@rights.needs("edit")
def moved_segment(request: HttpRequest, pk: int) -> HttpResponse:
    """A fixed list of those whom the list of people who were moved shows."""
    return _segment(request, pk, MovedByPeople(), "backtest_moved")


def _segment(request: HttpRequest, pk: int, page: OfBacktest, list_url: str) -> HttpResponse:
    page.setup(request, pk=pk)
    page.backtest = _backtest(pk)
    filterset = page._filterset()
    assert filterset is not None
    there = filterset.qs.order_by().values("subject_id")
    number, of = there.count(), page.backtest.version.lifecycle.of
    form = SegmentName(request.POST or None)
    if form.is_valid() and number:
        members = sql("SELECT listed.id AS subject_id FROM ({}) listed (id)", Sql(*there.query.sql_with_params()))
        name = form.cleaned_data["name"]
        made = segments.create_list(name, of=of, members=members, by=asker(request), now=timezone.now())
        messages.success(request, _("“%(segment)s” is kept.") % {"segment": made})
        return redirect(made)
    context = {
        "form": form,
        "number": number,
        "counted": counted(number, of),
        "scope": page.get_title(),
        "chips": page._chips(filterset),
        "list_url": f"{reverse(list_url, args=[pk])}?{request.GET.urlencode()}",
        "crumbs": page.get_crumbs(),
    }
    return render(request, "audience/segment_of_list.html", context, status=400 if form.is_bound else 200)

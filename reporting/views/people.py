"""The rows behind a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.db.models import IntegerField, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django_filters import FilterSet

from audience import segments
from audience.importing import forms
from audience.subjects import sight
from audience.views.conditions import counted
from kit import pages, rights, writing
from kit.audit import asker
from kit.models import User
from kit.sql import Sql, rows, sql, value
from kit.statistics import Counts
from lifecycle.models import Membership
from reporting import addresses, figures, filters, known, plans
from reporting import funnel as funnels
from reporting.addresses import Figure, NotAsked
from reporting.metrics.metric import Extra, Metric
from reporting.models import StageEntry
from reporting.questions import Question


class People(pages.ListPage):
    """The rows that one figure counts: who, from where, to where, when."""

    template_name = "reporting/people.html"
    counted = ngettext_lazy("%(shown)s row", "%(shown)s rows", "count")
    empty_title = gettext_lazy("Nobody")
    empty_text = gettext_lazy("The figure is 0: nobody is behind it in this time span.")
    empty_icon = "users"
    file_name = "people"
    parameters = addresses.PARAMETERS

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            self.ask(request)
        except NotAsked as refused:
            return _no_such(request, refused)
        return super().get(request, *args, **kwargs)

    def ask(self, request: HttpRequest) -> None:
        """The figure that the address names. Raises NotAsked when it names none."""
        lifecycle = next((each for each in plans.readable() if each.slug == request.GET.get("lifecycle")), None)
        if lifecycle is None:
            raise NotAsked(_("The address names no published lifecycle."))
        plan = plans.read(lifecycle)
        assert plan is not None
        now = timezone.now()
        self.figure, self.notes = addresses.read_figure(request.GET, plan, funnels.today(now), now)
        metric, question = self.figure.metric, self.figure.question
        with known.entries(question) as then:
            self.ids = metric.people(then, self.figure.part)
            if question.is_past:  # what there was then is gone when the list is drawn
                self.ids = sql("SELECT unnest({}::bigint[])", [row[0] for row in rows(self.ids)])
            self.count = value(sql("SELECT count(*) FROM ({}) behind", self.ids))
            self.parts = _parts(Figure(then, metric, self.figure.part), self.count)
        if metric.unit == "membership":
            self.queryset, self.filterset_class = Membership.objects.all(), filters.Memberships
            self.columns, self.default_sort = _member_columns(), ""
        else:
            self.queryset, self.filterset_class = StageEntry.objects.all(), filters.Entries
            self.columns, self.default_sort = _entry_columns(plan, metric, metric.told_of(question)), "-occurred_at"

    def rows(self) -> QuerySet[Any]:
        found = self.queryset.filter(pk__in=RawSQL(self.ids.text, self.ids.params))  # noqa: S611 - values are bound
        if self.queryset.model is Membership:
            return found.select_related("person", "account")
        if self.figure.metric.days:
            days = self.figure.metric.days(self.figure.question)
            found = found.annotate(days=RawSQL(days.text, days.params, output_field=IntegerField()))  # noqa: S611
        for extra in self.figure.metric.told_of(self.figure.question):
            told = extra.value(self.figure.question)
            found = found.annotate(**{extra.name: RawSQL(told.text, told.params, output_field=extra.field)})  # noqa: S611
        return found.select_related("membership__person", "membership__account")

    def seen(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return sight.subjects(rows, self.request.user, self.path)

    @property
    def path(self) -> str:
        """From a row to its subject."""
        return "subject_id" if self.queryset.model is Membership else "membership__subject_id"

    def tools(self) -> Sequence[dict[str, Any]]:
        if not rights.may(self.request.user, "edit"):
            return ()
        url = f"{reverse('report_people_segment')}?{self._view().partition('?')[2]}"
        return ({"label": _("Save as segment"), "icon": "users-round", "url": url},)

    def get_title(self) -> str:
        return self.figure.metric.title(self.figure.question)

    def context(self) -> dict[str, Any]:
        question, days = self.figure.question, _days(self.figure, self.ids)
        return {
            "purpose": _scope(question),
            "crumbs": [(_("Reports"), ""), _report(self.figure), (self.get_title(), "")],
            "metric": self.figure.metric,
            "count": self.count,
            "parts": self.parts,
            "days": days,
            "median": figures.in_days(days.median) if days and days.median is not None else "",
            "subjects": value(sql("SELECT count(DISTINCT subject_id) FROM ({}) whose", self._subjects())),
        }

    def _subjects(self) -> Sql:
        if self.queryset.model is Membership:
            return sql("SELECT subject_id FROM lifecycle_membership WHERE id IN ({})", self.ids)
        return sql(
            """SELECT membership.subject_id FROM lifecycle_membership membership
               JOIN reporting_stageentry entry ON entry.membership_id = membership.id WHERE entry.id IN ({})""",
            self.ids,
        )

    def _misunderstood(self, filterset: FilterSet | None) -> list[str]:
        return [*self.notes, *super()._misunderstood(filterset)]


@rights.needs("edit")
def segment(request: HttpRequest) -> HttpResponseBase:
    """A fixed list of those behind a figure, as its list shows them."""
    page = People()
    page.setup(request)
    try:
        page.ask(request)
    except NotAsked as refused:
        return _no_such(request, refused)
    filterset = page._filterset()
    assert filterset is not None  # either list of a figure is filtered
    there = filterset.qs.order_by().values(page.path).distinct()
    number, of = there.count(), page.figure.question.plan.lifecycle.of
    form = forms.SegmentName(request.POST or None)
    if form.is_valid() and number:
        members = sql("SELECT listed.id AS subject_id FROM ({}) listed (id)", Sql(*there.query.sql_with_params()))
        name = form.cleaned_data["name"]
        made = segments.create_list(name, of=of, members=members, by=asker(request), now=timezone.now())
        messages.success(request, _("“%(segment)s” is kept.") % {"segment": made})
        return redirect(made)
    back = f"{reverse('report_people')}?{request.GET.urlencode()}"
    context = {
        "form": form,
        "number": number,
        "counted": counted(number, of),
        "scope": f"{page.get_title()}. {_scope(page.figure.question)}",
        "list_url": back,
        "crumbs": [(_("Reports"), ""), (page.get_title(), back), (_("Save as segment"), "")],
    }
    return render(request, "audience/segment_of_list.html", context, status=400 if form.is_bound else 200)


def _no_such(request: HttpRequest, refused: NotAsked) -> HttpResponse:
    context = {"reason": str(refused), "title": _("No such figure")}
    return render(request, "reporting/people_unknown.html", context, status=404)


def _entry_columns(plan: plans.Plan, metric: Metric, extras: Sequence[Extra]) -> tuple[pages.Column, ...]:
    days = pages.Column("days", _("Days"), sort="days", align="end", desc_first=True)
    return (
        pages.Column("name", _("Name"), value=_subject, template="reporting/_subject.html", whole=True),
        pages.Column("address", _("Email or domain"), value=_address),
        pages.Column("from_stage", _("From"), value=lambda row: plan.label(row.from_stage)),
        pages.Column("to_stage", _("To"), value=lambda row: plan.label(row.to_stage)),
        pages.Column("occurred_at", _("Moved"), sort="occurred_at", desc_first=True),
        pages.Column("evidence_day", _("Date of the fact"), sort="evidence_day", desc_first=True),
        *((days,) if metric.days else ()),
        *(_extra(extra) for extra in extras),
    )


def _extra(extra: Extra) -> pages.Column:
    return pages.Column(extra.name, extra.label, sort=extra.name, align="end" if extra.ends else "start")


def _member_columns() -> tuple[pages.Column, ...]:
    return (
        pages.Column("name", _("Name"), value=_subject, template="reporting/_subject.html", whole=True),
        pages.Column("address", _("Email or domain"), value=_address),
        pages.Column("reason", _("Left out because"), value=lambda row: _subject(row).excluded_reason),
    )


def _subject(row: Any) -> Any:
    membership = row if isinstance(row, Membership) else row.membership
    return membership.person or membership.account


def _address(row: Any) -> str:
    subject = _subject(row)
    return getattr(subject, "email", "") or getattr(subject, "domain", "")


# The report that shows a metric, where that is not the funnel.
SHOWN_ON: dict[str, tuple[str, Any]] = {
    **dict.fromkeys(
        ("acceptance", "attainment", "time_to_accept", "accepted_so_fast"),
        ("report_handoffs", gettext_lazy("Hand-offs")),
    ),
    "corrections": ("ledger", gettext_lazy("Ledger")),
    "stalled": ("report_partners", gettext_lazy("Partners")),
    **dict.fromkeys(
        ("throughput", "age", "survival", "onward", "latest_time", "cumulative_time", "first_touch"),
        ("report_time", gettext_lazy("Time")),
    ),
    **dict.fromkeys(
        ("recycled", "time_until_return", "detoured_wins", "detour_value", "neglect", "first_and_repeat"),
        ("report_loops", gettext_lazy("Loops")),
    ),
}


def _report(shown: Figure) -> tuple[str, str]:
    """The step of the breadcrumbs that leads back to the report, which asks the same question."""
    name, label = SHOWN_ON.get(shown.metric.name, ("report_funnel", gettext_lazy("Funnel")))
    more = {"stage": shown.question.stage} if name in ("report_handoffs", "report_time") else {}
    return str(label), addresses.page(name, shown.question, **more)


def _scope(question: Question) -> str:
    """What the figure is about besides its stage: lifecycle, time span, part."""
    words = _("%(lifecycle)s, %(window)s") % {"lifecycle": question.plan.lifecycle, "window": question.window}
    if question.past:
        words += " · " + _("as of %(day)s") % {"day": writing.day(question.past)}
    if question.known:
        words += " · " + _("as known before %(day)s") % {"day": writing.day(question.known)}
    if question.owner is not None:
        words += " · " + _("owner: %(who)s") % {"who": _owner(question.owner)}
    if question.split is None or question.bucket is None:
        return words
    bucket = {"field": question.split.label, "value": question.split.called(question.bucket)}
    return f"{words} · " + _("%(field)s: %(value)s") % bucket


def _owner(number: str) -> str:
    user = User.objects.filter(pk=int(number)).first() if number else None
    return str(user) if user else _("nobody")


def _parts(shown: Figure, count: int) -> list[dict[str, Any]]:
    """The figure and what it was counted from, each with its list."""
    metric, question = shown.metric, shown.question
    parts = []
    for part, label in metric.parts.items():
        ids = metric.people(question, part)
        parts.append(
            {
                "label": label,
                "count": count if part == shown.part else value(sql("SELECT count(*) FROM ({}) behind", ids)),
                "url": addresses.people(question, metric.name, part),
                "current": part == shown.part,
            }
        )
    return parts


def _days(shown: Figure, ids: Sql) -> Counts | None:
    """The durations of the rows listed, where the figure is about durations."""
    if shown.metric.days is None:
        return None
    days = shown.metric.days(shown.question)
    return Counts(rows(sql("SELECT {}, count(*) FROM reporting_stageentry WHERE id IN ({}) GROUP BY 1", days, ids)))

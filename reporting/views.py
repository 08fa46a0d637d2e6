"""Pages of reports: the funnel, the people behind a figure, and the ledger check."""

from __future__ import annotations

from datetime import datetime
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
from django.views.decorators.http import require_GET, require_POST
from django_filters import FilterSet

from kit import exports, hints, jobs, pages, progress, rights, writing
from kit.models import Job, User
from kit.sql import Sql, rows, sql, value
from kit.statistics import Counts
from lifecycle.models import Lifecycle, Membership, Version
from reporting import addresses, figures, filters, integrity, metrics, plans, splits, windows
from reporting import funnel as funnels
from reporting.addresses import Figure, NotAsked
from reporting.models import Fill, LedgerCheck, StageEntry
from reporting.questions import Question

STALE = 90  # seconds after which somebody who looks has the figures brought up to date at once


# ---- the funnel ----


@require_GET
def funnel(request: HttpRequest) -> HttpResponseBase:
    """The funnel of a lifecycle in a window; as a page, as its part for htmx, or as a file."""
    now = timezone.now()
    lifecycles = plans.readable()
    if not lifecycles:
        return render(request, "reporting/funnel_empty.html")
    lifecycle, notes = addresses.choose(request.GET, lifecycles)
    plan = plans.read(lifecycle)
    assert plan is not None
    asked = addresses.read(request.GET, plan, funnels.today(now))
    question = asked.question
    answer = funnels.answer(question)
    if request.GET.get("export") == "csv":
        return exports.csv_response(f"funnel-{lifecycle.slug}", *figures.as_rows(answer))
    _bring_up_to_date(lifecycle, answer.filled_at, now)
    context = {
        "answer": answer,
        "question": question,
        "lifecycle": lifecycle,
        "notes": (*notes, *asked.notes),
        "choices": _choices(lifecycles, asked),
        "headline": figures.headline(answer),
        "remarks": figures.remarks(answer),
        "bars": figures.bars(answer),
        "ledger": figures.ledger(answer),
        "conversions": figures.conversions(answer),
        "durations": figures.durations(answer),
        "split": figures.split(answer),
        "last_day": writing.day(question.window.last),
        "basis": figures.basis(answer),
        "widest": answer.everybody.widest,
        "metrics": metrics.ALL.values(),
        "left_out": figures.counted(question.about(split=None), "excluded", answer.excluded),
        "export_view": addresses.funnel(question, export="csv"),
        "is_empty": not any(row.balance_end or row.in_flow or row.out_flow for row in answer.everybody.rows),
        **_replay(plan.version, now),
    }
    return pages.part(request, "funnel", "reporting/_funnel.html", "reporting/funnel.html", context)


def _choices(lifecycles: list[Lifecycle], asked: addresses.Asked) -> dict[str, Any]:
    question = asked.question
    within = [(days, _("within %(days)s days") % {"days": days}) for days in addresses.WITHIN]
    if question.within is not None and question.within not in addresses.WITHIN:
        within.append((question.within, _("within %(days)s days") % {"days": question.within}))
    return {
        "lifecycles": [(lifecycle.slug, lifecycle.name) for lifecycle in lifecycles],
        "windows": windows.Preset.choices,
        "window": asked.preset,
        "within": within,
        "splits": [(split.name, split.label) for split in splits.offered(question.plan.lifecycle.of)],
    }


def _replay(version: Version, now: datetime) -> dict[str, Any]:
    """The job that replays the version's history, while it is not done."""
    job = version.job
    if version.state != Version.State.PUBLISHING or job is None:
        return {}
    return {"job": job, "progress": progress.of(job, now)}


def _bring_up_to_date(lifecycle: Lifecycle, filled_at: datetime | None, now: datetime) -> None:
    if filled_at is None or (now - filled_at).total_seconds() > STALE:
        hints.later("reporting.tasks.fill_lifecycle", lifecycle.pk)


# ---- the people behind a figure ----


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
            self._ask(request)
        except NotAsked as refused:
            context = {"reason": str(refused), "title": _("No such figure")}
            return render(request, "reporting/people_unknown.html", context, status=404)
        return super().get(request, *args, **kwargs)

    def _ask(self, request: HttpRequest) -> None:
        lifecycle = next((each for each in plans.readable() if each.slug == request.GET.get("lifecycle")), None)
        if lifecycle is None:
            raise NotAsked(_("The address names no published lifecycle."))
        plan = plans.read(lifecycle)
        assert plan is not None
        self.figure, self.notes = addresses.read_figure(request.GET, plan, funnels.today(timezone.now()))
        metric, question = self.figure.metric, self.figure.question
        self.ids = metric.people(question, self.figure.part)
        self.count = value(sql("SELECT count(*) FROM ({}) behind", self.ids))
        if metric.unit == "membership":
            self.queryset, self.filterset_class = Membership.objects.all(), filters.Memberships
            self.columns, self.default_sort = _member_columns(), ""
        else:
            self.queryset, self.filterset_class = StageEntry.objects.all(), filters.Entries
            self.columns, self.default_sort = _entry_columns(plan, with_days=metric.days is not None), "-occurred_at"

    def rows(self) -> QuerySet[Any]:
        found = self.queryset.filter(pk__in=RawSQL(self.ids.text, self.ids.params))  # noqa: S611 - values are bound
        if self.queryset.model is Membership:
            return found.select_related("person", "account")
        if self.figure.metric.days:
            days = self.figure.metric.days(self.figure.question)
            found = found.annotate(days=RawSQL(days.text, days.params, output_field=IntegerField()))  # noqa: S611
        return found.select_related("membership__person", "membership__account")

    def get_title(self) -> str:
        return self.figure.metric.title(self.figure.question)

    def context(self) -> dict[str, Any]:
        question, days = self.figure.question, _days(self.figure, self.ids)
        return {
            "purpose": _scope(question),
            "crumbs": [(_("Reports"), ""), (_("Funnel"), addresses.funnel(question)), (self.get_title(), "")],
            "metric": self.figure.metric,
            "count": self.count,
            "parts": _parts(self.figure, self.count),
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


def _entry_columns(plan: plans.Plan, *, with_days: bool) -> tuple[pages.Column, ...]:
    days = pages.Column("days", _("Days"), sort="days", align="end", desc_first=True)
    return (
        pages.Column("name", _("Name"), value=_subject, template="reporting/_subject.html", whole=True),
        pages.Column("address", _("Email or domain"), value=_address),
        pages.Column("from_stage", _("From"), value=lambda row: plan.label(row.from_stage)),
        pages.Column("to_stage", _("To"), value=lambda row: plan.label(row.to_stage)),
        pages.Column("occurred_at", _("Moved"), sort="occurred_at", desc_first=True),
        pages.Column("evidence_day", _("Date of the fact"), sort="evidence_day", desc_first=True),
        *((days,) if with_days else ()),
    )


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


def _scope(question: Question) -> str:
    """What the figure is about besides its stage: lifecycle, time span, part."""
    words = _("%(lifecycle)s, %(window)s") % {"lifecycle": question.plan.lifecycle, "window": question.window}
    if question.split is None or question.bucket is None:
        return words
    bucket = {"field": question.split.label, "value": question.split.called(question.bucket)}
    return f"{words} · " + _("%(field)s: %(value)s") % bucket


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


# ---- the ledger check ----


@require_GET
def ledger(request: HttpRequest) -> HttpResponse:
    """The last check of each lifecycle's ledger, and the job that is at it."""
    now = timezone.now()
    newest = LedgerCheck.objects.order_by("lifecycle", "-checked_at").distinct("lifecycle")
    checks = {check.lifecycle_id: check for check in newest}
    fills = {fill.lifecycle_id: fill for fill in Fill.objects.all()}
    job = Job.objects.filter(kind=integrity.JOB).order_by("-created_at").first()
    context = {
        "lifecycles": [
            {"lifecycle": each, "check": checks.get(each.pk), "fill": fills.get(each.pk)} for each in plans.readable()
        ],
        "job": job,
        "progress": progress.of(job, now) if job else None,
    }
    return render(request, "reporting/ledger.html", context)


@require_POST
@rights.needs("operate")
def check_ledger(request: HttpRequest) -> HttpResponse:
    """Check all ledgers in the background; one check at a time."""
    if Job.objects.filter(kind=integrity.JOB, state__in=jobs.OPEN).exists():
        messages.info(request, _("A check is under way already."))
    else:
        by = request.user if isinstance(request.user, User) else None
        jobs.enqueue(integrity.JOB, {}, by=by, now=timezone.now(), title=_("Ledger check"))
        messages.success(request, _("The check has begun; this page shows how far it is."))
    return redirect(reverse("ledger"))

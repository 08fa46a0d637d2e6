"""The page of those who are stuck in a lifecycle, and what can be made of them: a segment that keeps itself."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import BooleanField, IntegerField, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy
from django.views.decorators.http import require_GET, require_POST

from audience import live, segments
from audience.conditions.tree import ConditionError
from audience.subjects import sight
from kit import installation, pages, rights, writing
from kit.audit import asker
from kit.sql import Sql, sql
from lifecycle import filters, querysets
from lifecycle.engine import stalled
from lifecycle.models import Lifecycle, Membership, Stage


def _owner(row: Membership) -> Any:
    subject = row.subject
    return subject.owner if subject else None


class Stalled(pages.ListPage):
    """Who is stuck, the longest there first."""

    queryset = Membership.objects.all()
    filterset_class = filters.Stalled
    columns = (
        pages.Column("subject", gettext_lazy("Who"), template="lifecycle/_member.html", value="subject", whole=True),
        pages.Column("stage", gettext_lazy("Stage"), value="stage"),
        pages.Column("entered_at", gettext_lazy("In it since"), sort="entered_at"),
        pages.Column("days_in", gettext_lazy("Days"), align="end"),
        pages.Column("usual", gettext_lazy("Nine of ten left within"), align="end"),
        pages.Column("why", gettext_lazy("Why"), value=lambda row: _why(row)),
        pages.Column("owner", gettext_lazy("Owner"), value=_owner),
    )
    counted = ngettext_lazy("%(shown)s member", "%(shown)s members", "count")
    default_sort = "entered_at"
    file_name = "stalled"
    template_name = "lifecycle/stalled.html"
    empty_icon = "circle-check"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.lifecycle = get_object_or_404(Lifecycle, slug=kwargs["slug"])
        request.lifecycle = self.lifecycle  # type: ignore[attr-defined]  # the stages to choose from are its stages
        self.days = filters.days_of(request.GET.get("days"))
        self.now = timezone.now()
        return super().dispatch(request, *args, **kwargs)

    def get_title(self) -> str:
        return _("Stalled in %(lifecycle)s") % {"lifecycle": self.lifecycle}

    @property
    def purpose(self) -> Any:  # type: ignore[override]
        words = _(
            "In their stage for longer than nine of ten who left it, or past its limit, and nothing came from them, "
            "nor went from human to human, for %(days)s."
        )
        days = ngettext("%(days)s day", "%(days)s days", self.days) % {"days": writing.number(self.days)}
        return words % {"days": days}

    @property
    def empty_title(self) -> Any:  # type: ignore[override]
        return _("Nobody is stuck") if stalled.is_measured(self.lifecycle, self.now) else _("Nobody is past a limit")

    @property
    def empty_text(self) -> Any:  # type: ignore[override]
        if not stalled.is_measured(self.lifecycle, self.now):
            return _(
                "How long stays usually last is measured tonight; from tomorrow on it is told who is there longer."
            )
        return _("Everybody has moved on in the usual time, or somebody has stirred lately.")

    def get_crumbs(self) -> list[tuple[Any, str]]:
        return [
            (gettext_lazy("Lifecycles"), reverse("lifecycles")),
            (str(self.lifecycle), reverse("lifecycle", args=[self.lifecycle.slug])),
            (gettext_lazy("Stalled"), ""),
        ]

    def rows(self) -> QuerySet[Membership]:
        stuck = stalled.of(self.lifecycle, at=self.now + live.INSTANT, days=self.days)
        found = querysets.members(self.lifecycle).select_related("person__owner", "account__owner").filter(
            ended_at=None, subject_id__in=_column(stuck, "subject_id")
        )  # fmt: skip
        zone = installation.zone()
        today = self.now.astimezone(zone).date()
        days_in = sql("({}::date - (lifecycle_membership.entered_at AT TIME ZONE {})::date)", today, str(zone))
        usual = sql(
            """(SELECT u.days FROM lifecycle_usualstay u JOIN lifecycle_stage g ON g.slug = u.stage
                WHERE g.id = lifecycle_membership.stage_id AND u.lifecycle_id = lifecycle_membership.lifecycle_id
                ORDER BY u.day > {}, CASE WHEN u.day <= {} THEN {} - u.day ELSE u.day - {} END LIMIT 1)""",
            today, today, today, today,
        )  # fmt: skip
        late = sql("COALESCE(lifecycle_membership.due_at < {}, false)", self.now)
        return found.annotate(
            days_in=_raw(days_in, IntegerField()),
            usual=_raw(usual, IntegerField()),
            is_late=_raw(late, BooleanField()),
        )

    def seen(self, rows: QuerySet[Membership]) -> QuerySet[Membership]:
        return sight.subjects(rows, self.request.user)

    def context(self) -> dict[str, Any]:
        asked = {name: value for name, value in self.request.GET.items() if name in ("stage", "days") and value}
        return {
            "lifecycle": self.lifecycle,
            "measured": stalled.usual(self.lifecycle),
            "segment_url": f"{reverse('lifecycle_stalled_segment', args=[self.lifecycle.slug])}?{urlencode(asked)}",
            "may_segment": rights.may(self.request.user, "edit"),
            "is_narrower": any(self.request.GET.get(name) for name in ("owner", "why", "q")),
        }


def _raw(statement: Sql, field: Any) -> RawSQL:
    return RawSQL(statement.text, statement.params, output_field=field)  # noqa: S611 - values are bound


def _column(statement: Sql, name: str) -> RawSQL:
    told = sql(f"SELECT {name} FROM ({{}}) told", statement)
    return RawSQL(told.text, told.params)  # noqa: S611 - values are bound


def _why(row: Any) -> str:
    over = [str(stalled.Why.LONG.label)] if row.usual is not None and row.days_in > row.usual else []
    return "; ".join(over + ([str(stalled.Why.LIMIT.label)] if row.is_late else []))


@require_GET
def counts(request: HttpRequest, slug: str) -> HttpResponse:
    """How many are stuck in each stage, as the board and the home page ask once they are drawn."""
    lifecycle = get_object_or_404(Lifecycle, slug=slug)
    now = timezone.now()
    seen = sight.clause(request.user, Sql("stuck.subject_id"))
    found = stalled.counts(lifecycle, at=now + live.INSTANT, seen=seen)
    named = {each.slug: each.name for each in Stage.objects.filter(version__lifecycle=lifecycle).order_by("version")}
    url = reverse("lifecycle_stalled", args=[slug])
    told = [(named[stage], count, f"{url}?{urlencode({'stage': stage})}") for stage, count in found.items()]
    context = {
        "lifecycle": lifecycle,
        "stuck": sorted(told, key=lambda each: -each[1]),
        "total": sum(found.values()),
        "is_measured": stalled.is_measured(lifecycle, now),
    }
    return render(request, "lifecycle/_stalled_counts.html", context)


@require_POST
@rights.needs("edit")
def segment(request: HttpRequest, slug: str) -> HttpResponse:
    """A segment of those who are stuck, in a stage or in any, which keeps itself from now on."""
    lifecycle = get_object_or_404(Lifecycle, slug=slug)
    stage, days = request.GET.get("stage", "").replace("\x00", ""), filters.days_of(request.GET.get("days"))
    found = Stage.objects.filter(version__lifecycle=lifecycle, slug=stage).order_by("-version__number").first()
    if stage and found is None:
        messages.error(request, _("There is no such stage any more: nothing was made."))
        return redirect("lifecycle_stalled", slug)
    name = _("Stalled in %(where)s") % {"where": f"{lifecycle}: {found}" if found else str(lifecycle)}
    try:
        made = segments.create(
            name, of=lifecycle.of, condition=stalled.condition(lifecycle, stage, days), by=asker(request),
            now=timezone.now(),
        )  # fmt: skip
    except (segments.Refused, ConditionError) as refused:
        messages.error(request, str(refused))
        return redirect("lifecycle_stalled", slug)
    told = _("“%(segment)s” keeps itself: whoever is stuck enters, whoever stirs leaves.")
    messages.success(request, told % {"segment": made})
    return redirect(made)

"""The pages of lift: all campaigns, one of them, and the people behind a figure."""

from __future__ import annotations

from typing import Any

from django.db.models import DateField, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET

from audience.subjects import sight
from campaigns.models import Campaign, Enrollment
from kit import exports, pages
from kit.sql import rows, sql
from reporting import campaigns as asking_campaigns
from reporting import filters, freshness, metrics
from reporting import funnel as funnels
from reporting import lift as lifts
from reporting.figures import lift as figures
from reporting.figures.sheet import Choice
from reporting.views import asking

TITLE = gettext_lazy("Lift")
PURPOSE = gettext_lazy("What campaigns add: who came further because of them, and who would have anyway.")


@require_GET
def overview(request: HttpRequest) -> HttpResponseBase:
    """All campaigns that have members; as a page, as its part for htmx, or as a file."""
    now = timezone.now()
    campaigns = list(lifts.with_members())
    chosen = request.GET.get("lifecycle", "")
    shown = [each for each in campaigns if not chosen or (each.lifecycle and each.lifecycle.slug == chosen)]
    answers = lifts.answers(asking_campaigns.ask(shown, funnels.today(now)))
    if exports.wanted(request):
        heads, lines = figures.as_rows(answers)
        return exports.download(request, "lift", heads, lines, count=len(lines), now=now)
    lifecycles = {each.lifecycle.slug: each.lifecycle for each in campaigns if each.lifecycle}
    offered = [(slug, each.name) for slug, each in sorted(lifecycles.items(), key=lambda item: item[1].name)]
    context: dict[str, Any] = {"title": TITLE, "purpose": PURPOSE, "filled_at": _filled(lifecycles.values(), now)}
    if campaigns:
        context["ask"] = {
            "url": reverse("report_lift"),
            "before": [Choice("lifecycle", _("Lifecycle"), [("", _("all")), *offered], chosen)],
            "export": f"{reverse('report_lift')}?export=csv&lifecycle={chosen if chosen in lifecycles else ''}",
        }
    return asking.report(request, figures.overview(answers, lifts.styles(shown)), context)


@require_GET
def campaign(request: HttpRequest, slug: str) -> HttpResponseBase:
    """What one campaign led to."""
    now = timezone.now()
    found = _campaign(slug)
    answer = lifts.answer(asking_campaigns.ask([found], funnels.today(now))[0])
    context = {
        "title": found.name,
        "purpose": figures.in_a_sentence(answer) or PURPOSE,
        "filled_at": _filled([found.lifecycle] if found.lifecycle else [], now),
        "sheet": figures.sheet(answer, lifts.gain(answer)),
        "campaign": found,
    }
    return render(request, "reporting/lift.html", context)


def _campaign(slug: str) -> Campaign:
    return get_object_or_404(Campaign.objects.select_related("lifecycle"), slug=slug)


def _filled(lifecycles: Any, now: Any) -> Any:
    """When the tables that figures come from were filled last; the oldest of several."""
    filled = [freshness.bring_up_to_date(lifecycle, now) for lifecycle in lifecycles]
    known = [each for each in filled if each]
    return min(known) if known else None


class Assigned(pages.ListPage):
    """Who is behind one figure of a campaign's lift: in which group, since when, and when they came to the outcome."""

    queryset = Enrollment.objects.all()
    template_name = "reporting/lift_people.html"
    filterset_class = filters.Enrollments
    counted = ngettext_lazy("%(shown)s row", "%(shown)s rows", "count")
    empty_title = gettext_lazy("Nobody")
    empty_text = gettext_lazy("The figure is 0: nobody is behind it.")
    empty_icon = "users"
    file_name = "assigned"
    default_sort = "-entered_at"
    parameters = ("metric", "part")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        name, self.part = request.GET.get("metric", ""), request.GET.get("part", "")
        metric = metrics.CAMPAIGNS.get(name)
        if metric is None or self.part not in metric.parts:
            reason = _("There is no figure called “%(name)s”.") % {"name": f"{name} {self.part}"[:40].strip()}
            return render(
                request, "reporting/people_unknown.html", {"reason": reason, "title": _("No such figure")}, status=404
            )
        self.metric = metric
        [self.question] = asking_campaigns.ask([_campaign(kwargs["slug"])], funnels.today(timezone.now()))
        self.told = dict(rows(sql("SELECT id, reached_on FROM ({}) behind", metric.rows(self.question, self.part))))
        self.columns = (
            pages.Column("name", _("Name"), value=_subject, template="reporting/_assigned.html", whole=True),
            pages.Column("address", _("Email or domain"), value=_address),
            pages.Column("group", _("Group"), value=_group),
            pages.Column("entered_at", _("Assigned"), sort="entered_at", desc_first=True),
            pages.Column("reached_on", _("Came to the outcome"), sort="reached_on", desc_first=True),
            pages.Column("state", _("In the campaign"), value=lambda row: row.get_state_display()),
        )
        return super().get(request, *args, **kwargs)

    def rows(self) -> QuerySet[Any]:
        ids = sorted(self.told)
        reached = RawSQL(  # noqa: S611 - values are bound
            "(%s::date[])[width_bucket(campaigns_enrollment.id, %s::bigint[])]",
            ([self.told[each] for each in ids], ids),
            output_field=DateField(),
        )
        found = self.queryset.filter(pk__in=ids).annotate(reached_on=reached)
        return found.select_related("person", "account")

    def seen(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return sight.subjects(rows, self.request.user)

    def get_title(self) -> str:
        label = str(self.metric.parts[self.part].label)
        return _("%(campaign)s: %(part)s") % {"campaign": self.question.campaign, "part": label}

    def context(self) -> dict[str, Any]:
        campaign = self.question.campaign
        counts = self.metric.counts([self.question]).get(campaign.pk, {})
        parts = [
            {
                "label": part.label, "count": counts.get(name, 0), "current": name == self.part,
                "url": asking_campaigns.people(campaign, self.metric.name, name),
            }
            for name, part in self.metric.parts.items()
            if counts.get(name, 0) or name == self.part
        ]  # fmt: skip
        crumbs = [
            (_("Reports"), ""), (str(TITLE), reverse("report_lift")), (campaign.name, asking_campaigns.page(campaign)),
            (str(self.metric.parts[self.part].label), ""),
        ]  # fmt: skip
        return {"crumbs": crumbs, "metric": self.metric, "parts": parts, "count": len(self.told)}


def _subject(row: Enrollment) -> Any:
    return row.person or row.account


def _address(row: Enrollment) -> str:
    subject = _subject(row)
    return getattr(subject, "email", "") or getattr(subject, "domain", "")


def _group(row: Enrollment) -> str:
    return _("Holdout") if row.state == Enrollment.State.HOLDOUT else _("Treatment")

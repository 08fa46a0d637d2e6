"""Filters of the lists of campaigns and of those who go through one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from audience.subjects.filters import OneOf
from campaigns import counts, wording
from campaigns.models import Campaign, Content, Enrollment, Letter, Message, Step
from kit.api.filtering import Moment, Whole
from lifecycle.filters import WithWords
from lifecycle.models import Lifecycle


class LifecycleFilter(OneOf):
    """Bound to this lifecycle, or to none."""

    NONE = "(none)"

    def __init__(self) -> None:
        super().__init__(self._lifecycles, label=_("Lifecycle"))

    def _lifecycles(self) -> Iterator[tuple[str, Any]]:
        yield self.NONE, _("(none)")
        yield from Lifecycle.objects.order_by("name").values_list("slug", "name")

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if value == self.NONE:
            return qs.filter(lifecycle=None)
        return qs.filter(lifecycle__slug=value) if value else qs


class Campaigns(django_filters.FilterSet):
    """Campaigns by name, state, type, lifecycle and stage."""

    q = django_filters.CharFilter("name", "icontains", label=_("Search"), help_text=_("Name"))
    state = django_filters.ChoiceFilter(choices=Campaign.State.choices, label=_("State"), empty_label=_("Any"))
    kind = django_filters.ChoiceFilter(choices=Campaign.Kind.choices, label=_("Type"), empty_label=_("Any"))
    lifecycle = LifecycleFilter()
    stage = django_filters.CharFilter("stage", label=_("Stage (its short name)"))

    class Meta:
        model = Campaign
        fields: list[str] = []


class Enrollments(django_filters.FilterSet):
    """Those who go through a campaign by name, state, version, and by what they did at which step."""

    q = WithWords("person")
    state = django_filters.ChoiceFilter(choices=Enrollment.State.choices, label=_("State"), empty_label=_("Any"))
    held = django_filters.ChoiceFilter(
        choices=[("no", _("Without those held out")), ("yes", _("Only those held out"))],
        label=_("Held out"), empty_label=_("All"), method="held_out",
    )  # fmt: skip
    version = django_filters.NumberFilter("version__number", label=_("Version"))
    step = django_filters.ChoiceFilter(label=_("Step"), empty_label=_("Any"), method="as_asked")
    did = django_filters.ChoiceFilter(
        choices=[*counts.LABELS.items()], label=_("There"), empty_label=_("Any"), method="as_asked"
    )

    class Meta:
        model = Enrollment
        fields: list[str] = []

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.steps = steps_of(self.request)
        words = wording.Words(self.steps)
        self.filters["step"].extra["choices"] = list({each.key: words.title(each) for each in self.steps}.items())

    def held_out(self, rows: QuerySet[Enrollment], name: str, value: str) -> QuerySet[Enrollment]:
        held = Q(state=Enrollment.State.HOLDOUT)
        return rows.filter(held if value == "yes" else ~held)

    def as_asked(self, rows: QuerySet[Enrollment], name: str, value: str) -> QuerySet[Enrollment]:
        return rows

    def filter_queryset(self, queryset: QuerySet[Enrollment]) -> QuerySet[Enrollment]:
        rows = super().filter_queryset(queryset)
        key, did = (self.form.cleaned_data.get(name) for name in ("step", "did"))
        if not key and not did:
            return rows
        steps = [each.pk for each in self.steps if not key or each.key == key]
        return counts.those(rows, did or "entered", steps)


def steps_of(request: Any) -> list[Step]:
    """The steps of the campaign that a request is about, in all its versions, the newest last."""
    found = Step.objects.filter(version__campaign=request.campaign).select_related("content", "lifecycle")
    return list(found.order_by("version__number", "position"))


class Contents(django_filters.FilterSet):
    """Contents by words of their name or subject, style and lifecycle."""

    UNTAGGED = "(none)"

    q = django_filters.CharFilter(label=_("Search"), help_text=_("Name or subject"), method="with_words")
    style = django_filters.ChoiceFilter(
        choices=[*Content.Style.choices, (UNTAGGED, _("(not tagged)"))],
        label=_("Style"), empty_label=_("Any"), method="of_style",
    )  # fmt: skip
    lifecycle = LifecycleFilter()

    class Meta:
        model = Content
        fields: list[str] = []

    def with_words(self, rows: QuerySet[Content], name: str, value: str) -> QuerySet[Content]:
        for word in value.replace("\x00", "").split():
            rows = rows.filter(Q(name__icontains=word) | Q(subject__icontains=word))
        return rows

    def of_style(self, rows: QuerySet[Content], name: str, value: str) -> QuerySet[Content]:
        return rows.filter(style="" if value == self.UNTAGGED else value)


class CampaignFilter(OneOf):
    """Of this campaign."""

    def __init__(self) -> None:
        super().__init__(self._campaigns, label=_("Campaign"))

    def _campaigns(self) -> Iterator[tuple[str, Any]]:
        yield from Campaign.objects.order_by("name").values_list("slug", "name")

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return qs.filter(campaign__slug=value) if value else qs


class Messages(django_filters.FilterSet):
    """Messages by reader, state, campaign, step and purpose."""

    q = WithWords("person")
    state = django_filters.ChoiceFilter(choices=Message.State.choices, label=_("State"), empty_label=_("Any"))
    campaign = CampaignFilter()
    version = django_filters.NumberFilter("step__version__number", label=_("Version"))
    step = django_filters.CharFilter("step__key", label=_("Step (its short name)"))
    purpose = django_filters.ChoiceFilter(choices=Message.Purpose.choices, label=_("Purpose"), empty_label=_("Any"))
    open = django_filters.ChoiceFilter(
        choices=[("yes", _("Only those that have not come to an end"))],
        label=_("Still open"), empty_label=_("All"), method="only_open",
    )  # fmt: skip

    class Meta:
        model = Message
        fields: list[str] = []

    def only_open(self, rows: QuerySet[Message], name: str, value: str) -> QuerySet[Message]:
        return rows.filter(state__in=Message.OPEN) if value else rows


class Letters(django_filters.FilterSet):
    """Letters in the mailbox by reader and subject."""

    q = django_filters.CharFilter(label=_("Search"), help_text=_("Address or subject"), method="with_words")

    class Meta:
        model = Letter
        fields: list[str] = []

    def with_words(self, rows: QuerySet[Letter], name: str, value: str) -> QuerySet[Letter]:
        return rows.filter(Q(recipient__icontains=value) | Q(subject__icontains=value))


# ---- as programs ask ----


class AllCampaigns(django_filters.FilterSet):
    """Campaigns by state, type, lifecycle and stage."""

    state = django_filters.ChoiceFilter(choices=Campaign.State.choices, label=_("State"))
    kind = django_filters.ChoiceFilter(choices=Campaign.Kind.choices, label=_("Type"))
    lifecycle = django_filters.CharFilter("lifecycle__slug", label=_("Lifecycle (its short name)"))
    stage = django_filters.CharFilter("stage", label=_("Stage (its short name)"))

    class Meta:
        model = Campaign
        fields: list[str] = []


class _OfCampaign(django_filters.FilterSet):
    campaign = django_filters.CharFilter(method="of_campaign", label=_("Campaign (its short name)"))
    person = Whole(method="of_subject", label=_("A person’s id"))
    account = Whole(method="of_subject", label=_("An account’s id"))

    def of_campaign(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        # Its id is asked for alone: then an index on it gives the order.
        return rows.filter(campaign=Campaign.objects.filter(slug=value).values_list("pk", flat=True).first() or 0)

    def of_subject(self, rows: QuerySet[Any], name: str, value: int) -> QuerySet[Any]:
        return rows.filter(**{"subject_id": value, name: value})


class AllEnrollments(_OfCampaign):
    """Enrollments by campaign, subject, state, and by what they did at which step."""

    state = django_filters.ChoiceFilter(choices=Enrollment.State.choices, label=_("State"))
    step = django_filters.CharFilter(method="at_step", label=_("Came to this step (its key)"))
    did = django_filters.ChoiceFilter(
        choices=[*counts.LABELS.items()], label=_("What they did at the step; without it they came there"),
        method="as_asked",
    )  # fmt: skip

    class Meta:
        model = Enrollment
        fields: list[str] = []

    def as_asked(self, rows: QuerySet[Enrollment], name: str, value: str) -> QuerySet[Enrollment]:
        return rows

    def at_step(self, rows: QuerySet[Enrollment], name: str, value: str) -> QuerySet[Enrollment]:
        steps = list(Step.objects.filter(key=value).values_list("pk", flat=True))
        return counts.those(rows, self.form.cleaned_data["did"] or "entered", steps)


class AllMessages(_OfCampaign):
    """Messages by campaign, enrollment, subject, step, state, purpose and time."""

    enrollment = Whole("enrollment_id", label=_("An enrollment’s id"))
    step = django_filters.CharFilter(method="of_step", label=_("Step (its key)"))
    state = django_filters.ChoiceFilter(choices=Message.State.choices, label=_("State"))
    purpose = django_filters.ChoiceFilter(choices=Message.Purpose.choices, label=_("Purpose"))
    since = Moment("created_at", "gte", label=_("Not before this instant"))
    before = Moment("created_at", "lt", label=_("Before this instant"))

    class Meta:
        model = Message
        fields: list[str] = []

    def of_campaign(self, rows: QuerySet[Message], name: str, value: str) -> QuerySet[Message]:
        # By its steps, which have an index: the few messages of a small campaign are not looked for among all.
        steps = Step.objects.filter(version__campaign__slug=value)
        return super().of_campaign(rows, name, value).filter(step__in=list(steps.values_list("pk", flat=True)))

    def of_step(self, rows: QuerySet[Message], name: str, value: str) -> QuerySet[Message]:
        return rows.filter(step__in=list(Step.objects.filter(key=value).values_list("pk", flat=True)))

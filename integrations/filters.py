"""Filters of the lists of keys and of what webhooks were told."""

from __future__ import annotations

import django_filters
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from integrations.models import ApiKey, WebhookDelivery
from integrations.webhooks import events


class Keys(django_filters.FilterSet):
    """Keys by word, and whether they were revoked."""

    q = django_filters.CharFilter(method="with_word", label=_("Search"), help_text=_("Name, first letters, or user"))
    revoked = django_filters.BooleanFilter("revoked_at", "isnull", exclude=True, label=_("Revoked"))

    class Meta:
        model = ApiKey
        fields: list[str] = []

    def with_word(self, rows: QuerySet[ApiKey], name: str, value: str) -> QuerySet[ApiKey]:
        prefix = value.removeprefix("per_")
        return rows.filter(Q(name__icontains=value) | Q(prefix__startswith=prefix) | Q(user__email__icontains=value))


class Deliveries(django_filters.FilterSet):
    """What one webhook was told, by how far it came, and by event."""

    state = django_filters.ChoiceFilter(
        choices=WebhookDelivery.State.choices, label=_("State"), empty_label=_("Any")
    )  # fmt: skip
    event = django_filters.ChoiceFilter(
        choices=[*events.WORDS.items(), (events.TRIAL, _("A test"))], label=_("Event"), empty_label=_("Any")
    )

    class Meta:
        model = WebhookDelivery
        fields: list[str] = []

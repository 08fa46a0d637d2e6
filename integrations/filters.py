"""Filters of the list of keys."""

from __future__ import annotations

import django_filters
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from integrations.models import ApiKey


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

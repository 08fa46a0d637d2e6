"""Filters of the kit's lists."""

from __future__ import annotations

import django_filters
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from kit.models import Job


class Jobs(django_filters.FilterSet):
    """Jobs by word, state and kind."""

    q = django_filters.CharFilter(method="with_word", label=_("Search"), help_text=_("Title or kind"))
    state = django_filters.ChoiceFilter(choices=Job.State.choices, label=_("State"), empty_label=_("Any"))
    kind = django_filters.AllValuesFilter(label=_("Kind"), empty_label=_("Any"))

    class Meta:
        model = Job
        fields: list[str] = []

    def with_word(self, rows: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
        return rows.filter(Q(title__icontains=value) | Q(kind__icontains=value))

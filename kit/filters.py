"""Filters of the kit's lists."""

from __future__ import annotations

import re
from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from kit import audit, users
from kit.forms import DayInput
from kit.models import AuditEntry, Job, Team, User


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


class Users(django_filters.FilterSet):
    """Users by word, role, team, and how far their access is."""

    STATES = (("active", _("Active")), ("invited", _("Invited")), ("closed", _("Closed")))

    q = django_filters.CharFilter(method="with_word", label=_("Search"), help_text=_("Name or email"))
    role = django_filters.ChoiceFilter(choices=User.Role.choices, label=_("Role"), empty_label=_("Any"))
    team = django_filters.ModelChoiceFilter(
        queryset=Team.objects.order_by("name"), label=_("Team"), empty_label=_("Any"), null_label=_("(none)")
    )
    state = django_filters.ChoiceFilter(choices=STATES, label=_("Access"), empty_label=_("Any"), method="so_far")

    class Meta:
        model = User
        fields: list[str] = []

    def with_word(self, rows: QuerySet[User], name: str, value: str) -> QuerySet[User]:
        return rows.filter(Q(name__icontains=value) | Q(email__icontains=value))

    def so_far(self, rows: QuerySet[User], name: str, value: str) -> QuerySet[User]:
        return users.so_far(rows, value)


class Audit(django_filters.FilterSet):
    """The trail by word, user, action and day; days are the reader's."""

    BY = (("user", _("A user")), ("key", _("A key")), ("other", _("A visitor, a command, the system")))

    q = django_filters.CharFilter(method="with_word", label=_("Search"), help_text=_("By whom, or what"))
    user = django_filters.ModelChoiceFilter(
        queryset=User.objects.order_by("name", "email"), label=_("By"), empty_label=_("Anybody")
    )
    by = django_filters.ChoiceFilter(choices=BY, label=_("By what"), empty_label=_("Anything"), method="by_what")
    action = django_filters.ChoiceFilter(label=_("What was done"), empty_label=_("Anything"))
    about = django_filters.CharFilter(
        method="about_some", label=_("About"), help_text=_("The number of a person or an account, or several")
    )
    first = django_filters.DateFilter("at", lookup_expr="date__gte", label=_("From"), widget=DayInput)
    last = django_filters.DateFilter("at", lookup_expr="date__lte", label=_("To, that day included"), widget=DayInput)

    class Meta:
        model = AuditEntry
        fields: list[str] = []

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.filters["action"].extra["choices"] = audit.choices()  # apps name theirs after this file is read

    def with_word(self, rows: QuerySet[AuditEntry], name: str, value: str) -> QuerySet[AuditEntry]:
        return rows.filter(Q(actor__icontains=value) | Q(target__icontains=value))

    def about_some(self, rows: QuerySet[AuditEntry], name: str, value: str) -> QuerySet[AuditEntry]:
        return rows.filter(about__overlap=[int(each) for each in re.findall(r"\b\d{1,18}\b", value)])

    def by_what(self, rows: QuerySet[AuditEntry], name: str, value: str) -> QuerySet[AuditEntry]:
        if value == "other":
            return rows.filter(user=None)
        by_key = Q(actor__endswith=")")  # a user's key is named behind the user: kit.audit.actor_of
        return rows.filter(by_key if value == "key" else ~by_key, user__isnull=False)

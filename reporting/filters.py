"""Filters of the lists behind figures."""

from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from audience.models import Account, Contract, Deal, Person
from campaigns.models import Enrollment
from reporting.models import StageEntry


class Entries(django_filters.FilterSet):
    """Search by name, email or domain."""

    q = django_filters.CharFilter(label=_("Search"), method="named", help_text=_("Name, email or domain"))

    class Meta:
        model = StageEntry
        fields: list[str] = []

    path = "membership__"

    def named(self, rows: QuerySet[Any], name: str, words: str) -> QuerySet[Any]:
        """Each word begins a part of the subject's name or is in the email or domain."""
        columns = ("person__first_name", "person__last_name", "person__email", "account__name", "account__domain")
        for word in words.replace("\x00", "").split()[:5]:
            anywhere = Q()
            for column in columns:
                anywhere |= Q(**{f"{self.path}{column}__icontains": word})
            rows = rows.filter(anywhere)
        return rows


class Memberships(Entries):
    """The same for lists of memberships."""

    path = ""


class Enrollments(Memberships):
    """The same for those assigned to a campaign."""

    class Meta:
        model = Enrollment
        fields: list[str] = []


class Customers(django_filters.FilterSet):
    """Search among customers by name, email or domain."""

    q = django_filters.CharFilter(label=_("Search"), method="named", help_text=_("Name, email or domain"))
    columns: tuple[str, ...] = ()

    def named(self, rows: QuerySet[Any], name: str, words: str) -> QuerySet[Any]:
        """Each word is in one of the columns."""
        for word in words.replace("\x00", "").split()[:5]:
            anywhere = Q()
            for column in self.columns:
                anywhere |= Q(**{f"{column}__icontains": word})
            rows = rows.filter(anywhere)
        return rows


class Accounts(Customers):
    """The same for accounts."""

    class Meta:
        model = Account
        fields: list[str] = []

    columns = ("name", "domain")


class People(Customers):
    """The same for people."""

    class Meta:
        model = Person
        fields: list[str] = []

    columns = ("first_name", "last_name", "email")


class Contracts(Customers):
    """The same for contracts, by whose they are."""

    class Meta:
        model = Contract
        fields: list[str] = []

    columns = ("name", "external_id", "account__name", "account__domain", "person__last_name", "person__email")


class Deals(Customers):
    """The same for deals, by what they are called and whose they are."""

    class Meta:
        model = Deal
        fields: list[str] = []

    columns = ("name", "external_id", "account__name", "account__domain")

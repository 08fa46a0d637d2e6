"""What sources tell of commerce, over the API: each row once by its source and external id, merged as a file's rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import django_filters
from django.db import transaction
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.response import Response

from audience.api import bulk
from audience.api.bulk import AccountNamed, PersonNamed, ProductNamed
from audience.api.subjects import API, Policy
from audience.models import Product
from audience.subjects import people
from kit.api.filtering import Moment
from kit.api.problems import Problem
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Shown

COMMON = ("source", "external_id", "recorded_at", "properties")


class SourcedRow(Row):
    """A row that a source told, with whose it is."""

    person = serializers.IntegerField(source="person_id", read_only=True, allow_null=True)
    account = serializers.IntegerField(source="account_id", read_only=True, allow_null=True)
    product = serializers.IntegerField(source="product_id", read_only=True, allow_null=True)


def product_numbered(number: int | None) -> Product | None:
    """The product of a number; None for none. Raises Problem."""
    if number is None:
        return None
    found = Product.objects.filter(pk=number).first()
    if found is None:
        raise unknown_product("product")
    return found


def unknown_product(field: str) -> Problem:
    """What a number that no product has is answered with."""
    return Problem(400, "unknown_product", _("There is no product of this number."), field=field)


class SourcedRowGiven(Strict):
    """A row as a source tells it; what is left out stays."""

    external_id = serializers.CharField(max_length=200, help_text="By which `source` knows it.")
    properties = serializers.DictField(required=False, help_text="What else there is to say, by name.")


class OfSomebody(SourcedRowGiven):
    """The same, of a person or an account."""

    person = PersonNamed(required=False)
    account = AccountNamed(required=False)
    product = ProductNamed(required=False)


class Upsert(Strict):
    """What is said beside one row."""

    source = serializers.CharField(  # type: ignore[assignment]
        required=False, max_length=64, default=API, help_text="The system that tells it; external ids are its own."
    )
    policy = Policy()


class SourcedFilters(django_filters.FilterSet):
    """What every such list can be narrowed by."""

    source = django_filters.CharFilter("source")
    external_id = django_filters.CharFilter("external_id")
    recorded_since = Moment("recorded_at", lookup_expr="gte", help_text="First written down then or later.")


class Sourced(Listed, Shown):
    """Rows of one kind of import; `renamed` are fields that imports call otherwise."""

    kind: str
    renamed: ClassVar[Mapping[str, str]] = {}
    scope = "deals"
    right = "edit"  # it is an import, only smaller
    lookup_value_converter = "int"

    @transaction.atomic
    def merge_one(self) -> Response:
        """The row of the body, found or made; then how it is."""
        became = bulk.merged_one(self, self.kind, self.as_sent(), self.renamed)
        row = self.get_queryset().filter(pk=became.id).first() if became.id else None
        shown = self.shown(row) if row is not None else {"id": None}
        status = 201 if became.outcome == people.CREATED else 200
        return Response({"outcome": became.outcome, **shown}, status=status)

    def merge_many(self, kind: type[bulk.SourcedGiven]) -> Response:
        return bulk.merged(self, self.given(kind), self.kind, renamed=self.renamed)

"""Filters of lists: what is not known is an error, because the longer answer would be taken for the right one."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.drainage import set_override
from rest_framework import serializers
from rest_framework.request import Request

from kit.api.problems import Problem
from kit.api.serializers import Instant

PAGING = {"cursor", "limit", "ordering"}


class Filters(DjangoFilterBackend):
    """django-filter, which leaves out what it does not know; here that is an error, not a longer answer."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        filterset = self.get_filterset_class(view, queryset)
        refuse_unknown(request, PAGING | set(filterset.base_filters if filterset else ()) | set(view.parameters))
        return super().filter_queryset(request, queryset, view)


def refuse_unknown(request: Request, known: Collection[str]) -> None:
    """Raises Problem for a parameter of the address that is not known."""
    for unknown in sorted(set(request.query_params) - set(known)):
        said = _("There is no parameter “%(name)s” here. There are: %(names)s.")
        told = said % {"name": unknown[:100], "names": ", ".join(sorted(known))}
        raise Problem(400, "unknown_parameter", told, field=unknown[:100])


class _WholeField(forms.IntegerField):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given | {"min_value": 0, "max_value": 2**63 - 1})


class Whole(django_filters.NumberFilter):
    """By a whole number, such as an id."""

    field_class = _WholeField

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        about = {"type": "integer", "format": "int64", "minimum": 0, "description": str(more.get("label", ""))}
        set_override(self, "field", about)


class _TrueOrFalseField(forms.Field):
    default_error_messages = {"no_truth": gettext_lazy("Say true or false.")}

    def to_python(self, value: Any) -> bool | None:
        if value in self.empty_values:
            return None
        if value not in ("true", "false"):
            raise forms.ValidationError(self.error_messages["no_truth"], code="no_truth")
        return bool(value == "true")


class TrueOrFalse(django_filters.BooleanFilter):
    """By true or false; another word is an error, where the filter of pages would leave it out."""

    field_class = _TrueOrFalseField

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more | {"widget": forms.TextInput})


class _InstantField(forms.CharField):
    def clean(self, value: Any) -> Any:
        text = re.sub(r" (\d\d:?\d\d)$", r"+\1", super().clean(value))  # a plus sign that became a blank on its way
        if not text:
            return None
        try:
            return Instant().run_validation(text)
        except serializers.ValidationError as error:
            found: Any = error.get_full_details()
            # As a parameter: a percent sign in it is none of a format.
            told = {"told": found[0]["message"]}
            raise forms.ValidationError("%(told)s", code=found[0]["code"], params=told) from None


class Moment(django_filters.IsoDateTimeFilter):
    """By an instant, read as those of bodies are."""

    field_class = _InstantField

"""The lists of whom figures leave out over the API: read, and named anew whole."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import Http404
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audience.models import Account, Person
from audience.subjects import exclusions
from kit import addresses, installation
from kit.api import etags
from kit.api.filtering import refuse_unknown
from kit.api.schema import example
from kit.api.serializers import Strict
from kit.api.views import Resource

NAMES = [each.name for each in exclusions.LISTS]
OWN = {"name": "own", "called": "Own domains", "entries": ["marlow.example"], "people": 41, "accounts": 1}
COUNTED = ("people", "accounts")


@example(OWN)
class LeftOutRow(serializers.Serializer[Any]):
    """One list. Whoever is on several is counted with the first of them."""

    name = serializers.ChoiceField(choices=NAMES)
    called = serializers.CharField()
    entries = serializers.ListField(
        child=serializers.CharField(), help_text="Domains, each with all below it, and whole addresses."
    )
    people = serializers.IntegerField(help_text="So many it leaves out now.")
    accounts = serializers.IntegerField()


@extend_schema_serializer(many=False, examples=[OpenApiExample("Lists", {"results": [OWN]}, response_only=True)])
class LeftOutLists(serializers.Serializer[Any]):
    """All lists."""

    results = LeftOutRow(many=True)


@example({"entries": ["marlow.example", "tina@gmail.com"]})
class LeftOutChange(Strict):
    """The list as it is from now on: what is not named is on it no more."""

    entries = serializers.ListField(
        child=serializers.CharField(max_length=addresses.LONGEST), max_length=addresses.MOST_HOSTS
    )

    def validate_entries(self, told: list[str]) -> list[str]:
        try:
            return addresses.hosts(told, or_addresses=True)
        except addresses.Refused as wrong:
            raise serializers.ValidationError(str(wrong), "bad_value") from wrong


class LeftOut(Resource):
    """The lists of own domains, testers and competitors, whom no figure counts."""

    scope = "people"
    queryset = Person.objects.none()  # what it reads is a setting, and counted
    filter_backends = ()
    pagination_class: Any = None
    lookup_field = "name"
    lookup_value_converter = "str"
    follows = COUNTED

    @extend_schema(responses=LeftOutLists)
    def list(self, request: Request) -> Response:
        """Read the lists, and how many each leaves out."""
        refuse_unknown(request, ())
        return etags.answer(request, {"results": _lists()})

    @extend_schema(responses=LeftOutRow)
    def retrieve(self, request: Request, name: str) -> Response:
        """Read one list."""
        refuse_unknown(request, ())
        return etags.answer(request, _one(name), follows=self.follows)

    @extend_schema(request=LeftOutChange, responses=LeftOutRow)
    @transaction.atomic
    def partial_update(self, request: Request, name: str) -> Response:
        """Name the list anew: whoever is on it is left out, of the past too; whoever no longer is counts again."""
        installation.lock()
        etags.check(request, _one(name), follows=self.follows)
        exclusions.name_lists({name: self.given(LeftOutChange)["entries"]}, by=self.by, now=self.now)
        return etags.answer(request, _one(name), follows=self.follows)


def _one(name: str) -> dict[str, Any]:
    found = next((each for each in _lists() if each["name"] == name), None)
    if found is None:
        raise Http404
    return found


def _lists() -> list[dict[str, Any]]:
    people, accounts = exclusions.counts(Person), exclusions.counts(Account)
    return [
        {"name": each.name, "called": str(each.label), "entries": installation.get(each.setting),
         "people": people[each.name], "accounts": accounts[each.name]}
        for each in exclusions.LISTS
    ]  # fmt: skip

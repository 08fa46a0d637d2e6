"""People over the API: found, read, written one at a time and by the thousand, and what they agreed to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from audience import consent, merging
from audience.activity import visitors
from audience.api import bulk
from audience.api.bulk import BulkAnswer
from audience.api.consent import ConsentGiven, ConsentRow, say
from audience.api.subjects import (
    IN_COMMON,
    AccountName,
    Policy,
    SubjectChange,
    SubjectFilters,
    SubjectNew,
    SubjectRow,
    Subjects,
    account_named,
    text,
)
from audience.importing import atonce
from audience.models import Person
from audience.subjects import people, querysets
from kit import addresses, exports, holding
from kit.api.filtering import Whole
from kit.api.schema import example
from kit.api.serializers import Rows

SHOWN = {
    "id": 4711, "email": "ann@example.com", "first_name": "Ann", "last_name": "Lee", "phone": "", "title": "Head of IT",
    "title_group": "it", "seniority": "director", "language": "en", "zone": "", "source": "webinar",
    "account": {"id": 815, "name": "Acme", "domain": "acme.example"}, "country": "DE", "region": "", "city": "Bonn",
    "owner": "sam@perennial.example", "custom": {"plan": "pro"}, "tags": ["VIP"],
    "identities": [{"system": "crm", "kind": "person", "external_id": "0031"}], "is_excluded": False,
    "excluded_reason": "", "first_seen_at": "2025-03-01T09:00:00Z", "created_at": "2025-03-01T09:00:02Z",
    "created_source": "crm", "updated_at": "2025-06-02T11:30:00Z",
    "stages": [{"lifecycle": "net-new", "stage": "mql", "membership": 99, "entered_at": "2025-06-02T11:30:04Z",
                "ended_at": None}],
    "scores": [{"model": "lead", "score": 62, "grade": "A"}],
}  # fmt: skip
GIVEN = {
    "system": "crm", "external_id": "0031", "email": "ann@example.com", "first_name": "Ann", "last_name": "Lee",
    "title": "Head of IT", "country": "DE", "account": {"domain": "acme.example"}, "custom": {"plan": "pro"},
}  # fmt: skip


class AccountOf(serializers.Serializer[Any]):
    """The account of somebody."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    domain = serializers.CharField()


@example(SHOWN)
class PersonRow(SubjectRow):
    """One person, with all standard and custom fields, and where they are now."""

    of = "person"

    account = AccountOf(read_only=True, allow_null=True)

    class Meta:
        model = Person
        fields = (
            "id", "email", "first_name", "last_name", "phone", "title", "title_group", "seniority", "language", "zone",
            "source", "account", *IN_COMMON,
        )  # fmt: skip
        read_only_fields = fields


@example({"title": "Chief information officer", "custom": {"plan": None}})
class PersonChange(SubjectChange):
    """New values; what is left out stays, null and "" empty."""

    email = text()
    first_name = text()
    last_name = text()
    phone = text()
    title = text()
    title_group = text(help_text="Follows the job title unless it is said.")
    seniority = text(help_text="Follows the job title unless it is said.")
    language = text()
    zone = text(help_text="Such as Europe/Berlin.")
    source = text(help_text="Where the person came from at first.")  # type: ignore[assignment]
    account = AccountName(required=False, allow_null=True)


@example(GIVEN)
class PersonNew(PersonChange, SubjectNew):
    """A new person."""


@example(GIVEN | {"policy": "upsert"})
class PersonUpsert(PersonNew):
    """A person who is found by the external id of `system`, else by email; whoever is not there is made."""

    policy = Policy()
    anonymous_id = serializers.CharField(
        required=False,
        max_length=200,
        help_text="By what `system` knew them before: what waited under it is theirs now.",
    )


@example(GIVEN)
class PersonInBulk(PersonNew):
    """A row of a bulk upsert. Its account is named, and made if it is not there; null says nothing."""

    account = bulk.AccountNamed(required=False)  # type: ignore[assignment]
    account_role = text(help_text="The role in that account.")
    owner = serializers.EmailField(required=False)
    system = None  # type: ignore[assignment]  # said once for all rows


@example({"system": "crm", "policy": "upsert", "people": [{k: v for k, v in GIVEN.items() if k != "system"}]})
class PeopleInBulk(bulk.BulkGiven):
    """People to be found or made."""

    people = Rows(child=PersonInBulk(), most=atonce.MOST)


@example({"outcome": "updated", **SHOWN})
class PersonUpserted(PersonRow):
    """What became of an upsert; then the person. `id` is null when the policy made nobody."""

    outcome = serializers.ChoiceField(choices=atonce.OUTCOMES, read_only=True)

    class Meta(PersonRow.Meta):
        fields = ("outcome", *PersonRow.Meta.fields)  # type: ignore[assignment]


class PeopleFilters(SubjectFilters):
    """What the list of people can be narrowed by."""

    email = django_filters.CharFilter(method="of_email")
    account = Whole("account_id", help_text="The number of an account.")

    class Meta:
        model = Person
        fields: list[str] = []

    def with_words(self, rows: QuerySet[Person], name: str, value: str) -> QuerySet[Person]:
        return querysets.find_people(rows, value)

    def of_email(self, rows: QuerySet[Person], name: str, value: str) -> QuerySet[Person]:
        told = addresses.email(value)
        return rows.filter(people.has_email(told)) if told else rows.none()


class AsksForZip(JSONRenderer):
    """Lets a program ask for application/zip. The file is an answer of its own; what is rendered is a problem."""

    media_type = "application/zip"
    format = "zip"


@example({"person": [{"id": 4711, "email": "ann@example.com"}], "notes": [{"id": 3, "body": "Likes tea."}]})
class Everything(serializers.Serializer[Any]):
    """All that is held about one person: for every kind of rows a list, the person's own row first."""

    person = serializers.ListField(child=serializers.DictField())


class People(Subjects):
    """Everybody who is known, but the erased."""

    model = Person
    queryset = Person.objects.all()
    serializer_class = PersonRow
    filterset_class = PeopleFilters
    create_one = staticmethod(people.create)
    change_one = staticmethod(people.change)
    upsert_one = staticmethod(people.upsert)

    def everybody(self) -> QuerySet[Any]:
        return querysets.people()

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        told = super().values({name: value for name, value in given.items() if name != "anonymous_id"})
        if account := told.get("account"):
            told["account"] = account_named(account, self.by, system=given["system"])
        return told

    def find_one(self, values: Mapping[str, Any], system: str) -> Person | None:
        email = addresses.email(values["email"]) if values.get("email") else None
        return people.find(source=system, external_id=values.get("external_id"), email=email)

    @extend_schema(request=PersonNew, responses={201: PersonRow})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Create a person. 409 when somebody has this email already."""
        return self.make(PersonNew)

    @extend_schema(request=PersonChange)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a person. With If-Match only if nobody else has meanwhile (412)."""
        return self.change(PersonChange)

    @extend_schema(request=PersonUpsert, responses={200: PersonUpserted, 201: PersonUpserted})
    @action(methods=["post"], detail=False)
    @transaction.atomic
    def upsert(self, request: Request) -> Response:
        """Create or change a person. Found by external id, else by email; 201 when new, else 200."""
        answer, given = self.find_or_make(PersonUpsert), self.given(PersonUpsert)
        if answer.data["id"] and given.get("anonymous_id"):
            browser = visitors.elsewhere(given["system"], given["anonymous_id"])
            visitors.become_many({browser: answer.data["id"]}, now=self.now)
        return answer

    @extend_schema(request=PeopleInBulk, responses=BulkAnswer)
    @action(methods=["post"], detail=False)
    def bulk(self, request: Request) -> Response:
        """Create or change up to a thousand people at once. Each row is answered for; good ones are kept."""
        return bulk.merged(self, self.given(PeopleInBulk), "people", renamed={"first_seen_at": "first_seen"})

    @extend_schema(responses=ConsentRow)
    @action(methods=["get"], detail=True)
    def consent(self, request: Request, pk: int) -> Response:
        """Read what a person agreed to: how it stands topic by topic, and every act behind it."""
        return Response(ConsentRow(consent.overview(self.get_object(), at=self.now)).data)

    @extend_schema(operation_id="people_consent_record", request=ConsentGiven, responses=ConsentRow)
    @consent.mapping.post
    def record_consent(self, request: Request, pk: int) -> Response:
        """Record that a person gave or withdrew consent. Told again, it changes nothing."""
        person = self.get_object()
        say(person, self.given(ConsentGiven), by=self.by, now=self.now)
        return Response(ConsentRow(consent.overview(person, at=self.now)).data)

    @extend_schema(responses=Everything)
    @action(methods=["get"], detail=True)
    def everything(self, request: Request, pk: int) -> Any:
        """Read all that is held about a person, table by table. Takes the right to take lists away."""
        return self._whole(as_csv=False)

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY}, operation_id="people_everything_csv")
    @action(methods=["get"], detail=True, url_path="everything/csv", renderer_classes=[JSONRenderer, AsksForZip])
    def everything_as_csv(self, request: Request, pk: int) -> Any:
        """Read the same as a ZIP with a CSV of each table."""
        return self._whole(as_csv=True)

    def _whole(self, *, as_csv: bool) -> Any:
        person = self.get_object()
        parts = list(holding.everything(person, merging.absorbed(person.pk)))
        return exports.whole(self.request._request, f"person-{person.pk}", parts, as_csv=as_csv, now=self.now)

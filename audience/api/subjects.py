"""What people and accounts have in common over the API, and how bodies name one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import django_filters
from django.contrib.postgres.expressions import ArraySubquery
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import JSONObject
from django.http import Http404
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience import merging
from audience.models import Account, Identity, Import, Person, SegmentMember, Tagged
from audience.subjects import accounts, erasure, listing, owners, people, sight, tags
from audience.subjects.people import BadValue
from kit import addresses, users
from kit.api.filtering import Moment, TrueOrFalse
from kit.api.problems import Problem
from kit.api.schema import described, example
from kit.api.serializers import Instant, Row, Strict
from kit.api.views import Listed, Shown
from kit.models import Job, User
from kit.sql import Sql, sql

API = "api"  # the system whose ids are meant, and the source of what is written, unless the body names another
NOBODY = "nobody"
SYSTEM_HELP = "The system that writes: external ids are its own, and the history of values names it."

Model = type[Person] | type[Account]

CUSTOM_SCHEMA = {
    "type": "object",
    "description": "Values of custom fields by slug: texts, numbers, true or false, days as 2025-03-31, money in minor "
    "units. See `/api/v1/fields/`.",
    "additionalProperties": {"type": ["string", "number", "boolean", "array", "null"]},
}


# ---- how they are shown ----


class IdentityRow(serializers.Serializer[Any]):
    """A name under which another system knows the subject."""

    system = serializers.CharField()
    kind = serializers.CharField()
    external_id = serializers.CharField()


class ToldField(serializers.Field[Any, Any, Any, Any]):
    """What an upper floor shows of a subject."""

    def __init__(self, told: listing.Told) -> None:
        super().__init__(source="*", read_only=True)
        self.told = told
        self._spectacular_annotation = {"field": dict(told.schema)}

    def to_representation(self, value: Any) -> Any:
        return self.told.value(value)


class SubjectRow(Row):
    """A person or an account; `of` is which."""

    of: ClassVar[str] = ""

    owner = serializers.EmailField(source="owner.email", default=None, read_only=True, allow_null=True)
    custom = described(serializers.JSONField, CUSTOM_SCHEMA)(read_only=True)
    tags = serializers.ListField(child=serializers.CharField(), source="tag_names", read_only=True)
    identities = IdentityRow(many=True, read_only=True)

    def get_fields(self) -> dict[str, Any]:
        told = [extra.told for extra in listing.extras(self.of) if extra.told]
        return super().get_fields() | {each.name: ToldField(each) for each in told}


IN_COMMON = (
    "country", "region", "city", "owner", "custom", "tags", "identities", "is_excluded", "excluded_reason",
    "first_seen_at", "created_at", "created_source", "updated_at",
)  # fmt: skip


def with_identities(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Subjects with the names under which other systems know them."""
    named = Identity.objects.filter(subject_id=OuterRef("pk")).order_by("system", "kind", "external_id")
    shown = JSONObject(system="system", kind="kind", external_id="external_id")
    return rows.annotate(identities=ArraySubquery(named.values(shown=shown)))


# ---- how they are named ----


class Name(Strict):
    """One subject, by its number, or by a name that another system or the world has for it."""

    id = serializers.IntegerField(required=False, min_value=1)
    external_id = serializers.CharField(required=False, max_length=300)
    system = serializers.CharField(required=False, max_length=64, help_text="Whose external id it is.")

    def validate(self, attrs: Any) -> Any:
        if not set(attrs) - {"system"}:
            raise serializers.ValidationError(_("Say who is meant."), "required")
        return attrs


@example({"email": "ann@example.com"})
class PersonName(Name):
    """One person: by `id`, by `external_id` (of `system`), or by `email`."""

    email = serializers.CharField(required=False)


@example({"domain": "acme.example"})
class AccountName(Name):
    """One account: by `id`, by `external_id` (of `system`), by `domain` or by `name`."""

    domain = serializers.CharField(required=False, max_length=253)
    name = serializers.CharField(required=False, max_length=300)


def person_named(name: Mapping[str, Any], user: Any, *, system: str = API, field: str = "person") -> Person:
    """The person that a body names, among those whom the user sees. Raises Problem."""
    if pk := name.get("id"):
        found = Person.objects.filter(pk=pk).first()
    else:
        email = addresses.email(name["email"]) if name.get("email") else None
        found = people.find(source=name.get("system", system), external_id=name.get("external_id"), email=email)
    if found is None or found.erased_at or not sight.sees(user, [found.pk]):
        raise Problem(400, "unknown_person", _now("Nobody whom you see is known by this."), field=field)
    return found


def account_named(name: Mapping[str, Any], user: Any, *, system: str = API, field: str = "account") -> Account:
    """The account that a body names, among those whom the user sees. Raises Problem."""
    if pk := name.get("id"):
        found = Account.objects.filter(pk=pk).first()
    else:
        domain = addresses.domain(name["domain"]) if name.get("domain") else None
        told = {"external_id": name.get("external_id"), "domain": domain, "name": name.get("name")}
        found = accounts.find(source=name.get("system", system), **told)
    if found is None or found.erased_at or not sight.sees(user, [found.pk]):
        raise Problem(400, "unknown_account", _now("No account that you see is known by this."), field=field)
    return found


def user_named(email: str | None, *, field: str = "owner") -> User | None:
    """The user of an email, who may sign in; None for none. Raises Problem."""
    if not email:
        return None
    found = users.to_choose().filter(email=email.strip().lower()).first()
    if found is None:
        raise Problem(400, "unknown_user", _now("No user who may sign in has this email."), field=field)
    return found


# ---- how they are written ----


def text(**given: Any) -> serializers.CharField:
    """A text that may be left out; null and "" empty it."""
    return serializers.CharField(required=False, allow_null=True, allow_blank=True, **given)


class SubjectChange(Strict):
    """What may be written of a person or an account."""

    country = text()
    region = text()
    city = text()
    owner = serializers.EmailField(required=False, allow_null=True, help_text="The email of a user.")
    custom = described(serializers.DictField, CUSTOM_SCHEMA)(required=False)
    system = serializers.CharField(required=False, max_length=64, default=API, help_text=SYSTEM_HELP)


class SubjectNew(SubjectChange):
    """What may be said of a new one besides."""

    external_id = text(help_text="Under which `system` knows it.")
    first_seen_at = Instant(required=False)


class Policy(serializers.ChoiceField):
    """What may become of rows that are known already, and of those that are not: as in imports."""

    def __init__(self, **given: Any) -> None:
        super().__init__(choices=Import.Policy.choices, default=Import.Policy.UPSERT, required=False, **given)


@example({"add": ["Newsletter", "VIP"], "remove": ["Old list"]})
class TagsGiven(Strict):
    """Tags to put on and to take off, by name."""

    add = serializers.ListField(child=serializers.CharField(), required=False, default=list, max_length=tags.MOST)
    remove = serializers.ListField(child=serializers.CharField(), required=False, default=list, max_length=tags.MOST)


@example({"owner": "sam@perennial.example"})
class OwnerGiven(Strict):
    """Who looks after it: the email of a user, or null for nobody."""

    owner = serializers.EmailField(allow_null=True)


@example({"confirm": "ann@example.com"})
class EraseGiven(Strict):
    """Whom to erase, said once more."""

    confirm = serializers.CharField(
        max_length=400, help_text="The person's email or name; the account's domain or name."
    )


@example({"id": 4711, "job": None, "named_in": []})
class Erased(serializers.Serializer[Any]):
    """That somebody, or an account, is erased."""

    id = serializers.IntegerField()
    job = serializers.IntegerField(
        allow_null=True, help_text="The long work that does it, where the database is large."
    )
    named_in = serializers.ListField(
        child=serializers.CharField(), help_text="What was written for everybody and has the name still."
    )


# ---- filters ----


class SubjectFilters(django_filters.FilterSet):
    """What lists of people and of accounts can be narrowed by."""

    q = django_filters.CharFilter(method="with_words", help_text="Words of the name, email, domain or an external id.")
    external_id = django_filters.CharFilter(method="of_external_id", help_text="Of `system`, or of any.")
    system = django_filters.CharFilter(method="of_system", help_text="Known to this system.")
    updated_since = Moment("updated_at", lookup_expr="gte")
    owner = django_filters.CharFilter(method="of_owner", help_text=f"The email of a user, or “{NOBODY}”.")
    tag = django_filters.CharFilter(method="with_tag", help_text="The name of a tag.")
    segment = django_filters.CharFilter(method="in_segment", help_text="The slug of a segment: who is in it now.")
    country = django_filters.CharFilter("country")
    is_excluded = TrueOrFalse("is_excluded", help_text="Left out of figures, or not.")

    def of_external_id(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        named = Identity.objects.filter(external_id=value)
        if system := self.form.cleaned_data.get("system"):
            named = named.filter(system=system)
        return rows.filter(pk__in=named.values("subject_id"))

    def of_system(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(Exists(Identity.objects.filter(subject_id=OuterRef("pk"), system=value)))

    def of_owner(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(owner=None) if value == NOBODY else rows.filter(owner__email=value.strip().lower())

    def with_tag(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(Exists(Tagged.objects.filter(subject_id=OuterRef("pk"), tag__slug=tags.slug_of(value))))

    def in_segment(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        stays = SegmentMember.objects.filter(segment__slug=value, left_at=None)
        return rows.filter(pk__in=stays.values("subject_id"))


# ---- the resource ----


class Subjects(Listed, Shown):
    """People or accounts; subclasses say `model` and the verbs."""

    model: Model
    scope = "people"
    right = "people"
    rights: ClassVar[Mapping[str, str]] = {"tags": "note", "bulk": "edit", "erase": "erase"}
    orderings = ("pk", "updated_at", "first_seen_at", "created_at")
    lookup_value_converter = "int"

    # The verbs: `find_one` takes the values and the system.
    create_one: Callable[..., Any]
    change_one: Callable[..., Any]
    upsert_one: Callable[..., Any]
    find_one: Callable[..., Any]

    @property
    def follows(self) -> list[str]:  # type: ignore[override]
        """Scores and stages are judged after a write, by themselves."""
        return [extra.told.name for extra in listing.extras(self.model.__name__.lower()) if extra.told]

    def everybody(self) -> QuerySet[Any]:
        """All rows as they are shown, whoever asks."""
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[Any]:
        return self.narrowed(with_identities(self.everybody()))

    def get_object(self) -> Any:
        """The row of the address. Raises Problem for one that was merged: its number says into whom."""
        try:
            return super().get_object()
        except Http404:
            into = merging.whither(int(self.kwargs["pk"]))
            if into is None or not sight.sees(self.by, [into]):
                raise
            said = _now("It was merged into #%(id)s, which has all that it had.") % {"id": into}
            raise Problem(410, "merged", said, merged_into=into) from None

    def narrowed(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those whom the key's user sees."""
        narrow: Any = sight.people if self.model is Person else sight.accounts
        return narrow(rows, self.by)

    def again(self, row: Any) -> Any:
        # Whoever gives somebody away may see the answer, and nothing after it.
        return with_identities(self.everybody()).get(pk=row.pk)

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The body as the verbs take it. Raises Problem for who is not there."""
        told = {name: value for name, value in given.items() if name not in ("system", "policy")}
        if "owner" in told:
            told["owner"] = user_named(told["owner"])
        return told

    def made(self, values: dict[str, Any]) -> dict[str, Any]:
        """What a new one gets besides: whoever sees only their own looks after it, unless it is said."""
        return values if sight.everything(self.by) else {"owner": self.by} | values

    def writing(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Who writes, when, and by which system."""
        return {"source": given["system"], "by": self.by, "now": self.now}

    @transaction.atomic
    def make(self, kind: type[SubjectNew]) -> Response:
        given = self.given(kind)
        row = self.create_one(self.made(self.values(given)), **self.writing(given))
        return self.answer(row, 201)

    @transaction.atomic
    def change(self, kind: type[SubjectChange]) -> Response:
        held, given = self.locked(), self.given(kind)
        self.change_one(held, self.values(given), **self.writing(given))
        return self.answer(held)

    @transaction.atomic
    def find_or_make(self, kind: type[SubjectNew]) -> Response:
        given = self.given(kind)
        values = self.values(given)
        known = self.find_one(values, given["system"])
        if known is None:
            values = self.made(values)
        elif not sight.sees(self.by, [known.pk]):
            raise Problem(409, "known_to_others", _now("It is there already, and somebody else looks after it."))
        row, became = self.upsert_one(values, policy=given["policy"], **self.writing(given))
        if row is None:
            return Response({"outcome": became, "id": None})
        answer = self.answer(row, 201 if became == people.CREATED else 200)
        answer.data = {"outcome": became, **answer.data}
        return answer

    @extend_schema(request=TagsGiven)
    @action(methods=["post"], detail=True)
    @transaction.atomic
    def tags(self, request: Request, pk: int) -> Response:
        """Put tags on and take tags off. A tag that is new is made."""
        row, given = self.get_object(), self.given(TagsGiven)
        telling: dict[str, Any] = {"source": API, "by": self.by, "now": self.now}
        if gone := [tags.slug_of(each) for each in given["remove"]]:
            tags.remove(self.model, _only(row), gone, **telling)
        if any("," in each for each in given["add"]):
            raise BadValue("add", _now("A tag has no comma."))
        if new := tags.read(",".join(given["add"])):
            tags.add(self.model, _only(row), new, **telling)
        return self.answer(row)

    @extend_schema(request=OwnerGiven)
    @action(methods=["post"], detail=True)
    @transaction.atomic
    def owner(self, request: Request, pk: int) -> Response:
        """Give it to a user, or to nobody."""
        row, given = self.get_object(), self.given(OwnerGiven)
        owner = user_named(given["owner"])
        owners.give(self.model, _only(row), owner, by=self.by, now=self.now, source=API)
        return self.answer(row)

    @extend_schema(request=EraseGiven, responses={200: Erased, 202: Erased})
    @action(methods=["post"], detail=True)
    def erase(self, request: Request, pk: int) -> Response:
        """Erase all that is known, for good. Counts stay; addresses are suppressed by their hash."""
        row, given = self.get_object(), self.given(EraseGiven)
        if not erasure.confirms(row, given["confirm"]):
            raise BadValue("confirm", _now("This is not what it is called."), "not_confirmed")
        done = erasure.begin(row, by=self.by, now=self.now)
        if isinstance(done, Job):
            return Response({"id": row.pk, "job": done.pk, "named_in": []}, status=202)
        return Response({"id": row.pk, "job": None, "named_in": done or []})


def _only(row: Any) -> Sql:
    return sql("SELECT {}::bigint AS subject_id", row.pk)

"""The rows behind a figure, page by page: each figure of a report names its address here."""

from __future__ import annotations

from typing import Any

from django.db.models import IntegerField, QuerySet
from django.db.models.expressions import RawSQL
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audience.models import Account, Contract, Deal, Person
from audience.subjects import sight
from campaigns.models import Campaign, Enrollment
from kit import past
from kit.api.filtering import PAGING
from kit.api.paging import CursorPages
from kit.api.serializers import Instant
from kit.api.views import Rows
from kit.sql import Sql, dicts, rows, sql
from lifecycle.models import Membership
from reporting import addresses, behind, known, metrics, plans
from reporting import campaigns as asking_campaigns
from reporting import funnel as funnels
from reporting import money as asking
from reporting.addresses import NotAsked
from reporting.api.figures import Report
from reporting.api.funnel import LIFECYCLE, PAST, SPLIT, STAGE, WINDOW, WITHIN
from reporting.api.money import PIPELINE
from reporting.metrics.lift import HELD, TREATED
from reporting.models import StageEntry

METRIC = OpenApiParameter("metric", str, required=True, description="As a figure says it.")
PART = OpenApiParameter("part", str, description="A part of the figure, such as what it was counted from.")
NARROWED = [
    OpenApiParameter(name, str, description="As the address in a figure says it.")
    for name in addresses.PARAMETERS
    if name
    not in (
        "lifecycle",
        "metric",
        "part",
        "stage",
        "window",
        "was",
        "from",
        "to",
        "split",
        "known",
        "within",
        *past.PARAMETERS,
    )
]
ENTRY: dict[str, Any] = {
    "id": 33121, "membership": 4711, "person": 318, "account": None, "from_stage": "mql", "to_stage": "sal",
    "occurred_at": "2025-01-05T14:02:11Z", "evidence_day": "2025-01-05", "days": 4, "more": {},
}  # fmt: skip
CUSTOMER = {
    "id": 52,
    "person": None,
    "account": 52,
    "contract": None,
    "deal": None,
    "columns": {"start_value": 1200000},
}
ASSIGNED = {"id": 8123, "person": 318, "account": None, "group": "treated", "entered_at": "2025-01-05T14:02:11Z",
            "reached_on": "2025-02-01"}  # fmt: skip


@extend_schema_serializer(examples=[OpenApiExample("A move", ENTRY, response_only=True)])
class BehindRow(serializers.Serializer[Any]):
    """One row that a figure counts: a move, or of “left out” a membership, of which there is no more to tell."""

    id = serializers.IntegerField(source="pk")
    membership = serializers.IntegerField(source="of.pk")
    person = serializers.IntegerField(source="of.person_id", allow_null=True)
    account = serializers.IntegerField(source="of.account_id", allow_null=True)
    from_stage = serializers.CharField(default="", help_text="Empty for outside of the lifecycle.")
    to_stage = serializers.CharField(default="", help_text="Empty for outside of the lifecycle.")
    occurred_at = Instant(default=None, allow_null=True)
    evidence_day = serializers.DateField(default=None, allow_null=True)
    days = serializers.IntegerField(
        default=None, allow_null=True, help_text="The duration, of figures about durations."
    )
    more = serializers.DictField(help_text="What else the list of this figure shows.")


@extend_schema_serializer(examples=[OpenApiExample("An account", CUSTOMER, response_only=True)])
class CustomerRow(serializers.Serializer[Any]):
    """One customer, contract, deal or partner behind a figure; amounts are in minor units."""

    id = serializers.IntegerField(source="pk")
    person = serializers.IntegerField(source="whose.person", allow_null=True)
    account = serializers.IntegerField(source="whose.account", allow_null=True)
    contract = serializers.IntegerField(source="whose.contract", allow_null=True)
    deal = serializers.IntegerField(source="whose.deal", allow_null=True)
    columns = serializers.DictField(help_text="What the figure adds up, and beside it.")


@extend_schema_serializer(examples=[OpenApiExample("A member", ASSIGNED, response_only=True)])
class AssignedRow(serializers.Serializer[Any]):
    """One member of a campaign behind a figure of its lift; `id` is the enrollment's."""

    id = serializers.IntegerField(source="pk")
    person = serializers.IntegerField(source="person_id", allow_null=True)
    account = serializers.IntegerField(source="account_id", allow_null=True)
    group = serializers.ChoiceField([TREATED, HELD])
    entered_at = Instant()
    reached_on = serializers.DateField(allow_null=True, help_text="When they came to the outcome.")


class Behind(Report):
    """The rows behind a figure."""

    pagination_class = CursorPages

    def rows_of(self, found: QuerySet[Any], kind: type[serializers.Serializer[Any]]) -> Response:
        page = self.paginate_queryset(found)
        assert page is not None
        self.fill(page)
        return self.get_paginated_response(kind(page, many=True, context=self.get_serializer_context()).data)

    def fill(self, page: Rows) -> None:
        """What is read of the rows of a page at once."""


class FigurePeople(Behind):
    """The moves that a figure of a lifecycle counts."""

    known = (*addresses.PARAMETERS, *PAGING)

    @extend_schema(
        responses=BehindRow(many=True),
        parameters=[METRIC, PART, LIFECYCLE, STAGE, *WINDOW, WITHIN, SPLIT, *PAST, *NARROWED],
    )
    def list(self, request: Request) -> Response:
        """List the rows behind a figure. A salesperson finds their own people among them; the figure counts all.

        404 `no_such_figure` says what the address lacks.
        """
        given = self.asked()
        lifecycle = next((each for each in plans.readable() if each.slug == given.get("lifecycle")), None)
        if lifecycle is None:
            raise NotAsked(_("The address names no published lifecycle."))
        plan = plans.read(lifecycle)
        assert plan is not None
        figure, notes = addresses.read_figure(given, plan, funnels.today(self.now), self.now)
        self.understood(notes)
        self.figure = figure
        with known.entries(figure.question) as then:
            ids = figure.metric.people(then, figure.part)
            if figure.question.is_past:  # what there was then is gone when the list is read
                ids = sql("SELECT unnest({}::bigint[])", [row[0] for row in rows(ids)])
        return self.rows_of(self._seen(ids), BehindRow)

    def _seen(self, ids: Sql) -> QuerySet[Any]:
        within = RawSQL(ids.text, ids.params)  # noqa: S611 - values are bound
        metric, question = self.figure.metric, self.figure.question
        if metric.unit == "membership":
            return sight.subjects(Membership.objects.filter(pk__in=within), self.request.user)
        found = StageEntry.objects.filter(pk__in=within).select_related("membership")
        if metric.days:
            days = metric.days(question)
            found = found.annotate(days=RawSQL(days.text, days.params, output_field=IntegerField()))  # noqa: S611
        for extra in metric.told_of(question):
            told = extra.value(question)
            found = found.annotate(**{extra.name: RawSQL(told.text, told.params, output_field=extra.field)})  # noqa: S611
        return sight.subjects(found, self.request.user, "membership__subject_id")

    def fill(self, page: Rows) -> None:
        names = [extra.name for extra in self.figure.metric.told_of(self.figure.question)]
        for row in page:
            row.of = row if isinstance(row, Membership) else row.membership
            row.more = {name: getattr(row, name) for name in names}


class Customers(Behind):
    """The customers, contracts, deals or partners that a figure counts."""

    known = (*asking.PARAMETERS, *PAGING)

    @extend_schema(
        responses=CustomerRow(many=True),
        parameters=[
            METRIC, PART, *WINDOW, PIPELINE,
            *(OpenApiParameter(name, str) for name in ("of", "basis", "currency", "top")),
        ],
    )  # fmt: skip
    def list(self, request: Request) -> Response:
        """List the customers behind a figure of money. A salesperson finds their own among them; the figure adds all.

        404 `no_such_figure` when there is none of that name.
        """
        given = self.asked()
        metric = metrics.CUSTOMERS.get(given.get("metric", ""))
        part = given.get("part", "")
        if metric is None or part not in metric.parts:
            raise _unknown(given)
        asked = asking.read(given, funnels.today(self.now))
        self.understood(asked.notes)
        self.statement = metric.rows(asked.question, part)
        model = behind.model(metric, asked.question)
        within = sql("SELECT id FROM ({}) behind", self.statement)
        found = model._default_manager.filter(pk__in=RawSQL(within.text, within.params))  # noqa: S611 - values are bound
        return self.rows_of(behind.seen(found, request.user), CustomerRow)

    def fill(self, page: Rows) -> None:
        ids = [row.pk for row in page]
        told = dicts(sql("SELECT * FROM ({}) behind WHERE id = ANY ({}::bigint[])", self.statement, ids))
        columns = {row.pop("id"): row for row in told}
        for row in page:
            row.columns = columns.get(row.pk, {})
            row.whose = _whose(row)


def _whose(row: Contract | Deal | Person | Account) -> dict[str, int | None]:
    told: dict[str, int | None] = dict.fromkeys(("person", "account", "contract", "deal"))
    if isinstance(row, Deal):
        return told | {"account": row.account_id, "deal": row.pk}
    if isinstance(row, Contract):
        return told | {"person": row.person_id, "account": row.account_id, "contract": row.pk}
    return told | {"person" if isinstance(row, Person) else "account": row.pk}


class LiftPeople(Behind):
    """The members of a campaign whom a figure of its lift counts."""

    known = ("metric", "part", *PAGING)

    @extend_schema(responses=AssignedRow(many=True), parameters=[METRIC, PART])
    def list(self, request: Request, slug: str) -> Response:
        """List the members behind a figure of a campaign's lift. A salesperson finds their own people among them."""
        given = self.asked()
        metric = metrics.CAMPAIGNS.get(given.get("metric", ""))
        part = given.get("part", "")
        if metric is None or part not in metric.parts:
            raise _unknown(given)
        campaign = get_object_or_404(Campaign.objects.select_related("lifecycle"), slug=slug)
        [question] = asking_campaigns.ask([campaign], funnels.today(self.now))
        self.statement = metric.rows(question, part)
        within = sql("SELECT id FROM ({}) behind", self.statement)
        found = Enrollment.objects.filter(pk__in=RawSQL(within.text, within.params))  # noqa: S611 - values are bound
        return self.rows_of(sight.subjects(found, request.user), AssignedRow)

    def fill(self, page: Rows) -> None:
        ids = [row.pk for row in page]
        statement = sql("SELECT id, reached_on FROM ({}) behind WHERE id = ANY ({}::bigint[])", self.statement, ids)
        reached = dict(rows(statement))
        for row in page:
            row.reached_on = reached.get(row.pk)
            row.group = HELD if row.state == Enrollment.State.HOLDOUT else TREATED


def _unknown(given: dict[str, str]) -> NotAsked:
    name = f"{given.get('metric', '')} {given.get('part', '')}"[:40].strip()
    return NotAsked(_("There is no figure called “%(name)s”.") % {"name": name})

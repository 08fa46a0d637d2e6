"""Named working calendars over the API: read by whoever reads lifecycles, changed by administrators."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit import calendars, publicholidays
from kit.api.filtering import refuse_unknown
from kit.api.problems import Problem
from kit.api.schema import example
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Shown
from kit.models import WorkingCalendar

HOURS = [{"weekday": number, "opens": "09:00", "closes": "17:00"} for number in range(1, 6)]
HOLIDAYS = [{"on": "2025-12-25", "name": "Christmas Day"}]
TOLD: dict[str, Any] = {
    "slug": "emea", "name": "EMEA", "zone": "Europe/Berlin", "hours": HOURS, "holidays": HOLIDAYS,
}  # fmt: skip
USE = {"name": "MQL of Net-new B2B v2", "url": "/lifecycles/net_new_b2b/versions/2/"}


class OpeningRow(serializers.Serializer[Any]):
    """When a weekday is worked; a weekday that is not there is free."""

    weekday = serializers.IntegerField(help_text="1 is Monday, 7 is Sunday.")
    opens = serializers.CharField(help_text="In the local time of the zone, such as 09:00.")
    closes = serializers.CharField(help_text="On the same day; 24:00 is midnight at its end.")


class HolidayRow(serializers.Serializer[Any]):
    """A day on which nobody works."""

    on = serializers.CharField(help_text="Such as 2025-12-25.")
    name = serializers.CharField(required=False, allow_blank=True)


class CalendarUse(serializers.Serializer[Any]):
    """Something that counts by the calendar."""

    name = serializers.CharField()
    url = serializers.CharField()


@example(TOLD | {"used_by": [USE]})
class CalendarRow(Row):
    """A working calendar, by which SLA stages count that name its `slug`."""

    hours = OpeningRow(many=True, read_only=True)
    holidays = HolidayRow(many=True, read_only=True)
    used_by = serializers.SerializerMethodField(help_text="The stages that count by it; while there are any, it stays.")

    class Meta:
        model = WorkingCalendar
        fields = ("slug", "name", "zone", "hours", "holidays", "used_by")
        read_only_fields = fields

    @extend_schema_field(CalendarUse(many=True))
    def get_used_by(self, row: WorkingCalendar) -> list[dict[str, str]]:
        using = row.uses if hasattr(row, "uses") else calendars.uses([row.slug])[row.slug]
        return [{"name": each.name, "url": each.url} for each in using]


class Told(Strict):
    """What the verb reads and answers for: it says of each part what makes no sense in it."""

    name = serializers.CharField(required=False)
    slug = serializers.CharField(required=False, help_text="Left out, it is made of the name.")
    zone = serializers.CharField(required=False, help_text="Such as Europe/Berlin.")
    hours = serializers.JSONField(required=False)
    holidays = serializers.JSONField(required=False)


@example({key: value for key, value in TOLD.items() if key != "slug"})
class CalendarNew(Told):
    """A new calendar."""

    name = serializers.CharField()
    zone = serializers.CharField(help_text="Such as Europe/Berlin.")
    hours = serializers.JSONField()


@example({"holidays": HOLIDAYS})
class CalendarChange(Told):
    """What is said otherwise. A list is told whole; the short name only while no stage counts by the calendar."""


class Where(serializers.Serializer[Any]):
    """Of which place, and of which years."""

    place = serializers.CharField(max_length=40)
    first_year = serializers.IntegerField(min_value=1950, max_value=2100)
    last_year = serializers.IntegerField(min_value=1950, max_value=2100, required=False)


WHERE = [
    OpenApiParameter("place", str, required=True, description="A country such as DE, or one of its regions, DE-BY."),
    OpenApiParameter("first_year", int, required=True),
    OpenApiParameter("last_year", int, description="The first, unless it is said; ten years at most."),
]


@extend_schema_serializer(many=False, examples=[OpenApiExample("Days", {"results": HOLIDAYS}, response_only=True)])
class PublicHolidayList(serializers.Serializer[Any]):
    """Days, as the holidays of a calendar are told."""

    results = HolidayRow(many=True)


class WorkingCalendars(Listed, Shown):
    """The named working calendars."""

    scope = "lifecycles"
    right = "administer"
    queryset = WorkingCalendar.objects.all()
    serializer_class = CalendarRow
    lookup_field = "slug"
    lookup_value_converter = "slug"
    follows = ("used_by",)

    def prepare(self, rows: list[Any]) -> list[Any]:
        found = calendars.uses([row.slug for row in rows])
        for row in rows:
            row.uses = found[row.slug]
        return rows

    @extend_schema(request=CalendarNew, responses={201: CalendarRow})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a calendar. 409 when its short name is taken."""
        return self.answer(calendars.define(self.given(CalendarNew), by=self.by, now=self.now), 201)

    @extend_schema(parameters=WHERE, responses=PublicHolidayList)
    @action(detail=False, url_path="public-holidays", pagination_class=None, filter_backends=())
    def public_holidays(self, request: Request) -> Response:
        """Read the public holidays of a country or region, as calendars take them."""
        refuse_unknown(request, {each.name for each in WHERE})
        asked = Where(data=request.query_params)
        asked.is_valid(raise_exception=True)
        told = asked.validated_data
        days = publicholidays.between(told["place"], told["first_year"], told.get("last_year", told["first_year"]))
        return Response({"results": days})

    @extend_schema(request=CalendarChange)
    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change it: what is due by it is set anew within a minute. 409 for another short name while it is used."""
        held = self.locked()
        calendars.change(held, self.given(CalendarChange), by=self.by, now=self.now)
        return self.answer(held)

    @extend_schema(responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove a calendar. 409 while a stage counts by it."""
        calendars.remove(self.locked(), by=self.by, now=self.now)
        return Response(status=204)


def nowhere(error: publicholidays.Refused) -> Problem:
    """Of which place or years no holidays can be told."""
    return Problem(400, "calendar_refused", str(error), field=error.field)


def refused(error: calendars.Refused) -> Problem:
    """Who is in the way, or which part makes no sense."""
    field = error.field or None
    if isinstance(error, calendars.InUse):
        users = [{"what": "stage", "name": each.name} for each in error.uses]
        return Problem(409, "in_use", str(error), field=field, users=users)
    if isinstance(error, calendars.Taken):
        return Problem(409, "name_taken", str(error), field=field)
    return Problem(400, "calendar_refused", str(error), field=field)

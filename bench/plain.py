"""What W4 is held against: the same batch endpoint as Django REST Framework is usually written, with its own serializers.

It checks the key, reads and validates every row, finds people by email and kinds by slug, leaves out what is there, and
writes with `bulk_create`. It answers no row for itself: one that is wrong refuses the whole.
"""

from __future__ import annotations

import os
from typing import Any

import django
from django.core.wsgi import get_wsgi_application
from django.db import transaction
from django.urls import path
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.utils import timezone  # noqa: E402
from rest_framework.parsers import JSONParser  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from audience.models import Activity, ActivityKind, Person  # noqa: E402


class Who(serializers.Serializer[Any]):
    """Whose an activity is."""

    email = serializers.EmailField(max_length=254)


class Told(serializers.Serializer[Any]):
    """One activity."""

    external_id = serializers.CharField(max_length=200)
    kind = serializers.SlugField(max_length=64)
    occurred_at = serializers.DateTimeField()
    person = Who()
    channel = serializers.CharField(max_length=32, required=False, default="")
    direction = serializers.ChoiceField(choices=Activity.Direction.choices, required=False, default="")
    value = serializers.DecimalField(max_digits=20, decimal_places=4, required=False)
    properties = serializers.DictField(required=False, default=dict)


class Batch(APIView):
    """A batch of activities."""

    parser_classes = (JSONParser,)
    permission_classes = (AllowAny,)

    def post(self, request: Request) -> Response:
        assert request.auth is not None  # the key was looked up
        serializer = Told(data=request.data["activities"], many=True)
        serializer.is_valid(raise_exception=True)
        now, rows = timezone.now(), serializer.validated_data
        with transaction.atomic():
            slugs = {row["kind"] for row in rows}
            ActivityKind.objects.bulk_create([ActivityKind(slug=s, label=s) for s in slugs], ignore_conflicts=True)
            kinds = {kind.slug: kind for kind in ActivityKind.objects.filter(slug__in=slugs)}
            emails = {row["person"]["email"].lower() for row in rows}
            people = {person.email: person for person in Person.objects.filter(email__in=emails)}
            ids = [row["external_id"] for row in rows]
            there = set(
                Activity.objects.filter(source=request.data["source"], external_id__in=ids).values_list(
                    "external_id", flat=True
                )
            )
            new = [
                Activity(
                    person=people[row["person"]["email"].lower()], account_id=people[row["person"]["email"].lower()].account_id,
                    kind=kinds[row["kind"]], channel=row["channel"], direction=row["direction"], value=row.get("value"),
                    properties=row["properties"], occurred_at=row["occurred_at"], recorded_at=now,
                    source=request.data["source"], external_id=row["external_id"],
                )
                for row in rows
                if row["external_id"] not in there
            ]  # fmt: skip
            Activity.objects.bulk_create(new, ignore_conflicts=True)
        return Response({"new": len(new), "known": len(there)})


urlpatterns = [path("api/v1/activities/batch/", Batch.as_view())]
settings.ROOT_URLCONF = "bench.plain"
application = get_wsgi_application()

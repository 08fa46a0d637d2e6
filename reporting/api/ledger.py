"""The ledger check: what it found last, and having it done now."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.api import etags
from kit.api.jobs import JobRow, accepted
from kit.api.serializers import Instant
from reporting import integrity, plans
from reporting.api.figures import Report

CHECK = {
    "lifecycle": "net_new_b2b", "checked_at": "2025-03-04T04:00:00Z", "memberships": 18_204, "movements": 91_377,
    "found": 0, "findings": [],
}  # fmt: skip


class FindingRow(serializers.Serializer[Any]):
    """One thing that is wrong."""

    kind = serializers.ChoiceField(integrity.Kind.values)
    what = serializers.CharField()
    where = serializers.CharField()
    words = serializers.CharField()
    membership = serializers.IntegerField(allow_null=True)


class LedgerCheckRow(serializers.Serializer[Any]):
    """The last check of one lifecycle's ledger: memberships, movements and roll-ups must say the same."""

    lifecycle = serializers.SlugField()
    checked_at = Instant(allow_null=True, help_text="Null while it was never checked.")
    memberships = serializers.IntegerField(allow_null=True)
    movements = serializers.IntegerField(allow_null=True)
    found = serializers.IntegerField(allow_null=True)
    findings = FindingRow(many=True, help_text="The first few; of members those that are seen.")


@extend_schema_serializer(
    many=False, examples=[OpenApiExample("Sound", {"lifecycles": [CHECK], "job": None}, response_only=True)]
)
class Ledger(serializers.Serializer[Any]):
    """The last check of each ledger, and the job that was asked for last."""

    lifecycles = LedgerCheckRow(many=True)
    job = JobRow(allow_null=True)


class LedgerReport(Report):
    """Whether memberships, movements and roll-ups say the same."""

    right = "operate"

    @extend_schema(responses=Ledger)
    def list(self, request: Request) -> Response:
        """Read what the last check of each lifecycle's ledger found."""
        self.asked()
        checks, job = integrity.newest(), integrity.last_job()
        told = []
        for lifecycle in plans.readable():
            check = checks.get(lifecycle.pk)
            names = ("checked_at", "memberships", "movements", "found")
            row = {name: getattr(check, name, None) for name in names}
            findings = integrity.seen(check.findings, self.by) if check else []
            told.append({"lifecycle": lifecycle.slug, **row, "findings": findings})
        return etags.answer(request, Ledger({"lifecycles": told, "job": job}).data)

    @extend_schema(request=None, responses={202: JobRow})
    @action(methods=["post"], detail=False, bodiless=True)
    def check(self, request: Request) -> Response:
        """Check all ledgers now. The job is the one that is under way, if there is one."""
        job, _is_new = integrity.ask(by=self.by, now=self.now)
        return accepted(job)

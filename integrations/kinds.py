"""Kinds of rows of the change feed: each with the resource that shows it, and some that are shown nowhere else."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from audience.api.accounts import Accounts
from audience.api.activities import Activities
from audience.api.cases import Cases
from audience.api.contracts import Contracts
from audience.api.deals import Deals
from audience.api.merging import Merges
from audience.api.people import People
from audience.api.pipelines import Pipelines
from audience.api.purchases import Purchases
from audience.api.rates import Rates
from audience.api.roles import Roles
from audience.api.titles import RuleShown
from audience.models import ConsentRecord, ExchangeRate, SegmentMember, TitleRules
from audience.subjects import sight
from kit.api.schema import example
from kit.api.serializers import Row
from kit.api.views import Listed
from lifecycle.api.memberships import Movements
from scoring.api.scores import ScoreChanges


@example({
    "id": 31, "person": 4711, "account": None, "segment": "trial-users", "entered_at": "2025-06-02T11:30:04Z",
    "left_at": None,
})  # fmt: skip
class StayRow(Row):
    """One stay of a person or an account in a segment; `left_at` is null while they are in it."""

    segment = serializers.CharField(source="segment.slug", read_only=True)

    class Meta:
        model = SegmentMember
        fields = ("id", "person", "account", "segment", "entered_at", "left_at")
        read_only_fields = fields


class Stays(Listed):
    """Who is and was in which segment."""

    scope = "segments"
    queryset = SegmentMember.objects.select_related("segment")
    serializer_class = StayRow

    def get_queryset(self) -> QuerySet[Any]:
        return sight.subjects(super().get_queryset(), self.by)


@example({
    "id": 12, "person": 4711, "account": None, "topic": "news", "channel": "email", "given": True, "basis": "consent",
    "wording": "Yes, write to me.", "source": "https://www.example.com/newsletter", "reversal_of": None,
    "occurred_at": "2025-06-02T11:29:58Z", "recorded_at": "2025-06-02T11:30:01Z",
})  # fmt: skip
class ConsentActRow(Row):
    """One act of giving or withdrawing consent, to one topic or (null) to all; of several the latest counts."""

    topic = serializers.CharField(source="topic.slug", read_only=True, default=None, allow_null=True)
    reversal_of = serializers.IntegerField(
        source="reversal_of_id", read_only=True, allow_null=True, help_text="The act that this one calls a mistake."
    )

    class Meta:
        model = ConsentRecord
        fields = (
            "id", "person", "account", "topic", "channel", "given", "basis", "wording", "source", "reversal_of",
            "occurred_at", "recorded_at",
        )  # fmt: skip
        read_only_fields = fields


class ConsentActs(Listed):
    """Every act of giving or withdrawing consent."""

    scope = "people"
    queryset = ConsentRecord.objects.select_related("topic")
    serializer_class = ConsentActRow

    def get_queryset(self) -> QuerySet[Any]:
        return sight.subjects(super().get_queryset(), self.by)


@example({
    "id": 3, "rules": [{"of": "seniority", "value": "vp", "words": ["vp"], "unless": []}],
    "created_at": "2025-06-02T11:00:00Z", "applied_at": "2025-06-02T11:30:01Z",
})  # fmt: skip
class TitleRulesEditionRow(Row):
    """One edition of the rules that read job titles; the last that was applied is in force, null is a draft."""

    rules = RuleShown(many=True, read_only=True)

    class Meta:
        model = TitleRules
        fields = ("id", "rules", "created_at", "applied_at")
        read_only_fields = fields


class TitleRulesEditions(Listed):
    """Every edition of the rules of job titles."""

    scope = "people"
    queryset = TitleRules.objects.all()
    serializer_class = TitleRulesEditionRow


class RatesTold(Rates):
    """Every time that a rate was told: of one currency and day the last counts, and none takes the day back."""

    def get_queryset(self) -> QuerySet[Any]:
        return ExchangeRate.objects.all()


# Those to which others point come first, so that whoever reads from the beginning has them already.
KINDS: dict[str, type[Listed]] = {
    "account": Accounts,
    "person": People,
    "merge": Merges,
    "account_role": Roles,
    "title_rules": TitleRulesEditions,
    "exchange_rate": RatesTold,
    "pipeline": Pipelines,
    "consent": ConsentActs,
    "activity": Activities,
    "deal": Deals,
    "purchase": Purchases,
    "contract": Contracts,
    "case": Cases,
    "segment_member": Stays,
    "movement": Movements,
    "score_change": ScoreChanges,
}

"""The stages that deals went through, as a file tells them: dated, known from now on, and taken back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse

from audience.commerce import deals
from audience.conditions import compile, tree
from audience.models import Account, Deal, DealStageChange, Import
from kit.models import User
from kit.sql import rows
from tests.audience.importing.bringing import NOW, bring, counts, rejects
from tests.audience.importing.test_rollback import roll_back

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)
BROUGHT = datetime(2025, 6, 1, tzinfo=UTC)
DEALS = (
    "deal id,name,stage,status,created,closed,company\n"
    "7,Big,Won,won,2025-01-01,2025-04-01,Acme\n8,Small,Proposal,open,2025-02-01,,Bolt\n"
)
STAGES = (
    "deal_id,date_entered,value\n"
    "7,2025-01-01,Discovery\n7,2025-02-01,Proposal\n7,2025-02-15,Proposal\n7,2025-04-01,Won\n"
    "8,2025-02-01,Discovery\n8,2025-03-01,Proposal\n9,2025-03-01,Proposal\n8,2026-03-01,Won\n"
)


def stages(content: str = STAGES, **more: Any) -> Import:
    return bring(content, "deal_stages", **more)


@pytest.fixture(autouse=True)
def there() -> None:
    bring(DEALS, "deals", now=BROUGHT)


def having(where: dict[str, Any], at: datetime, known: datetime | None = None) -> set[str]:
    """The accounts that had such a deal."""
    asked = {"field": "deal.count", "op": "at_least", "value": 1, "where": where}
    found = rows(compile.members(tree.parse(asked, of="account"), of="account", at=at, known=known))
    return set(Account.objects.filter(pk__in=[pk for (pk, *_more) in found]).values_list("name", flat=True))


def in_stage(stage: str, day: date, known: datetime | None = None) -> set[str]:
    """The accounts with a deal that stood in this stage on the morning of a day."""
    return having({"stage": stage}, datetime(day.year, day.month, day.day, tzinfo=UTC), known)


def told(name: str) -> list[tuple[str, str, date]]:
    return [(each.stage, each.status, each.since.date()) for each in deals.stays(Deal.objects.get(name=name), LATER)]


def test_a_history_is_dated_as_the_file_says_and_told_once() -> None:
    expected = {"rows": 8, "created": 5, "unchanged": 1, "rejected": 2}
    assert counts(stages(dry_run=True)) == expected
    imported = stages()
    assert counts(imported) == expected
    assert [(column, "bring the deals" in reason, "later than now" in reason) for _r, column, reason in rejects(imported)] == [
        ("deal_id", True, False), ("date_entered", False, True),
    ]  # fmt: skip
    assert told("Big") == [
        ("Discovery", "open", date(2025, 1, 1)), ("Proposal", "open", date(2025, 2, 1)), ("Won", "won", date(2025, 4, 1)),
    ]  # fmt: skip
    assert told("Small") == [("Discovery", "open", date(2025, 2, 1)), ("Proposal", "open", date(2025, 3, 1))]
    assert set(DealStageChange.objects.values_list("recorded_at", "as_history")) == {(NOW, True)}
    assert counts(stages(now=LATER)) == {"rows": 8, "unchanged": 6, "rejected": 2}


def test_a_past_day_sees_it_and_what_was_known_before_does_not_change() -> None:
    before = {stage: in_stage(stage, date(2025, 6, 10), NOW) for stage in ("Discovery", "Proposal", "Won")}
    stages()
    assert in_stage("Discovery", date(2025, 1, 15)) == {"Acme"}
    assert in_stage("Discovery", date(2025, 2, 10)) == {"Bolt"}
    assert in_stage("Proposal", date(2025, 3, 10)) == {"Acme", "Bolt"}
    assert (in_stage("Won", date(2025, 3, 10)), in_stage("Won", date(2025, 4, 10))) == (set(), {"Acme"})
    after = {stage: in_stage(stage, date(2025, 6, 10), NOW) for stage in before}
    assert after == before == {"Discovery": set(), "Proposal": {"Bolt"}, "Won": {"Acme"}}


def test_it_is_rolled_back_exactly_and_may_be_told_again() -> None:
    opened = dict(Deal.objects.values_list("name", "opened_at"))
    early = stages("deal_id,date_entered,value\n7,2024-12-01,Lead\n")
    assert told("Big")[0] == ("Lead", "open", date(2024, 12, 1))
    imported = stages()
    gone = roll_back(imported)
    assert gone["dealstagechange"] == (5, {})
    assert told("Big") == [("Lead", "open", date(2024, 12, 1)), ("Won", "won", date(2025, 4, 1))]
    roll_back(early)
    assert not DealStageChange.objects.exists()
    assert dict(Deal.objects.values_list("name", "opened_at")) == opened
    assert counts(stages())["created"] == 5


def test_steps_that_the_deal_took_here_stay_when_history_is_told_and_rolled_back() -> None:
    moved = bring("deal id,stage,status\n8,Negotiation,open\n", "deals", now=BROUGHT + timedelta(days=3))
    imported = stages()
    assert [stage for stage, _status, _since in told("Small")] == ["Discovery", "Proposal", "Negotiation"]
    assert in_stage("Proposal", date(2025, 5, 1)) >= {"Bolt"}
    assert in_stage("Negotiation", date(2025, 6, 10)) == {"Bolt"}
    roll_back(imported)
    assert [stage for stage, _status, _since in told("Small")] == ["Proposal", "Negotiation"]
    roll_back(moved)
    assert [stage for stage, _status, _since in told("Small")] == ["Proposal"]


def test_a_deal_that_was_lost_and_won_later_was_lost_between() -> None:
    stages(
        "opportunity id,stage name,created date\n"
        "7,Closed Lost,2025-02-01\n7,Proposal,2025-02-20\n7,Won,2025-04-01\n"
    )  # fmt: skip
    lost = [bool(having({"status": "lost"}, datetime(2025, month, 10, tzinfo=UTC))) for month in (1, 2, 3)]
    assert lost == [False, True, False]


def test_a_history_of_all_fields_tells_of_the_stage_alone() -> None:
    text = (
        "OpportunityId,Field,OldValue,NewValue,CreatedDate\n"
        "8,created,,,2025-02-01 08:00\n8,StageName,Discovery,Proposal,2025-03-01 09:00\n8,Amount,1,2,2025-03-02\n"
    )
    imported = stages(text)
    assert counts(imported) == {"rows": 3, "created": 1, "skipped": 1, "rejected": 1}
    assert told("Small") == [("Discovery", "open", date(2025, 2, 1)), ("Proposal", "open", date(2025, 3, 1))]


@pytest.fixture
def ada(client: Any) -> Any:
    client.force_login(
        User.objects.create_user("ada@example.com", "x", name="Ada", role=User.Role.ADMIN, may_export=True)
    )
    return client


def test_the_history_leaves_as_a_file_that_comes_in_again_and_changes_nothing(ada: Any) -> None:
    stages()
    bring("deal id,stage,status\n8,Negotiation,open\n", "deals", now=BROUGHT + timedelta(days=3))
    page = ada.get(reverse("deal_stages")).content.decode()
    assert "Negotiation" in page and reverse("deal", args=[Deal.objects.get(name="Small").pk]) in page
    assert "Proposal" not in ada.get(reverse("deal_stages") + "?q=Big&stage=Won").content.decode().split("<tbody", 1)[1]
    file = b"".join(ada.get(reverse("deal_stages") + "?export=csv").streaming_content)
    before = [told("Big"), told("Small")]
    again = bring(file, "", source="other", name="deal-stages.csv", now=LATER)
    assert again.kind == "deal_stages"
    assert counts(again) == {"rows": 6, "unchanged": 6}
    DealStageChange.objects.all().delete()
    assert counts(bring(file, "", source="other", name="deal-stages.csv", now=LATER)) == {"rows": 6, "created": 6}
    assert [told("Big"), told("Small")] == before
    assert b"".join(ada.get(reverse("deal_stages") + "?export=csv").streaming_content) == file

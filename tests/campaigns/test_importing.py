"""Members of campaigns that ran elsewhere, out of files: who was assigned and held out, with true dates, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audience.models import Person
from campaigns.models import Campaign, CampaignVersion, Enrollment, Step
from tests import factories
from tests.audience.importing.bringing import NOW, bring, counts, rejects

pytestmark = pytest.mark.django_db

KIND = "campaign_members"
LATER = NOW + timedelta(days=7)
HEADER = "Email,Campaign Name,Created Date,Member Status,First Responded Date,Group\n"


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> None:
    settings.UPLOADS = tmp_path


def at(month: int, day: int) -> datetime:
    return datetime(2025, month, day, tzinfo=UTC)


def members() -> list[tuple[str, str, str, datetime, datetime | None]]:
    found = Enrollment.objects.order_by("person__email").select_related("person")
    return [(e.person.email, e.state, e.reason, e.entered_at, e.ended_at) for e in found]


def test_members_come_in_with_their_dates_and_their_campaign_is_made_stopped() -> None:
    text = (
        HEADER
        + "a@x.de,Spring webinars,2025-01-05,Responded,2025-02-01,treatment\nb@x.de,spring webinars,2025-01-06,Sent,,\nc@x.de,Spring webinars,2025-01-07,,,Holdout\n"
    )
    imported = bring(text, KIND)
    assert counts(imported) == {"rows": 3, "created": 3, "campaigns_created": 1, "people_created": 3}
    assert members() == [
        ("a@x.de", "finished", "Responded", at(1, 5), at(2, 1)),
        ("b@x.de", "finished", "Sent", at(1, 6), at(1, 6)),
        ("c@x.de", "holdout", "", at(1, 7), None),
    ]
    campaign = Campaign.objects.get()
    assert (campaign.slug, campaign.name, campaign.state) == ("spring_webinars", "Spring webinars", "stopped")
    assert (campaign.launched_at, campaign.stopped_at, campaign.lifecycle) == (at(1, 5), at(2, 1), None)
    assert CampaignVersion.objects.get().state == "retired"
    assert Person.objects.get(email="a@x.de").first_seen_at == at(1, 5)
    assert Enrollment.objects.filter(why="Brought in from crm").count() == 3


def test_the_same_file_again_changes_nothing_and_a_later_one_brings_what_became_of_them() -> None:
    text = HEADER + "a@x.de,Spring,2025-01-05,Sent,,\nb@x.de,Spring,2025-01-05,,,holdout\n"
    bring(text, KIND)
    assert counts(bring(text, KIND, now=LATER)) == {"rows": 2, "unchanged": 2}
    news = HEADER + "a@x.de,spring,2025-01-09,Attended,2025-03-01,\nb@x.de,spring,2025-01-05,Sent,2025-03-01,holdout\n"
    assert counts(bring(news, KIND, now=LATER)) == {"rows": 2, "updated": 1, "unchanged": 1}
    assert members() == [
        ("a@x.de", "finished", "Attended", at(1, 5), at(3, 1)),
        ("b@x.de", "holdout", "", at(1, 5), None),
    ]
    assert counts(bring(news, KIND, now=LATER)) == {"rows": 2, "unchanged": 2}


def test_an_assignment_never_changes() -> None:
    bring(HEADER + "a@x.de,Spring,2025-01-05,,,holdout\n", KIND)
    imported = bring(HEADER + "a@x.de,Spring,2025-01-05,Sent,,treatment\n", KIND, now=LATER)
    assert rejects(imported) == [(2, "Group", "Was assigned to the other group before; an assignment never changes.")]
    assert [row[1] for row in members()] == ["holdout"]


def test_somebody_twice_in_a_file_counts_with_the_last_row() -> None:
    text = HEADER + "a@x.de,Spring,2025-01-05,Sent,,\nA@x.de,SPRING,2025-01-05,Responded,2025-02-02,\n"
    assert counts(bring(text, KIND)) == {
        "rows": 2, "created": 1, "repeated": 1, "campaigns_created": 1, "people_created": 1,
    }  # fmt: skip
    assert members() == [("a@x.de", "finished", "Responded", at(1, 5), at(2, 2))]


def test_the_file_says_what_the_campaign_was_for() -> None:
    factories.published()
    header = "email,campaign,assigned at,campaign type,lifecycle,stage,outcome,outcome window,holdout percent\n"
    rows = "a@x.de,Spring,2025-01-05,,,,,,\nb@x.de,Spring,2025-01-05,Re-engagement,Small,engaged,Lead,60,20\n"
    bring(header + rows, KIND)
    campaign = Campaign.objects.select_related("lifecycle").get()
    assert (campaign.kind, campaign.lifecycle.slug, campaign.stage) == ("reengagement", "small", "engaged")
    assert (campaign.outcome_stage, campaign.outcome_days, campaign.holdout) == ("lead", 60, 20)


def test_fixed_values_say_it_for_a_whole_file() -> None:
    factories.published()
    mapping = {
        "email": "person_email", "date": "assigned", "=Winter": "campaign", "=small": "lifecycle", "=lead": "outcome_stage",
    }  # fmt: skip
    bring("email,date\na@x.de,2025-01-05\n", KIND, mapping)
    assert Campaign.objects.values_list("name", "outcome_stage").get() == ("Winter", "lead")


def test_accounts_are_members_too_where_the_lifecycle_is_theirs() -> None:
    factories.published(
        factories.SMALL.replace("species: net_new", "species: net_new\nof: account").split("transitions")[0]
    )
    header = "email,account domain,campaign,assigned at,lifecycle\n"
    bring(header + "a@x.de,x.de,Spring,2025-01-05,small\n", KIND)
    enrolled = Enrollment.objects.select_related("account").get()
    assert (enrolled.person_id, enrolled.account.domain) == (None, "x.de")
    imported = bring(header + "b@x.de,,Spring,2025-01-05,small\n", KIND)
    assert "other kind of subject" in rejects(imported)[0][2]


def test_what_cannot_be_taken_is_refused_in_words() -> None:
    factories.published()
    header = "email,campaign,assigned at,group,type,lifecycle,outcome,outcome window,holdout percent\n"
    rows = [
        "a@x.de,Spring,2031-01-05,,,,,,",
        "a@x.de,Spring,2025-01-05,perhaps,,,,,",
        "a@x.de,Spring,2025-01-05,,Fireworks,,,,",
        "a@x.de,Spring,2025-01-05,,,large,,,",
        "a@x.de,Spring,2025-01-05,,,small,nowhere,,",
        "a@x.de,Spring,2025-01-05,,,,lead,,",
        "a@x.de,Spring,2025-01-05,,,,,0,",
        "a@x.de,Spring,2025-01-05,,,,,,80",
        "a@x.de,,2025-01-05,,,,,,",
        "a@x.de,Spring,,,,,,,",
        ",Spring,2025-01-05,,,,,,",
        "ax.de,Spring,2025-01-05,,,,,,",
    ]
    imported = bring(header + "\n".join(rows) + "\n", KIND)
    assert counts(imported) == {"rows": 12, "rejected": 12}
    assert [reason for _row, _column, reason in rejects(imported)] == [
        "is yet to come",
        "is neither the treatment nor the holdout; write “treatment” or “holdout”",
        "There is no type of campaign that is called so.",
        "No lifecycle is called so.",
        "The lifecycle has no stage that is called so, or the row names no lifecycle.",
        "The lifecycle has no stage that is called so, or the row names no lifecycle.",
        "is no number of days from 1 to 3650",
        "is no share from 0 to 50 per cent",
        "The row does not say which campaign.",
        "The row does not say when it was assigned.",
        "The row names neither a person nor an account.",
        "is no email address",
    ]
    assert not Campaign.objects.exists() and not Person.objects.exists()


def test_a_campaign_that_is_run_from_here_takes_no_members_from_files() -> None:
    running = Campaign.objects.create(slug="ours", name="Ours", state="running", created_at=NOW)
    stopped = Campaign.objects.create(slug="old", name="Old", state="stopped", created_at=NOW)
    version = CampaignVersion.objects.create(campaign=stopped, number=1, created_at=NOW)
    Step.objects.create(version=version, key="a", kind="exit", position=0)
    text = HEADER + f"a@x.de,{running.slug},2025-01-05,,,\na@x.de,{stopped.name},2025-01-05,,,\n"
    imported = bring(text, KIND)
    assert [reason for _row, _column, reason in rejects(imported)] == [
        "This campaign is run from here: its members are those whom it let in itself."
    ] * 2
    assert not Enrollment.objects.exists()


def test_a_trial_run_writes_nothing_and_counts_the_same() -> None:
    text = HEADER + "a@x.de,Spring,2025-01-05,,,\n"
    assert counts(bring(text, KIND, dry_run=True)) == {"rows": 1, "created": 1}
    assert not Campaign.objects.exists() and not Enrollment.objects.exists()


def test_names_that_look_alike_in_addresses_stay_two_campaigns() -> None:
    text = HEADER + "a@x.de,Spring!,2025-01-05,,,\na@x.de,Spring?,2025-01-05,,,\na@x.de,春,2025-01-05,,,\n"
    bring(text, KIND)
    assert set(Campaign.objects.values_list("slug", flat=True)) == {"spring", "spring_2", "campaign"}
    assert counts(bring(text, KIND, now=LATER)) == {"rows": 3, "unchanged": 3}

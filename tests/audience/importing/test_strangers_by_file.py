"""Activities of a file that name a cookie or a device, and no person: they wait as a stranger's do."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from audience import importing
from audience.activity import visitors
from audience.models import Activity, Person, Visitor, WaitingActivity
from tests.audience.importing.bringing import NOW, bring, rejects, shared
from tests.audience.importing.test_parties import counts
from tests.audience.importing.test_rollback import roll_back

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)
HITS = (
    "id,trackingId,type,date\n1,C1,page hit,2025-06-01\n2,C1,page hit,2025-06-02\n3,C2,page hit,2025-06-03\n"
    "4,,page hit,2025-06-03\n"
)
NAMED = "id,trackingId,email,type,date\n5,C1,ann@x.example,form sent,2025-06-04\n6,C1,,page hit,2025-06-05\n"
MAUTIC = "crm_mautic/fakepagehitdata.csv"


def standing(email: str) -> list[str]:
    found = Activity.objects.filter(person__email=email, reversal_of=None).order_by("occurred_at")
    return [f"{each.kind.slug} {each.occurred_at:%d}" for each in found if not _is_reversed(each)]


def _is_reversed(activity: Activity) -> bool:
    return Activity.objects.filter(reversal_of=activity).exists()


def test_what_strangers_did_waits_until_a_file_says_who_they_are() -> None:
    expected = {"rows": 4, "created": 3, "strangers": 3, "rejected": 1}
    assert counts(bring(HITS, "activities", dry_run=True)) == expected
    hits = bring(HITS, "activities")
    assert counts(hits) == expected and "neither" in rejects(hits)[0][2]
    assert (Activity.objects.count(), WaitingActivity.objects.count(), Visitor.objects.count()) == (0, 3, 2)
    assert counts(bring(HITS, "activities")) == {"rows": 4, "unchanged": 3, "rejected": 1}
    told = {"rows": 2, "created": 2}
    assert counts(bring(NAMED, "activities", dry_run=True)) == told
    assert counts(bring(NAMED, "activities", now=LATER)) == told | {"people_created": 1}
    assert standing("ann@x.example") == ["page_hit 01", "page_hit 02", "form_sent 04", "page_hit 05"]
    assert set(Activity.objects.filter(occurred_at__lt=LATER).values_list("recorded_at", flat=True)) == {LATER}
    assert counts(bring(HITS, "activities")) == {"rows": 4, "unchanged": 3, "rejected": 1}
    assert WaitingActivity.objects.get().external_id == "3"


def test_a_file_and_the_api_speak_of_the_same_stranger() -> None:
    bring(HITS, "activities", source="mautic")
    bring("email\nbob@x.example\n")
    visitors.become(visitors.elsewhere("mautic", "C2"), Person.objects.get(), now=LATER)
    assert standing("bob@x.example") == ["page_hit 03"]


def test_a_file_is_rolled_back_from_wherever_its_rows_have_gone() -> None:
    hits = bring(HITS, "activities")
    named = bring(NAMED, "activities", now=LATER)
    roll_back(hits)
    assert standing("ann@x.example") == ["form_sent 04", "page_hit 05"]
    assert WaitingActivity.objects.count() == 0
    again = bring(HITS, "activities")
    assert standing("ann@x.example") == ["page_hit 01", "page_hit 02", "form_sent 04", "page_hit 05"]
    roll_back(again)
    roll_back(named)
    assert not Person.objects.filter(erased_at=None).exists()
    assert not Visitor.objects.filter(person__isnull=False).exists()


def test_an_anonymous_id_that_was_there_before_is_a_stranger_s_again() -> None:
    bring(HITS, "activities")
    named = bring(NAMED, "activities")
    assert Visitor.objects.filter(person__email="ann@x.example").exists()
    roll_back(named)
    assert not Visitor.objects.filter(person__isnull=False).exists()


def test_a_stranger_of_an_account_is_not_taken() -> None:
    text = "id,tracking id,company,type,date\n1,C1,Acme,page hit,2025-06-01\n"
    assert "which person" in rejects(bring(text, "activities"))[0][2]


def test_page_hits_of_mautic_come_in() -> None:
    path = Path(shared(MAUTIC))
    looked = importing.upload(path, "", source="mautic", by=None, now=NOW)
    assert looked.kind == "activities"
    mapping = importing.guessed(looked).mapping | {"=page hit": "kind"}
    told = counts(bring(path, "activities", mapping, source="mautic"))
    assert told["created"] == told["strangers"] == told["rows"]
    assert WaitingActivity.objects.filter(properties__has_key="url").exists()

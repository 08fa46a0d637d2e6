"""Editions: drafted, published once, taken out of force, thrown away; refused with every reason in words."""

import pytest

from audience.models import Segment
from kit import jobs
from kit.models import AuditEntry
from scoring import versions
from scoring.models import Score, ScoringModel, ScoringVersion
from tests.factories import NOW, person
from tests.factories import draft as lifecycle_draft
from tests.scoring.making import LEAD, draft, published, stored
from tests.scoring.test_fields import BY_SCORE

pytestmark = pytest.mark.django_db


def refusal(act):
    with pytest.raises(versions.Refused) as caught:
        act()
    return str(caught.value)


def test_a_second_document_of_a_model_is_its_next_version():
    first, second = draft(), draft()
    assert (first.model, first.number, second.number) == (second.model, 1, 2)
    assert "other subjects" in refusal(
        lambda: draft("model: lead\nname: L\nof: account\nrules: [{name: V, points: 1, did: {}}]")
    )


def test_what_keeps_a_version_from_being_published_is_told_at_once():
    mixed = LEAD.replace("caps: {content: 12}", "caps: {content: 12, other: 3}").replace(
        "value: DE}}", "value: DE}, group: content}"
    )
    told = versions.problems(draft(mixed))
    assert len(told) == 2 and "part them" in told[0] and "“other”" in told[1]
    bare = draft("model: bare\nname: Bare\ngrades: {A: 3, B: 2, C: 1}\nrules: [{name: V, points: 1, did: {}}]")
    assert "no fit rule" in versions.problems(bare)[0]
    bare.rules.all().delete()
    assert any("no rule" in each for each in versions.problems(bare))
    assert "no rule" in refusal(lambda: versions.publish(bare, by=None, now=NOW))


def test_a_version_is_published_once_and_one_at_a_time():
    first, second = draft(), draft()
    versions.publish(first, by=None, now=NOW)
    assert "being published" in refusal(lambda: versions.publish(second, by=None, now=NOW))
    first.refresh_from_db()
    assert "not a draft" in refusal(lambda: versions.publish(first, by=None, now=NOW))


def test_a_newer_version_takes_over_and_retired_gives_back():
    person(title="Director")
    first = published()
    second = published(LEAD.replace("points: 20", "points: 7"))
    assert Score.objects.get().shown == 7
    job = versions.retire(second, by=None, now=NOW)
    jobs.run(job.pk, NOW)
    assert Score.objects.get().shown == 20
    assert ScoringModel.objects.get().scored_by == first


def test_the_last_version_takes_the_scores_with_it():
    person(title="Director")
    only = published()
    assert versions.retire(only, by=None, now=NOW) is None
    assert stored() == {} and ScoringModel.objects.get().looked_until is None
    assert "not published" in refusal(lambda: versions.retire(only, by=None, now=NOW))


def test_a_score_in_use_is_not_taken_away_and_its_users_are_named():
    only = published()
    lifecycle_draft(BY_SCORE)
    Segment.objects.create(
        name="Hot", slug="hot", created_at=NOW, updated_at=NOW,
        condition={"all": [{"not": {"field": "score.lead", "op": "at_least", "value": 3}}]},
    )  # fmt: skip
    told = refusal(lambda: versions.retire(only, by=None, now=NOW))
    assert "“Lead score”" in told and "“Hot”" in told and "“Small v1”" in told
    assert told.count("Small") == 1
    assert "Lead 2" not in told


def test_a_name_that_only_begins_alike_is_no_user():
    only = published()
    published(LEAD.replace("model: lead", "model: lead_two"))
    Segment.objects.create(
        name="Hot", slug="hot", created_at=NOW, updated_at=NOW,
        condition={"field": "score.lead_two", "op": "at_least", "value": 3},
    )  # fmt: skip
    versions.retire(only, by=None, now=NOW)


def test_a_draft_is_thrown_away_and_its_model_with_it_when_that_was_all():
    first, second = draft(), draft()
    versions.discard(second, by=None, now=NOW)
    assert ScoringModel.objects.exists()
    versions.discard(first, by=None, now=NOW)
    assert not ScoringModel.objects.exists()
    assert AuditEntry.objects.filter(action="scoring.discard").count() == 2
    only = published()
    assert "not a draft" in refusal(lambda: versions.discard(only, by=None, now=NOW))


def test_a_draft_to_work_on_is_a_copy_of_the_newest_version():
    first = published()
    copy = versions.draft_of(first.model, by=None, now=NOW)
    assert (copy.number, copy.limit, copy.grades, copy.caps) == (2, 60, {"A": 30, "B": 20, "C": 10}, {"content": 12})
    assert [rule.name for rule in copy.rules.all()] == [rule.name for rule in first.rules.all()]
    assert versions.draft_of(first.model, by=None, now=NOW) == copy
    assert ScoringVersion.objects.count() == 2

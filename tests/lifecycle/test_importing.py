"""Stage histories out of files: true dates, one ledger, nothing that interleaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audience.models import Person
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement
from tests import factories
from tests.audience.importing.bringing import NOW, bring, counts, rejects

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)
HEADER = "email,lifecycle,stage,date,reason\n"


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> None:
    settings.UPLOADS = tmp_path


def at(month: int, day: int) -> datetime:
    return datetime(2025, month, day, tzinfo=UTC)


def ledger(email: str) -> list[tuple[int, str | None, str, datetime, datetime, str]]:
    found = Movement.objects.filter(membership__person__email=email).order_by("seq")
    return [
        (m.seq, m.from_stage and m.from_stage.slug, m.to_stage.slug, m.occurred_at, m.recorded_at, m.kind)
        for m in found
    ]  # type: ignore[misc, union-attr]


def test_a_history_is_written_with_its_dates_whatever_the_order_of_its_rows() -> None:
    factories.published()
    text = (
        HEADER
        + "a@x.de,small,Lead,2025-03-01,\na@x.de,Small,known,2025-01-01,\na@x.de,small,engaged,2025-02-01,Talked\nb@x.de,small,known,2025-02-02,\n"
    )
    imported = bring(text, "stage_movements")
    assert counts(imported) == {"rows": 4, "created": 4, "people_created": 2}
    assert ledger("a@x.de") == [
        (1, None, "known", at(1, 1), NOW, "import"),
        (2, "known", "engaged", at(2, 1), NOW, "import"),
        (3, "engaged", "lead", at(3, 1), NOW, "import"),
    ]
    membership = Membership.objects.get(person__email="a@x.de")
    assert (membership.stage.slug, membership.seq, membership.entered_at) == ("lead", 3, at(3, 1))  # type: ignore[union-attr]
    assert Person.objects.get(email="a@x.de").first_seen_at == at(1, 1)
    assert counts(bring(text, "stage_movements", now=LATER)) == {"rows": 4, "unchanged": 4}
    assert Movement.objects.count() == 4


def test_a_history_goes_on_behind_the_ledger_and_never_between_its_moves() -> None:
    factories.published()
    bring(HEADER + "a@x.de,small,known,2025-01-01,\na@x.de,small,engaged,2025-03-01,\n", "stage_movements")
    more = (
        HEADER
        + "a@x.de,small,lead,2025-02-01,\na@x.de,small,lead,2025-04-01,\na@x.de,small,won,2025-05-01,\na@x.de,small,known,2025-06-01,\n"
    )
    imported = bring(more, "stage_movements", now=LATER)
    assert counts(imported) == {"rows": 4, "created": 2, "rejected": 2}
    assert [(row, column) for row, column, _reason in rejects(imported)] == [(2, "date"), (5, "date")]
    assert [row[2] for row in ledger("a@x.de")] == ["known", "engaged", "lead", "won"]
    assert Membership.objects.get().ended_at == at(5, 1)


def test_whoever_may_enter_again_goes_through_several_passes() -> None:
    factories.published(factories.SMALL.replace("entry:", "reentry: true\nentry:"))
    text = (
        HEADER
        + "a@x.de,small,known,2025-01-01,\na@x.de,small,won,2025-02-01,\na@x.de,small,won,2025-02-03,\n"
        + "a@x.de,small,lead,2025-03-01,\na@x.de,small,won,2025-04-01,\na@x.de,small,known,2025-05-01,\n"
    )
    assert counts(bring(text, "stage_movements")) == {"rows": 6, "created": 5, "unchanged": 1, "people_created": 1}
    passes = Membership.objects.order_by("pass_number").values_list("pass_number", "stage__slug", "seq", "ended_at")
    assert list(passes) == [(1, "won", 2, at(2, 1)), (2, "won", 2, at(4, 1)), (3, "known", 1, None)]
    assert counts(bring(text, "stage_movements", now=LATER)) == {"rows": 6, "unchanged": 6}
    more = HEADER + "a@x.de,small,won,2025-06-01,\na@x.de,small,lead,2025-07-01,\n"
    assert counts(bring(more, "stage_movements", now=LATER)) == {"rows": 2, "created": 2}
    assert list(passes.all())[2:] == [(3, "won", 2, at(6, 1)), (4, "lead", 1, None)]


def test_what_the_model_does_not_know_is_refused_in_words() -> None:
    factories.published()
    text = (
        HEADER
        + "a@x.de,large,known,2025-01-01,\na@x.de,small,nowhere,2025-01-01,\na@x.de,small,checked,2025-01-01,\n,small,known,2025-01-01,\n"
    )
    imported = bring(text, "stage_movements")
    assert counts(imported) == {"rows": 4, "rejected": 4}
    assert [reason for _row, _column, reason in rejects(imported)] == [
        "No published lifecycle is called so.",
        "The lifecycle has no stage that is called so.",
        "Nobody can be in a gate; name the stage behind it.",
        "The row names neither a person nor an account.",
    ]
    assert not Person.objects.exists() and not Membership.objects.exists()


def test_who_was_moved_by_hand_meanwhile_is_not_moved_back() -> None:
    version = factories.published()
    person = factories.person(email="a@x.de")
    stages.place(person.pk, version, to=version.stages.get(slug="known"), reason="", by=None, at=at(1, 1), now=NOW)
    imported = bring(HEADER + "a@x.de,small,known,2025-02-01,\n", "stage_movements", now=LATER)
    assert counts(imported) == {"rows": 1, "unchanged": 1}
    assert Movement.objects.count() == 1


def test_a_move_keeps_the_day_on_which_its_source_wrote_it_down() -> None:
    factories.published()
    header = "email,lifecycle,stage,date,recorded at\n"
    rows = "a@x.de,small,known,2025-01-01,2025-01-02\na@x.de,small,engaged,2025-02-20,2025-03-12\n"
    bring(header + rows + "a@x.de,small,lead,2025-03-20,\n", "stage_movements")
    assert [(row[2], row[4]) for row in ledger("a@x.de")] == [
        ("known", at(1, 2)),
        ("engaged", at(3, 12)),
        ("lead", NOW),
    ]
    late = bring(header + "b@x.de,small,known,2025-01-01,2031-01-01\n", "stage_movements")
    assert [(row, column) for row, column, _reason in rejects(late)] == [(2, "recorded at")]


@pytest.mark.parametrize("heads", ["person email,lifecycle,stage,when", "Email,Lifecycle,To stage,Moved at"])
def test_a_history_is_known_by_its_columns_and_by_the_words_of_the_page(heads: str) -> None:
    factories.published()
    imported = bring(f"{heads}\na@x.de,small,known,2025-01-01\n", "", name="history.csv")
    assert (imported.kind, counts(imported)["created"]) == ("stage_movements", 1)
    assert ledger("a@x.de") == [(1, None, "known", at(1, 1), NOW, "import")]

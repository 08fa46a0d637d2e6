"""Stage movements of a file that is rolled back, and people whom rules have moved when their file is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audience import live
from audience.importing import rollback
from audience.models import FieldChange, Person
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement
from tests import factories
from tests.audience.importing.bringing import NOW, bring, counts
from tests.audience.importing.test_rollback import roll_back

pytestmark = pytest.mark.django_db

HEADER = "email,lifecycle,stage,date,reason\n"


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> None:
    settings.UPLOADS = tmp_path


def ledger(email: str) -> list[tuple[str | None, str | None, str]]:
    moves = Movement.objects.filter(membership__person__email=email).order_by("seq")
    return [(m.from_stage and m.from_stage.slug, m.to_stage and m.to_stage.slug, m.kind) for m in moves]


def test_moves_of_a_file_go_back_by_one_row_of_kind_undo() -> None:
    factories.published()
    bring("email\na@x.de\nb@x.de\n")
    bring(HEADER + "a@x.de,small,known,2025-01-01,\n", "stage_movements")
    more = "a@x.de,small,engaged,2025-03-01,\na@x.de,small,won,2025-04-01,\nb@x.de,small,lead,2025-03-01,\n"
    imported = bring(HEADER + more, "stage_movements")
    assert Membership.objects.get(person__email="a@x.de").ended_at
    assert roll_back(imported) == {"lifecycle_movement": (2, {}), "person=": (1, {})}  # when b was first seen, too
    assert ledger("a@x.de")[-1] == ("won", "known", "undo")
    assert ledger("b@x.de") == [(None, "lead", "import"), ("lead", None, "undo")]
    known = Membership.objects.get(person__email="a@x.de")
    assert (known.stage.slug, known.ended_at) == ("known", None)  # type: ignore[union-attr]
    assert Movement.objects.filter(reason__contains="rolled back").count() == 2


def test_the_passes_that_a_file_began_end_with_it_and_the_one_before_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback, "AT_ONCE", 1)  # the earlier pass comes first, and waits for the later one
    factories.published(factories.SMALL.replace("entry:", "reentry: true\nentry:"))
    bring("email\na@x.de\n")
    bring(HEADER + "a@x.de,small,known,2025-01-01,\n", "stage_movements")
    more = "a@x.de,small,won,2025-02-01,\na@x.de,small,known,2025-03-01,\na@x.de,small,lead,2025-04-01,\n"
    imported = bring(HEADER + more, "stage_movements")
    assert roll_back(imported)["lifecycle_movement"] == (2, {})
    passes = Membership.objects.order_by("pass_number")
    assert [(each.stage and each.stage.slug, each.ended_at is None) for each in passes] == [
        ("known", True),
        (None, False),
    ]


def test_a_pass_stays_when_somebody_was_moved_in_the_one_after_it() -> None:
    version = factories.published(factories.SMALL.replace("entry:", "reentry: true\nentry:"))
    bring("email\na@x.de\n")
    bring(HEADER + "a@x.de,small,known,2025-01-01,\n", "stage_movements")
    imported = bring(HEADER + "a@x.de,small,won,2025-02-01,\na@x.de,small,known,2025-03-01,\n", "stage_movements")
    moved = Membership.objects.get(ended_at=None)
    stages.move(moved, to=version.stages.get(slug="lead"), reason="", by=None, at=NOW, now=NOW)
    assert roll_back(imported)["lifecycle_movement"] == (
        0,
        {
            "a new pass through this lifecycle has begun since": 1,
            "it has been moved again since; take the newest move back first": 1,
        },
    )


def test_whoever_was_moved_since_stays_there_and_whoever_the_file_made_goes() -> None:
    version = factories.published()
    rows = "a@x.de,small,known,2025-01-01,\nb@x.de,small,known,2025-01-01,\n"
    imported = bring(HEADER + rows, "stage_movements")
    moved = Membership.objects.get(person__email="a@x.de")
    lead = version.stages.get(slug="lead")
    stages.move(moved, to=lead, reason="", by=None, at=NOW, now=NOW)
    done = roll_back(imported)
    assert done["lifecycle_movement"] == (1, {"it has been moved again since; take the newest move back first": 1})
    assert done["person"] == (1, {"memberships": 1})
    assert list(Person.objects.filter(erased_at=None).values_list("email", flat=True)) == ["a@x.de"]


def test_whom_rules_alone_have_moved_leaves_with_the_file() -> None:
    factories.published()
    imported = bring("email\na@x.de\n")
    live.run_all(datetime.now(UTC))
    membership = Membership.objects.get()
    assert roll_back(imported)["person"] == (1, {})
    membership.refresh_from_db()
    assert (membership.stage, membership.ended_at is None) == (None, False)
    assert Movement.objects.order_by("-pk")[0].kind == "undo"
    live.run_all(datetime.now(UTC))
    assert Membership.objects.filter(ended_at=None).count() == 0
    assert rollback.refusal(imported).code == "rolled_back"  # type: ignore[union-attr]


def test_moves_of_people_who_were_there_before_come_in_again_after_a_rollback() -> None:
    factories.published()
    bring("email\na@x.de\nb@x.de\n")
    bring(HEADER + "a@x.de,small,known,2025-01-01,\n", "stage_movements")
    more = "a@x.de,small,engaged,2025-03-01,\na@x.de,small,won,2025-04-01,\nb@x.de,small,lead,2025-03-01,\n"
    roll_back(bring(HEADER + more, "stage_movements"))
    later = NOW + timedelta(hours=1)
    again = bring(HEADER + more + "a@x.de,small,known,2025-01-01,\n", "stage_movements", now=later)
    assert counts(again)["created"] == 3, "and what was known and stands is known still"
    assert ledger("a@x.de")[-2:] == [("known", "engaged", "import"), ("engaged", "won", "import")]
    won = Movement.objects.filter(membership__person__email="a@x.de").order_by("seq").last()
    assert won is not None and won.evidence_at.isoformat()[:10] in ("2025-03-31", "2025-04-01")
    assert won.occurred_at == NOW, "the ledger only grows: not before the rollback"
    second = Membership.objects.get(person__email="b@x.de", ended_at=None)
    assert (second.pass_number, second.stage.slug, second.entered_at) == (2, "lead", NOW)  # type: ignore[union-attr]
    assert counts(bring(HEADER + more, "stage_movements", now=later)).get("created", 0) == 0
    assert roll_back(again)["lifecycle_movement"][0] == 2


def test_whoever_was_rolled_back_stands_in_no_figure_of_the_past() -> None:
    factories.published()
    bring("email\nstays@x.de\n")
    imported = bring("email\na@x.de\n")
    live.run_all(datetime.now(UTC))
    before = Movement.objects.count()
    roll_back(imported)
    gone = Person.objects.get(erased_at__isnull=False)
    assert gone.is_excluded and "rolled back" in gone.excluded_reason
    told = FieldChange.objects.filter(person=gone, field="is_excluded", old="false")
    assert told.exists(), "by which reports know that they have to look again"
    assert Movement.objects.count() == before + 1, "the ledger tells it all the same"

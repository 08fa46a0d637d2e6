"""The commands: a file becomes scores, and anybody's scores of any day are told."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from scoring.models import Score, ScoringModel, ScoringVersion
from tests.factories import activity, person
from tests.scoring.making import LEAD

pytestmark = pytest.mark.django_db


def told(*args):
    out = StringIO()
    call_command(*args, stdout=out)
    return json.loads(out.getvalue())


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "lead.yaml"
    path.write_text(LEAD)
    return path


def test_a_file_is_published_and_everybody_is_scored(file):
    person(title="Director")
    assert told("publish_scoring", str(file), "--json") == {"model": "lead", "version": 1, "scored": 1, "changed": 1}
    assert Score.objects.get().shown == 20
    later = told("publish_scoring", str(file), "--effective-from", "2020-02-01", "--json")
    assert later["version"] == 2
    assert ScoringVersion.objects.get(number=2).effective_from.isoformat() == "2020-02-01T00:00:00+00:00"


def test_a_dry_run_tells_and_leaves_nothing(file):
    person(title="Director")
    assert told("publish_scoring", str(file), "--dry-run", "--json") == {
        "model": "lead", "version": 1, "scored": 1, "with_points": 1, "reached": 0, "highest": 20, "grades": {"B": 1},
    }  # fmt: skip
    assert not ScoringModel.objects.exists()


def test_what_is_wrong_is_said_and_nothing_is_written(file, capsys):
    file.write_text(LEAD.replace("points: 40", "points: much"))
    with pytest.raises(SystemExit) as ended:
        call_command("publish_scoring", str(file))
    assert ended.value.code == 1
    assert "rules › 1 › points" in capsys.readouterr().err
    assert not ScoringModel.objects.exists()
    with pytest.raises(SystemExit):
        call_command("rescore", "lead")


def test_everybody_is_scored_again_and_the_scores_of_a_day_are_told(file):
    someone = person()
    call_command("publish_scoring", str(file), stdout=StringIO())
    activity(someone, timezone.now(), "content_downloaded")
    assert told("rescore", "lead", "--json") == {
        "model": "lead", "scored": 1, "changed": 1, "version": 1, "with_points": 1, "reached": 0, "highest": 5,
        "grades": {"D": 1},
    }  # fmt: skip
    assert told("rescore", "--as-of", "2025-06-01", "--json")["highest"] == 0

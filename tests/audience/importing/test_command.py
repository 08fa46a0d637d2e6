"""manage.py import_csv: the same verb, an exit code that means something, JSON for programs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audience.models import Deal, Import, Person

pytestmark = pytest.mark.django_db


def write(tmp_path: Path, text: str, name: str = "file.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_file_is_brought_in_and_its_unknown_columns_are_named(tmp_path: Path, capsys: Any) -> None:
    call_command("import_csv", "people", write(tmp_path, "email,shoe size\na@x.de,38\nnone,1\n"), "--source", "crm")
    said = capsys.readouterr().out
    assert "email → email" in said and "left out: shoe size" in said
    assert "2 rows, 1 created" in said and "rejected row 3, “email”: is no email address" in said
    assert Person.objects.get().created_source == "crm"


def test_json_is_one_line_with_every_count(tmp_path: Path, capsys: Any) -> None:
    call_command("import_csv", "people", write(tmp_path, "email,x\na@x.de,1\n"), "--json", "--dry-run")
    answer = json.loads(capsys.readouterr().out)
    assert (answer["state"], answer["created"], answer["dry_run"]) == ("done", 1, True)
    assert (answer["mapping"], answer["unknown_columns"]) == ({"email": ["email"]}, ["x"])
    assert not Person.objects.exists()


def test_what_is_told_goes_before_the_guess(tmp_path: Path) -> None:
    path = write(tmp_path, "id,mail,name\n7,a@x.de,Ann\n")
    told = ["--map", "mail=email", "--map", "name=first_name", "--map", "id=", "--map", "source==fair"]
    call_command("import_csv", "people", path, *told)
    person = Person.objects.get()
    assert (person.email, person.first_name, person.source) == ("a@x.de", "Ann", "fair")
    assert not person.identity_set.exists()


def test_only_what_is_told_and_a_fixed_value(tmp_path: Path) -> None:
    path = write(tmp_path, "deal id,amount,won date\n1,5,2024-01-01\n")
    call_command("import_csv", "deals", path, "--only", "--map", "deal id=external_id", "--map", "won date=closed", "--map", "status==won")  # fmt: skip
    deal = Deal.objects.get()
    assert (deal.external_id, deal.status, deal.amount) == ("1", "won", None)


def test_a_gzipped_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file.csv.gz"
    path.write_bytes(gzip.compress(b"email\na@x.de\n"))
    call_command("import_csv", "people", path)
    assert Person.objects.count() == 1


@pytest.mark.parametrize(
    "text, arguments, code",
    [
        ("email\n", [], 1),
        ("email\na@x.de\n", ["--map", "nothing=email"], 1),
        ("name\nAnn\n", [], 1),
        ("email\na@x.de\n", ["--map", "nonsense"], 2),
    ],
)
def test_what_cannot_be_ends_with_a_code_and_leaves_nothing(
    tmp_path: Path, text: str, arguments: list[str], code: int
) -> None:
    with pytest.raises(CommandError) as error:
        call_command("import_csv", "people", write(tmp_path, text), *arguments)
    assert error.value.returncode == code and str(error.value)
    assert not Import.objects.exists() and not Person.objects.exists()


def test_a_missing_file_and_an_unknown_kind_are_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as error:
        call_command("import_csv", "people", tmp_path / "none.csv")
    assert error.value.returncode == 2
    with pytest.raises(CommandError):
        call_command("import_csv", "poeple", tmp_path / "none.csv")


def test_a_refusal_is_json_too(tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("import_csv", "people", write(tmp_path, "%PDF-1.7"), "--json")
    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out)["code"] == "not_csv"

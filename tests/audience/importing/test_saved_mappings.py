"""Mappings that are kept: proposed for files like theirs, used by name, changed, thrown away."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client

from audience import importing
from audience.importing import saved
from audience.models import Import, Person, SavedMapping
from kit import jobs
from kit.models import AuditEntry, Job, User
from tests.audience.importing.bringing import NOW, bring

pytestmark = pytest.mark.django_db

FIRST = "Id,E-Mail,Lead Source,Extra\n1,a@x.example,Select,x\n"
NEXT = "Id,e mail,Lead Source,Extra,New\n2,b@x.example,Select,x,y\n"
TOLD = {"Id": "external_id", "E-Mail": "email", "Lead Source": "source", "=fair": "title_group"}


def kept(name: str = "Fair") -> SavedMapping:
    imported = bring(
        FIRST, mapping=TOLD, source="fair", policy="fill", options={"values": {"Lead Source": {"Select": ""}}}
    )
    return saved.of_import(imported, name, by=None, now=NOW)


def upload(text: str) -> Import:
    return importing.upload(SimpleUploadedFile("x.csv", text.encode()), "people", source="x", by=None, now=NOW)


def test_it_is_proposed_for_nearly_the_same_columns_and_for_no_others() -> None:
    mapping = kept()
    assert saved.fitting("people", ["Id", "e mail", "lead source", "Extra", "New"]) == [mapping]
    assert saved.fitting("people", ["Id", "E-Mail", "Extra", "New"]) == []
    assert saved.fitting("accounts", mapping.header) == []
    assert saved.fitting("", mapping.header) == [mapping]


def test_a_file_is_read_by_it_under_the_names_that_the_file_has_for_its_columns() -> None:
    imported = upload(NEXT)
    job = saved.begin(imported, kept(), by=None, now=NOW)
    jobs.run(job.pk, NOW)
    person = Person.objects.get(email="b@x.example")
    assert (person.source, person.title_group) == ("", "fair")
    imported.refresh_from_db()
    assert imported.policy == "fill"
    assert SavedMapping.objects.get().used_at == NOW


def test_a_file_that_lacks_what_it_needs_is_refused_by_name() -> None:
    with pytest.raises(importing.Refused, match="Lead Source") as refused:
        saved.begin(upload("Id,E-Mail\n1,a@x.example\n"), kept(), by=None, now=NOW)
    assert refused.value.code == "columns_missing"


def test_names_are_once_whatever_their_capitals_and_kinds_do_not_mix() -> None:
    kept()
    told = {
        "kind": "people",
        "header": ["Email"],
        "columns": {"Email": "email"},
        "options": {},
        "source": "x",
        "policy": "upsert",
    }
    with pytest.raises(importing.Refused) as refused:
        saved.create("FAIR", **told, by=None, now=NOW)
    assert refused.value.code == "name_taken"
    accounts = bring("name\nAcme\n", "accounts")
    with pytest.raises(importing.Refused) as refused:
        saved.of_import(accounts, "fair", by=None, now=NOW)
    assert refused.value.code == "name_taken"
    for name in ("", "  ", "x" * 101, "a\x00b"):
        with pytest.raises(importing.Refused) as refused:
            saved.create(name, **told, by=None, now=NOW)
        assert refused.value.code == "bad_name"


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(User.objects.create_user("ops@example.com", "x", role=User.Role.OPS))
    return client


def test_the_page_of_the_next_file_is_filled_in_from_it_and_says_so(page: Client) -> None:
    mapping = kept()
    file = SimpleUploadedFile("next.csv", NEXT.encode())
    shown = page.post("/imports/new/", {"file": file, "kind": "people", "source": "fair"}, follow=True)
    form = shown.context["form"]
    assert shown.context["used"] == mapping and "Fair" in shown.content.decode()
    assert {column.name: bound.value() for column, bound, _asked in form.columns} == {
        "Id": "external_id", "e mail": "email", "Lead Source": "source", "Extra": "", "New": "",
    }  # fmt: skip
    assert [(word.text, word.how) for each in form.words for word in each.words if each.column == "Lead Source"] == [
        ("Select", "empty")
    ]
    guess = page.get(shown.request["PATH_INFO"] + "?saved=0")
    assert guess.context["used"] is None


def test_it_is_changed_and_thrown_away_on_its_page(page: Client) -> None:
    mapping = kept()
    url = f"/imports/mappings/{mapping.pk}/"
    assert "Fair" in page.get("/imports/mappings/").content.decode()
    form = page.get(url).context["form"]
    assert [word.how for each in form.words for word in each.words] == ["empty"]
    sent = {"name": "Fair in Ulm", "source": "fair", "policy": "upsert", "column_0": "external_id", "column_1": "email"}
    assert page.post(url, sent).status_code == 302
    mapping.refresh_from_db()
    assert mapping.name == "Fair in Ulm"
    assert mapping.mapping["columns"] == {"Id": ["external_id"], "E-Mail": ["email"]}
    assert page.post(url, {**sent, "column_0": "", "column_1": ""}).status_code == 400
    assert page.post(url + "delete/").status_code == 302
    assert not SavedMapping.objects.exists()
    assert AuditEntry.objects.filter(action__startswith="mapping.").count() == 3


def test_the_command_takes_a_file_by_the_name_of_a_mapping(tmp_path: Path) -> None:
    kept()
    file = tmp_path / "next.csv"
    file.write_text(NEXT)
    call_command("import_csv", "any", str(file), "--mapping", "fair", "--json")
    assert Person.objects.get(email="b@x.example").title_group == "fair"
    assert Job.objects.latest("pk").state == Job.State.DONE

"""Values of a file that become others, and columns that say how they write dates, numbers and times."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from audience import importing
from audience.importing import formats, said
from audience.importing.headers import Column
from audience.models import Account, Deal, Import, Person, Product
from audience.subjects import erasure
from kit import jobs
from kit.models import User
from tests.audience.importing.bringing import NOW, bring, counts, rejects

pytestmark = pytest.mark.django_db

LEADS = "email,source,city\n" + "".join(
    f"p{number}@x.example,{source},{city}\n"
    for number, (source, city) in enumerate(
        [("Google", "Select")] * 3 + [("google", "Ulm")] + [("Select", "Ulm")] * 2 + [("Direct", "Bonn")]
    )
)


def test_a_value_becomes_another_or_nothing_in_every_row_of_its_column() -> None:
    told = {"source": {"Google": "google", "Select": ""}, "city": {"Select": ""}}
    assert counts(bring(LEADS, options={"values": told})) == {"rows": 7, "created": 7}
    assert sorted(Person.objects.values_list("source", "city")) == sorted(
        [("google", "")] * 3 + [("google", "Ulm")] + [("", "Ulm")] * 2 + [("Direct", "Bonn")]
    )


def test_a_value_is_held_against_its_type_after_it_became_another() -> None:
    text = "name,amount,close date\nA,Select,2025-01-01\nB,12,2025-01-01\n"
    mapping = {"name": "name", "amount": "amount", "close date": "expected_close"}
    assert len(rejects(bring(text, "deals", mapping))) == 1
    assert counts(bring(text, "deals", mapping, options={"values": {"amount": {"Select": ""}}}))["created"] == 1


@pytest.mark.parametrize(
    "options, code",
    [
        ({"values": {"nothing": {"a": "b"}}}, "unknown_column"),
        ({"values": {"city": ["a"]}}, "bad_options"),
        ({"values": {"city": {"a": "x" * 1001}}}, "bad_options"),
        ({"values": {"city": {"a": "\x00"}}}, "bad_options"),
        ({"values": {"city": {"a": None}}}, "bad_options"),
        ({"values": [1]}, "bad_options"),
        ({"dates": {"city": "ymd"}}, "bad_options"),
        ({"zones": {"city": "../../etc/passwd"}}, "bad_options"),
        ({"numbers": {"city": "roman"}}, "bad_options"),
    ],
)
def test_what_cannot_be_told_of_a_column_is_refused_in_words(options: dict[str, Any], code: str) -> None:
    with pytest.raises(importing.Refused) as refused:
        bring(LEADS, options=options)
    assert refused.value.code == code and refused.value.message
    assert not Import.objects.exists()


def test_proposals_are_made_for_what_says_nothing_and_for_spellings_of_the_same() -> None:
    counted = [("Google", 30), ("google", 3), ("Select", 20), ("N/A", 2), ("Referral", 1)]
    told = {each.text: each.proposed for each in said.proposed(counted, ["google", "organic"])}
    assert told == {"Google": "google", "google": None, "Select": "", "N/A": "", "Referral": None}
    told = {each.text: each.proposed for each in said.proposed(counted, [])}
    assert told == {"Google": None, "google": "Google", "Select": "", "N/A": "", "Referral": None}
    names = said.proposed([("GTXPro", 5), ("technolgy", 2), ("Quite new", 1)], ["GTX Pro", "technology"], names=True)
    assert [(each.text, each.proposed) for each in names] == [
        ("GTXPro", "GTX Pro"),
        ("technolgy", None),
        ("Quite new", None),
    ]
    assert "technology" in names[1].why and not names[2].why


def test_what_is_known_is_not_proposed_away_though_it_sounds_like_nothing() -> None:
    assert said.proposed([("unknown", 5)], ["unknown"])[0].proposed is None


def test_a_column_with_many_values_is_nobody_s_to_map() -> None:
    assert said.sampled([f"value {number}" for number in range(200)]) == []
    assert said.sampled(["x" * 101, "y"] * 50) == []
    assert said.sampled(["a", "b", "", "a"]) == [("a", 2), ("b", 1)]


def test_a_dry_run_counts_every_row_and_tells_names_that_nobody_knows() -> None:
    Product.objects.create(name="GTX Pro", source="erp", external_id="1", recorded_at=NOW)
    Account.objects.create(name="Acme", first_seen_at=NOW, created_at=NOW, updated_at=NOW)
    rows = "".join(
        f"{n},Deal {n},{'GTXPro' if n % 3 else 'GTX Pro'},{'Acmee' if n % 2 else 'Acme'}\n" for n in range(600)
    )
    text = "id,name,product,account\n" + rows
    imported = bring(
        text,
        "deals",
        {"id": "external_id", "name": "name", "product": "product", "account": "account_name"},
        dry_run=True,
    )
    counted = said.of(imported, [Column("product", 2, [])])
    assert counted["product"] == [("GTXPro", 400), ("GTX Pro", 200)]
    assert [(each.name, each.rows, each.nearest) for each in said.new_names(imported)] == [
        ("GTXPro", 400, "GTX Pro"),
        ("Acmee", 300, "Acme"),
    ]
    importing.begin(
        imported,
        mapping=imported.mapping["columns"],
        options={"values": {"product": {"GTXPro": "GTX Pro"}}},
        by=None,
        now=NOW,
    )
    jobs.run(imported.job_id or 0, NOW)
    assert set(Deal.objects.values_list("lines__product__name", flat=True)) == {"GTX Pro"}
    assert not said.new_names(Import.objects.get())  # it went with the file


@pytest.mark.parametrize(
    "cells, decimal",
    [
        (["12.000,50", "3"], "comma"),
        (["12,000.50"], "point"),
        (["1,5"], "comma"),
        (["€ 1.250,00", "1.250"], "comma"),
        (["$1,250.00"], "point"),
        (["1.250"], ""),
        (["1,250", "2,500"], ""),
        (["1.5", "1,5"], ""),
        (["1.000.000"], "comma"),
        (["0.125"], "point"),
        (["text", ""], ""),
    ],
)
def test_how_numbers_are_written_is_read_off_the_column(cells: list[str], decimal: str) -> None:
    assert formats.decimal(cells) == decimal


def test_numbers_are_read_as_the_whole_column_writes_them() -> None:
    text = 'name,amount\nA,"12.000,50 €"\nB,1.250\nC,(3)\n'
    bring(text, "deals", {"name": "name", "amount": "amount"})
    assert list(Deal.objects.order_by("name").values_list("amount", flat=True)) == [1_200_050, 125_000, -300]
    for told, amount in (("comma", 125_000), ("point", 125), ("cents", 1), ("micros", 0)):
        bring("name,amount\nD,1.250\n", "deals", {"name": "name", "amount": "amount"}, source=told,
              options={"numbers": {"amount": told}})  # fmt: skip
        assert Deal.objects.get(name="D", source=told).amount == amount


def test_the_sign_of_money_in_every_amount_is_its_currency() -> None:
    bring("name,amount\nA,€ 5\nB,£5\n", "deals", source="mixed")
    bring("name,amount\nA,£ 5\nB,£6\n", "deals", source="pounds")
    found = set(Deal.objects.values_list("source", "currency"))
    assert ("pounds", "GBP") in found and ("mixed", "GBP") not in found


def test_a_date_that_nothing_decides_is_asked_for_and_told() -> None:
    assert "day or month" in formats.doubt("Seen", ["03/04/2024"], "date")
    assert not formats.doubt("Seen", ["03/04/2024", "13/04/2024"], "date")
    assert "thousand" in formats.doubt("Amount", ["1.250"], "money") and not formats.doubt("Amount", ["1.25"], "money")
    text = "email,seen\na@x.example,03/04/2024\n"
    mapping = {"email": "email", "seen": "first_seen"}
    bring(text, mapping=mapping, options={"dates": {"seen": "dmy"}})
    assert Person.objects.get().first_seen_at == datetime(2024, 4, 3, tzinfo=UTC)


def test_years_of_two_digits_are_read() -> None:
    bring("email,seen\na@x.example,8/9/14 19:00\n", mapping={"email": "email", "seen": "first_seen"})
    assert Person.objects.get().first_seen_at == datetime(2014, 8, 9, 19, tzinfo=UTC)


def test_times_are_those_of_the_zone_that_the_column_is_in() -> None:
    text = "email,seen\na@x.example,2024-07-01 12:00\nb@x.example,2024-07-01 12:00Z\nc@x.example,2024-03-31 02:30\n"
    imported = bring(
        text, mapping={"email": "email", "seen": "first_seen"}, options={"zones": {"seen": "Europe/Berlin"}}
    )
    found = dict(Person.objects.values_list("email", "first_seen_at"))
    assert found == {
        "a@x.example": datetime(2024, 7, 1, 10, tzinfo=UTC),
        "b@x.example": datetime(2024, 7, 1, 12, tzinfo=UTC),
    }
    assert "clocks" in rejects(imported)[0][2]


def test_whoever_is_erased_takes_the_waiting_file_and_its_counts_along(
    client: Client, uploads: Path, django_capture_on_commit_callbacks: Any
) -> None:
    bring("email\nwho@x.example\n")
    imported = bring("email,source\nwho@x.example,Google\nother@x.example,Google\n", dry_run=True)
    assert len(list(uploads.iterdir())) == 2
    with django_capture_on_commit_callbacks(execute=True):
        erasure.erase(Person.objects.get(), by=None, now=NOW)
    assert not list(uploads.iterdir())
    client.force_login(User.objects.create_user("ops@example.com", "x", role=User.Role.OPS))
    page = client.get(f"/imports/{imported.pk}/map/", follow=True)
    assert "no longer there" in page.content.decode()


def test_the_page_shows_values_with_proposals_and_takes_what_they_become(client: Client) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    user = User.objects.create_user("ops@example.com", "x", role=User.Role.OPS)
    client.force_login(user)
    file = SimpleUploadedFile("leads.csv", LEADS.encode())
    page = client.post("/imports/new/", {"file": file, "kind": "", "source": "fair"}, follow=True)
    imported = Import.objects.get()
    assert imported.kind == "people"
    words = {
        each.column: {word.text: (word.how, word.becomes) for word in each.words} for each in page.context["form"].words
    }
    assert words["source"] == {
        "Google": ("", ""), "Select": ("empty", ""), "google": ("other", "Google"), "Direct": ("", ""),
    }  # fmt: skip
    sent = {
        "column_0": "email", "column_1": "source", "column_2": "city", "policy": "upsert", "import": "1",
        "said_1": ["Google", "google", "Select", "Direct"], "how_1": ["", "other", "empty", ""],
        "becomes_1": ["", "Google", "", "Web site"], "keep_as": "Fair",
    }  # fmt: skip
    page = client.post(f"/imports/{imported.pk}/map/", sent)
    assert page.status_code == 302
    imported.refresh_from_db()
    jobs.run(imported.job_id or 0, NOW)
    assert set(Person.objects.values_list("source", flat=True)) == {"Google", "", "Web site"}
    shown = client.get(f"/imports/{imported.pk}/").content.decode()
    assert "“Direct” → “Web site”" in shown

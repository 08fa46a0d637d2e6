"""Lists that leave as files come in again unchanged, and into an empty database as they were, to the last byte."""

import json
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from audience.models import (
    Account,
    Activity,
    Case,
    Contract,
    ContractAmendment,
    Cost,
    Deal,
    DealLine,
    DealRole,
    Identity,
    Person,
    Product,
    Purchase,
)
from kit.models import User
from kit.sql import Sql, run
from tests.audience.importing.bringing import NOW, bring, counts
from tests.factories import account, activity, days_ago, deal, person, purchase

pytestmark = pytest.mark.django_db
ODD = NOW - timedelta(microseconds=123_457)
# By list: its kind of rows, and the table that it fills. Whom others name comes first.
LISTS = {
    "people": ("people", Person), "accounts": ("accounts", Account), "products": ("products", Product),
    "purchases": ("purchases", Purchase), "deals": ("deals", Deal), "contracts": ("contracts", Contract),
    "cases": ("cases", Case), "costs": ("costs", Cost), "activities": ("activities", Activity),
}  # fmt: skip


@pytest.fixture
def ada(client):
    made = User.objects.create_user("ada@example.com", "x", name="Ada", role=User.Role.ADMIN, may_export=True)
    client.force_login(made)
    return made


@pytest.fixture
def world(ada):
    """Everything that a list can hold, of several systems, with what files find hard."""
    firm = account(name="=Acme; “Rail”", domain="acme.example")
    nameless = account(name="Same name")
    other = account(name="Same name")
    ann = person(email="ann@acme.example", first_name="Ann", account=firm)
    unknown = person(first_name="Only an id")
    for subject, system, key in ((nameless, "crm", "17"), (other, "erp", "17"), (unknown, "crm", "17")):
        of = {"person": subject} if isinstance(subject, Person) else {"account": subject}
        kind = "person" if isinstance(subject, Person) else "account"
        Identity.objects.create(system=system, kind=kind, external_id=key, **of)
    red = Product.objects.create(
        name="Sensor, red", family="Sensors", price=19_900, currency="EUR", source="erp", external_id="S-1",
        recorded_at=NOW, properties={"color": "red", "sizes": [1, 2.5, None], "deep": {"é": True}},
    )  # fmt: skip
    yen = Product.objects.create(
        name="Yen", price=1_500, currency="JPY", source="shop", external_id="S-1", recorded_at=NOW
    )
    for at, product in ((ODD, red), (NOW, yen), (NOW, None)):
        purchase(ann, at, product=product, quantity=Decimal("2.5000"), amount=49_999, cost=1, currency="EUR")
    Purchase.objects.create(
        account=other, occurred_at=days_ago(3), recorded_at=NOW, source="shop", external_id="=1+1", currency="KWD",
        amount=12_345, properties={"note": "a;b"},
    )  # fmt: skip
    won = deal(
        firm, days_ago(30), ODD, name="+Fleet", amount=100_00, currency="USD", pipeline="New business", owner=ada,
        stage="Closed won", partner=nameless, reason="Price", properties={"n": 5},
    )  # fmt: skip
    for product, more in ((yen, {}), (red, {"quantity": Decimal("2.5000"), "amount": 49_99})):
        DealLine.objects.create(deal=won, product=product, recorded_at=NOW, **more)
    for who, role in ((ann, "champion"), (ann, "user; of all"), (unknown, "buyer: the last"), (unknown, "")):
        DealRole.objects.create(deal=won, person=who, role=role)
    deal(ann, days_ago(10), expected_close_on=date(2025, 9, 1), stage="Proposal", name="Open one")
    deal(other, days_ago(10), days_ago(2), status="lost", reason="Not now")
    held = Contract.objects.create(
        account=other, name="Service", product=red, starts_on=date(2024, 1, 1), renews_on=date(2026, 1, 1),
        notice_on=date(2025, 11, 1), auto_renew=True, annual_value=12_000_00, currency="EUR", source="erp",
        external_id="C-1", recorded_at=NOW,
    )  # fmt: skip
    for day, value in ((date(2024, 7, 1), 15_000_00), (date(2025, 7, 1), 13_000_50)):
        ContractAmendment.objects.create(contract=held, valid_from=day, annual_value=value, recorded_at=NOW)
    Contract.objects.create(
        person=unknown, starts_on=date(2024, 1, 1), ends_on=date(2025, 1, 1), source="erp", external_id="C-2",
        recorded_at=NOW,
    )  # fmt: skip
    for who, closed in ((ann, None), (unknown, NOW)):
        Case.objects.create(
            person=who, title="-Broken", severity="high", opened_at=ODD, closed_at=closed, source="desk",
            external_id=f"T-{who.pk}", recorded_at=NOW,
        )  # fmt: skip
    for number, channel in enumerate(("email", "")):
        Cost.objects.create(
            channel=channel, campaign="Fair", starts_on=date(2025, 1, 1), ends_on=date(2025, 2, 1), amount=12_34,
            currency="EUR", source="ledger", external_id=f"K-{number}", recorded_at=NOW,
        )  # fmt: skip
    for subject, more in (
        (
            ann,
            {"channel": "email", "platform": "mobile", "actor": "proxy", "value": Decimal("1.2500"), "account": firm},
        ),
        (unknown, {"properties": {"campaign": "Spring", "utm_source": "@x"}, "source": "site", "direction": ""}),
        (other, {"direction": "outbound", "recorded_at": NOW}),
    ):
        activity(subject, ODD, "page_visited", **more)


def left(client, name, kind="csv"):
    answer = client.get(reverse(name), {"export": kind})
    return b"".join(answer.streaming_content)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_list_that_left_comes_in_again_and_changes_nothing(client, world, kind):
    before = {model: list(model.objects.order_by("pk").values()) for _kind, model in LISTS.values()}
    for name, (rows_are, model) in LISTS.items():
        imported = bring(left(client, name, kind), "", source="backup", name=f"{name}.{kind}")
        assert imported.kind == rows_are, name
        assert set(counts(imported)) == {"rows", "unchanged"}, (name, counts(imported), list(imported.rejects.values()))
        assert list(model.objects.order_by("pk").values()) == before[model], name
    assert list(DealLine.objects.order_by("pk").values_list("quantity", "amount")) == [
        (None, None),
        (Decimal("2.5"), 4999),
    ]
    assert DealRole.objects.count() == 5 and ContractAmendment.objects.count() == 2


def test_lists_that_left_are_all_there_again_in_an_empty_database(client, world):
    files = {name: left(client, name) for name in LISTS}
    run(Sql("SET CONSTRAINTS ALL IMMEDIATE"))
    run(
        Sql(
            "SET LOCAL perennial.emptying = on; TRUNCATE audience_person, audience_account, audience_product, audience_cost CASCADE"
        )
    )
    assert not Activity.objects.exists() and not Deal.objects.exists()
    for name, file in files.items():
        imported = bring(file, "", source="backup", name=f"{name}.csv")
        assert not imported.rejects.exists(), (name, list(imported.rejects.values()))
    for name, file in files.items():
        again = left(client, name).decode()
        if name in ("people", "accounts"):  # their numbers are new, by which they stand
            told = [sorted(line.partition(",")[2] for line in each.splitlines()) for each in (again, file.decode())]
            assert told[0] == told[1], name
        else:
            assert again == file.decode(), name
    held = Product.objects.get(source="erp", external_id="S-1")
    assert held.properties == {"color": "red", "sizes": [1, 2.5, None], "deep": {"é": True}}
    assert set(Deal.objects.get(name="+Fleet").dealrole_set.values_list("role", flat=True)) == {
        "champion", "user; of all", "buyer: the last", "",
    }  # fmt: skip
    assert set(DealLine.objects.values_list("product__name", "quantity", "amount")) == {
        ("Yen", None, None), ("Sensor, red", Decimal("2.5"), 4999),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("column", "cell", "kind"),
    [
        ("Properties", "{not json", "products"), ("Properties", "[1]", "products"),
        ("Properties", json.dumps({"a": "\x00"}), "products"), ("Amendments", "2024-07-01", "contracts"),
        ("Amendments", "2024-02-31: 5", "contracts"), ("Amendments", "2023-01-01: 5", "contracts"),
        ("Amendments", "2024-07-01: 5; x", "contracts"),
    ],
)  # fmt: skip
def test_what_is_no_list_and_no_object_is_refused_with_its_reason(column, cell, kind):
    given = {"Name": "A", "Account: name": "Acme", "Starts": "2024-01-01", "Annual value": "1", "External id": "1"}
    header, row = ("Name", "External id"), ("A", "1")
    if kind == "contracts":
        header, row = tuple(given), tuple(given.values())
    quoted = '"' + cell.replace('"', '""') + '"'
    fields = {"Account: name": "account_name", "Starts": "starts_on", "Properties": "all_properties"}
    mapping = {each: fields.get(each, each.lower().replace(" ", "_")) for each in (*header, column)}
    imported = bring(f"{','.join(header)},{column}\n{','.join(row)},{quoted}\n", kind, mapping)
    assert counts(imported) == {"rows": 1, "rejected": 1}
    assert [each.column for each in imported.rejects.all()] == [column]


def test_contacts_whom_nobody_knows_are_counted_and_the_deal_comes_all_the_same():
    person(email="ann@acme.example")
    file = "id,name,contacts\nA,Fleet,Ann@Acme.example: Champion; bob@acme.example; crm|9: x\n"
    imported = bring(file, "deals", mapping={"id": "external_id", "name": "name", "contacts": "contacts"})
    assert counts(imported) == {"rows": 1, "created": 1, "contacts_unknown": 2}
    assert list(DealRole.objects.values_list("person__email", "role")) == [("ann@acme.example", "Champion")]

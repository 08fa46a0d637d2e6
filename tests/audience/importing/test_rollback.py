"""A whole import is taken back: every value as before, and what others built upon stays."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audience import consent, importing, live
from audience.importing import rollback
from audience.models import Import, Person, Suppression, Topic
from audience.subjects import people
from kit import jobs, notes
from kit.models import AuditEntry, Job, User
from kit.sql import dicts, name, sql
from tests.audience.importing.bringing import NOW, bring

pytestmark = pytest.mark.django_db

TABLES = (
    "audience_person", "audience_account", "audience_identity", "audience_accountrole", "audience_deal",
    "audience_dealrole", "audience_dealline",
    "audience_dealstagechange", "audience_product", "audience_purchase", "audience_contract",
    "audience_contractamendment", "audience_activity",
)  # fmt: skip


def world() -> dict[str, list[dict[str, Any]]]:
    """Everything that there is, bit by bit: but for numbers without anybody, what was reversed, and last changes."""
    found = {}
    for table in TABLES:
        rows = dicts(sql("SELECT * FROM {} t ORDER BY id", name(table)))
        for row in rows:
            row.pop("updated_at", None)
        found[table] = [row for row in rows if not row.get("erased_at")]
    reversed_ones = {row["reversal_of_id"] for row in found["audience_activity"]}
    found["audience_activity"] = [
        row for row in found["audience_activity"] if row["id"] not in reversed_ones and not row["reversal_of_id"]
    ]
    return found


def roll_back(imported: Import) -> dict[str, tuple[int, dict[str, int]]]:
    """By its verb and its job; the counts by table (values under “table=”)."""
    foreseen = told(rollback.preview(imported, now=NOW))
    job = rollback.begin(imported, by=None, now=NOW)
    jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert job.state == Job.State.DONE, job.error
    imported.refresh_from_db()
    assert imported.rolled_back_at == NOW
    done = told(rollback.lines_of(imported))
    assert done == foreseen
    return done


def told(lines: list[rollback.Line]) -> dict[str, tuple[int, dict[str, int]]]:
    return {
        each.table.removeprefix("audience_") + ("=" if each.values else ""): (each.goes, dict(each.stays))
        for each in lines
    }


PEOPLE = "id,email,first name,title,company,shoe\n1,ann@x.de,Ann,CEO,Acme,38\n2,bob@x.de,Bob,,Acme,\n"
OTHERS = "id,email,first name,title,company,shoe\n1,ann@y.de,Anna,CTO,Bolt,39\n3,cy@x.de,Cy,CFO,Bolt,40\n"
MAP = {
    "id": "external_id", "email": "email", "first name": "first_name", "title": "title", "company": "account_name",
    "shoe": "custom.shoe:number",
}  # fmt: skip


@pytest.mark.parametrize("policy", ["create", "update", "upsert", "fill"])
def test_people_are_as_before_whatever_the_policy(policy: str) -> None:
    bring(PEOPLE, mapping=MAP)
    before = world()
    imported = bring(OTHERS, mapping=MAP, policy=policy)
    assert world() != before
    roll_back(imported)
    assert world() == before


KINDS = {
    "people": (PEOPLE, OTHERS, MAP),
    "accounts": (
        "id,name,domain,industry,parent\n1,Acme,acme.com,Steel,\n2,Bolt,,,Acme\n",
        "id,name,domain,industry,parent\n1,Acme Ltd,acme.de,Tin,Cog\n2,Bolt,bolt.io,Nuts,\n3,Cog,cog.io,Gears,Bolt\n",
        {"id": "external_id", "name": "name", "domain": "domain", "industry": "industry", "parent": "parent"},
    ),
    "activities": (
        "id,email,kind,when\n1,ann@x.de,visit,2025-03-01\n",
        "id,email,kind,when\n1,ann@x.de,visit,2025-03-01\n2,ann@x.de,visit,2024-03-01\n3,cy@x.de,call,2025-03-01\n",
        {"id": "external_id", "email": "person_email", "kind": "kind", "when": "occurred"},
    ),
    "products": (
        "id,name,family,price,colour\n1,Saw,Tools,10.00,red\n",
        "id,name,family,price,colour\n1,Saw 2,,12.00,blue\n2,Axe,Tools,5,\n",
        {"id": "external_id", "name": "name", "family": "family", "price": "price", "colour": "properties.colour"},
    ),
    "deals": (
        "id,name,email,company,product,stage,created,closed,amount\n1,One,ann@x.de,Acme,Saw,Talk,2025-01-02,,5\n",
        "id,name,email,company,product,stage,created,closed,amount\n1,One!,bob@x.de,Bolt,Axe,Won,2025-01-02,2025-02-01,7\n"
        "2,Two,cy@x.de,Cog,Saw,Talk,2024-01-02,,9\n",
        {"id": "external_id", "name": "name", "email": "person_email", "company": "account_name", "product": "product",
         "stage": "stage", "created": "created", "closed": "closed", "amount": "amount"},
    ),
    "purchases": (
        "id,email,product,when,amount,till\n1,ann@x.de,Saw,2025-01-02,5,A\n",
        "id,email,product,when,amount,till\n1,ann@x.de,Axe,2024-01-02,,B\n2,cy@x.de,Axe,2025-01-02,8,\n",
        {"id": "external_id", "email": "person_email", "product": "product", "when": "occurred", "amount": "amount",
         "till": "properties.till"},
    ),
    "contracts": (
        "id,company,product,start,renews,value\n1,Acme,Saw,2025-01-01,,100\n",
        "id,company,product,start,renews,value\n1,Acme,Axe,2025-01-01,2026-01-01,200\n2,Cog,Axe,2025-02-01,,300\n",
        {"id": "external_id", "company": "account_name", "product": "product", "start": "starts_on",
         "renews": "renews_on", "value": "annual_value"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("policy", ["create", "update", "upsert", "fill"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_as_before(kind: str, policy: str) -> None:
    first, second, mapping = KINDS[kind]
    bring(first, kind, mapping)
    before = world()
    imported = bring(second, kind, mapping, policy=policy)
    if not (policy == "update" and kind == "activities"):
        assert world() != before
    stays = {table: why for table, (_goes, why) in roll_back(imported).items() if why}
    assert stays == {}
    assert world() == before


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_rolled_back_comes_in_again(kind: str) -> None:
    first, second, mapping = KINDS[kind]
    bring(first, kind, mapping)
    imported = bring(second, kind, mapping)
    roll_back(imported)
    again = bring(second, kind, mapping)
    assert importing.counts_of(again)["created"] == importing.counts_of(imported)["created"] > 0
    assert importing.counts_of(again)["updated"] == importing.counts_of(imported)["updated"]
    once_more = importing.counts_of(bring(second, kind, mapping))
    assert once_more["created"] == once_more["updated"] == 0


def test_amendments_are_as_before() -> None:
    bring(*KINDS["contracts"][:1], "contracts", KINDS["contracts"][2])
    mapping = {"contract": "contract", "from": "valid_from", "value": "annual_value"}
    bring("contract,from,value\n1,2025-03-01,150\n", "contract_amendments", mapping)
    before = world()
    imported = bring("contract,from,value\n1,2025-03-01,160\n1,2025-05-01,170\n", "contract_amendments", mapping)
    assert roll_back(imported) == {"contractamendment": (1, {}), "contractamendment=": (1, {})}
    assert world() == before


def test_products_of_deals_are_as_before() -> None:
    bring(*KINDS["deals"][:1], "deals", KINDS["deals"][2])
    before = world()
    lines = bring(
        "deal,sku,qty\n1,Axe,2\n1,Saw,3\n", "deal_lines", {"deal": "deal", "sku": "product", "qty": "quantity"}
    )
    several = "id,product\n1,Awl\n1,Axe\n3,Awl\n3,Axe\n"
    deals = bring(several, "deals", {"id": "external_id", "product": "product"})
    assert importing.counts_of(deals)["created"] == 1 and importing.counts_of(deals)["repeated"] == 0
    assert roll_back(deals) == {
        "deal": (1, {}), "dealline": (3, {}), "dealline=": (1, {}), "product": (1, {}),
    }  # fmt: skip
    roll_back(lines)
    assert world() == before


def test_what_somebody_changed_since_stays() -> None:
    bring(PEOPLE, mapping=MAP)
    imported = bring(OTHERS, mapping=MAP)
    ann, cy = Person.objects.get(first_name="Anna"), Person.objects.get(first_name="Cy")
    people.change(ann, {"title": "Chair"}, source="by hand", by=None, now=NOW)
    people.change(cy, {"city": "Bonn"}, source="by hand", by=None, now=NOW)
    done = roll_back(imported)
    ann.refresh_from_db()
    assert (ann.first_name, ann.email, ann.title, ann.custom) == ("Ann", "ann@x.de", "Chair", {"shoe": 38})
    assert done["person"] == (0, {"field changes": 1})
    assert done["account"] == (0, {"people belong to it": 1})
    assert done["person="][1] == {"changed since": 1}
    cy.refresh_from_db()
    assert (cy.city, cy.title, cy.account.name) == ("Bonn", "CFO", "Bolt")  # type: ignore[union-attr]


def open_page(client: Client, role: str = User.Role.OPS) -> None:
    client.force_login(User.objects.create_user(f"{role}@example.com", "secret", role=role))


def test_a_user_sees_what_would_go_and_has_it_go(client: Client) -> None:
    open_page(client)
    imported = bring(OTHERS, mapping=MAP)
    back = f"/imports/{imported.pk}/roll-back/"
    assert back in client.get(f"/imports/{imported.pk}/").content.decode()
    page = client.get(back)
    assert [(line.label, line.goes) for line in page.context["lines"]][:2] == [("People", 2), ("Accounts", 1)]
    assert Person.objects.filter(erased_at=None).count() == 2
    page = client.post(back, follow=True)
    assert "Rolling back of" in page.content.decode()
    imported.refresh_from_db()
    jobs.run(imported.rollback_id or 0, timezone.now())
    page = client.get(f"/imports/{imported.pk}/")
    assert "This import was rolled back" in page.content.decode() and back not in page.content.decode()
    assert not Person.objects.filter(erased_at=None).exists()
    assert "already" in client.get(back, follow=True).content.decode()
    assert [entry.action for entry in AuditEntry.objects.order_by("-pk")[:2]] == [
        "import.rolled_back",
        "import.roll_back",
    ]


def test_of_many_rows_a_job_works_out_what_would_go(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback, "AT_HAND", 1)
    imported = bring(PEOPLE, mapping=MAP)
    open_page(client)
    url = f"/imports/{imported.pk}/roll-back/"
    assert "Work out what would go" in client.get(url).content.decode()
    assert client.post(url, {"foresee": "1"}).status_code == 302
    client.post(url, {"foresee": "1"})
    job = Job.objects.get(kind=rollback.PREVIEW)  # one is at it
    assert "hx-trigger" in client.get(url).content.decode()
    jobs.run(job.pk, NOW)
    shown = client.get(url)
    assert told(shown.context["lines"]) == told(rollback.preview(imported, now=NOW))
    assert "Work it out anew" in shown.content.decode()
    assert Person.objects.filter(erased_at=None).count() == 2


@pytest.mark.parametrize("role", [User.Role.SALES, User.Role.VIEWER, User.Role.ANALYST])
def test_whoever_may_not_import_may_not_roll_back(client: Client, role: str) -> None:
    imported = bring(OTHERS, mapping=MAP)
    open_page(client, role)
    assert client.get(f"/imports/{imported.pk}/roll-back/").status_code == 403
    assert client.post(f"/imports/{imported.pk}/roll-back/").status_code == 403
    assert "roll-back" not in client.get(f"/imports/{imported.pk}/").content.decode()
    assert Import.objects.get().rollback is None


def test_of_two_who_roll_back_one_is_told() -> None:
    imported = bring(OTHERS, mapping=MAP)
    same = Import.objects.get(pk=imported.pk)
    first = rollback.begin(imported, by=None, now=NOW)
    with pytest.raises(importing.Refused) as told_so:
        rollback.begin(same, by=None, now=NOW)
    assert told_so.value.code == "busy"
    assert jobs.run(first.pk, NOW) and not jobs.run(first.pk, NOW)
    with pytest.raises(importing.Refused) as told_so:
        rollback.begin(same, by=None, now=NOW)
    assert told_so.value.code == "rolled_back"


def test_what_wrote_nothing_or_is_under_way_is_refused() -> None:
    tried = bring(OTHERS, mapping=MAP, dry_run=True)
    old = bring(OTHERS, mapping=MAP)
    Import.objects.filter(pk=old.pk).update(traced=False)
    old.refresh_from_db()
    codes = [refused.code for each in (tried, old) if (refused := rollback.refusal(each))]
    assert codes == ["nothing_written", "not_traced"]
    under_way = importing.start(BytesIO(OTHERS.encode()), "people", mapping=MAP, source="crm", by=None, now=NOW)
    assert rollback.refusal(under_way).code == "busy"  # type: ignore[union-attr]


def test_an_import_that_was_cancelled_half_way_goes_back_and_does_not_go_on() -> None:
    before = world()
    imported = importing.start(BytesIO(OTHERS.encode()), "people", mapping=MAP, source="crm", by=None, now=NOW)
    jobs.cancel(imported.job_id or 0)
    imported.refresh_from_db()
    roll_back(imported)
    jobs.retry(imported.job_id or 0)
    jobs.run(imported.job_id or 0, NOW)
    assert Job.objects.get(pk=imported.job_id).state == Job.State.FAILED
    assert world() == before


@pytest.mark.parametrize("killed_at", range(1, 12))
def test_killed_at_any_step_it_ends_the_same(killed_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, mapping = KINDS["deals"]
    bring(first, "deals", mapping)
    before = world()
    imported = bring(second, "deals", mapping)
    foreseen = told(rollback.preview(imported, now=NOW))
    job = rollback.begin(imported, by=None, now=NOW)
    taken, progress = [0], jobs.Held.progress

    def dies(held: jobs.Held, **reached: Any) -> None:
        progress(held, **reached)
        taken[0] += 1
        if taken[0] == killed_at:
            raise KeyboardInterrupt

    monkeypatch.setattr(rollback, "AT_ONCE", 1)
    with monkeypatch.context() as patched:
        patched.setattr(jobs.Held, "progress", dies)
        with suppress(KeyboardInterrupt):
            jobs.run(job.pk, NOW)
    Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).update(lease_until=None)
    jobs.run(job.pk, NOW)
    imported.refresh_from_db()
    assert told(rollback.lines_of(imported)) == foreseen
    assert world() == before


class RollsBackMeanwhile:
    """A job in whose hands, once rows are matched and before one is written, another import is rolled back."""

    def __init__(self, other: Import) -> None:
        self.cursor: dict[str, Any] = {}
        self.other = other

    def progress(self, **reached: Any) -> None:
        self.cursor = reached.get("cursor", self.cursor)
        if self.cursor["phase"] == "write" and not self.other.rolled_back_at:
            job = rollback.begin(self.other, by=None, now=NOW)
            self.other.rolled_back_at = NOW
            jobs.run(job.pk, NOW)


def test_another_import_of_the_same_people_at_the_same_time_loses_nothing() -> None:
    first = bring(OTHERS, mapping=MAP)
    file = BytesIO(OTHERS.replace("CTO", "Boss").encode())
    other = importing.start(file, "people", mapping=MAP, source="erp", by=None, now=NOW)
    answer = importing.run(other.pk, RollsBackMeanwhile(first))
    assert (answer["created"], answer["updated"]) == (2, 0)
    there = Person.objects.filter(erased_at=None)
    assert set(there.values_list("title", "account__name")) == {("Boss", "Bolt"), ("CFO", "Bolt")}


def test_whoever_was_scored_listed_or_moved_by_rules_goes_and_whoever_has_a_note_stays() -> None:
    imported = bring(OTHERS, mapping=MAP)
    live.run_all(NOW)
    cy = Person.objects.get(first_name="Cy")
    notes.add(cy.pk, "Call", by=None, now=NOW)
    done = roll_back(imported)
    assert done["person"] == (1, {"notes": 1})
    assert list(Person.objects.filter(erased_at=None)) == [cy]


def test_a_suppression_that_a_brought_consent_lifted_returns_with_its_day() -> None:
    bring("email\nann@x.de\nbob@x.de\n")
    topic = Topic.objects.create(slug="letters", label="Letters")
    early = NOW - timedelta(days=9)
    for email in ("ann@x.de", "bob@x.de"):
        someone = Person.objects.get(email=email)
        consent.withdraw(someone, topic=topic, source="page", at=early, now=early)
    kept = {bytes(each.address_hash): each.created_at for each in Suppression.objects.all()}
    assert len(kept) == 2
    rows = "email,topic,given,date,basis\nann@x.de,Letters,yes,2025-06-10,consent\nbob@x.de,Letters,yes,2025-06-10,consent\n"
    imported = bring(rows, "consents")
    assert not Suppression.objects.exists()
    consent.give(Person.objects.get(email="bob@x.de"), topic=topic, source="page", at=NOW, now=NOW)
    roll_back(imported)
    [back] = Suppression.objects.all()
    assert kept[bytes(back.address_hash)] == back.created_at == early and back.topic == topic

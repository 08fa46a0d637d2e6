"""Roles in accounts, families, holdings, contracts, pipelines and rules of titles over the API."""

import pytest

from audience.models import AccountRole, Contract, Deal, Pipeline, Product
from kit import installation, jobs
from kit.models import User
from tests import asking
from tests.factories import NOW, account, deal, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def api():
    return asking.by(asking.user())


def send(api, address, body=None, method="post", **headers):
    return getattr(api, method)(f"/api/v1/{address}", body, content_type="application/json", headers=headers)


def test_a_role_is_given_and_ended(api):
    firm, ann = account(name="Acme", domain="acme.example"), person(email="ann@acme.example")
    body = {"person": {"email": "ann@acme.example"}, "account": {"domain": "acme.example"}, "role": "champion"}
    made = send(api, "account-roles/", body)
    assert made.status_code == 201 and (made.json()["account"], made.json()["ends_on"]) == (firm.pk, None)
    ann.refresh_from_db()
    assert ann.account == firm
    asking.problem(send(api, "account-roles/", body | {"role": "Champion"}), 409, "already_there")
    asking.problem(send(api, "account-roles/", body | {"starts_on": "2999-01-01", "role": "x"}), 400, "bad_value")
    key = made.json()["id"]
    ended = send(api, f"account-roles/{key}/end/", {})
    assert ended.status_code == 200 and ended.json()["ends_on"]
    assert not api.get("/api/v1/account-roles/", {"is_held": "true"}).json()["results"]
    assert AccountRole.objects.count() == 1


def test_a_salesperson_s_key_sees_roles_of_whom_both_ends_are_theirs():
    sal = asking.user(User.Role.SALES, "sal@example.com")
    mine, other = account(name="Mine", owner=sal), account(name="Other")
    for whom, firm in ((person(owner=sal), mine), (person(), mine), (person(owner=sal), other)):
        AccountRole.objects.create(person=whom, account=firm, role="user")
    assert len(asking.by(sal).get("/api/v1/account-roles/").json()["results"]) == 1


def test_a_circle_is_refused_and_a_family_is_listed(api):
    top = account(name="Top")
    child = account(name="Child", parent=top)
    asking.problem(send(api, f"accounts/{top.pk}/", {"parent": {"id": child.pk}}, "patch"), 400, "bad_value")
    within = api.get("/api/v1/accounts/", {"within": top.pk}).json()["results"]
    assert {each["id"] for each in within} == {top.pk, child.pk}
    answer = send(
        api, "accounts/bulk/", {"accounts": [{"name": "Top", "parent": "Child"}, {"name": "New", "parent": "Top"}]}
    )
    assert answer.status_code == 200 and answer.json()["created"] == 1
    top.refresh_from_db()
    assert top.parent is None


def test_people_come_into_the_account_of_their_domain_where_that_is_set(api):
    firm = account(name="Acme", domain="acme.example")
    installation.put("account_by_domain", True)
    one = send(api, "people/upsert/", {"email": "a@acme.example"}).json()
    send(api, "people/bulk/", {"people": [{"email": "b@acme.example"}, {"email": "c@gmail.com"}]})
    found = {each["email"]: each["account"] for each in api.get("/api/v1/people/").json()["results"]}
    assert one["account"]["id"] == firm.pk == found["b@acme.example"]["id"] and found["c@gmail.com"] is None


def test_a_contract_is_made_changed_and_amended(api):
    firm = account(name="Acme")
    body = {"account": {"id": firm.pk}, "name": "Support", "starts_on": "2025-01-01", "annual_value": 1000}
    made = send(api, "contracts/", body | {"external_id": "C-1"})
    assert made.status_code == 201 and (made.json()["currency"], made.json()["source"]) == ("EUR", "api")
    key = made.json()["id"]
    asking.problem(send(api, "contracts/", body | {"external_id": "C-1"}), 409, "already_there")
    asking.problem(send(api, "contracts/", {"starts_on": "2025-01-01"}), 400, "one_of_both")
    asking.problem(send(api, "contracts/", body | {"product": 10**9}), 400, "unknown_product")
    amended = send(api, f"contracts/{key}/amend/", {"valid_from": "2025-03-01", "annual_value": 1500}).json()
    assert amended["amendments"] == [{"valid_from": "2025-03-01", "annual_value": 1500}]
    asking.problem(send(api, f"contracts/{key}/", {"currency": "USD"}, "patch"), 400, "bad_value")
    asking.problem(send(api, f"contracts/{key}/", {"annual_value": -1}, "patch"), 400, "min_value")
    changed = send(api, f"contracts/{key}/", {"renews_on": "2026-01-01", "name": None}, "patch").json()
    assert (changed["renews_on"], changed["name"]) == ("2026-01-01", "")
    send(api, f"contracts/{key}/amend/", {"valid_from": "2025-03-01", "annual_value": None})
    assert not Contract.objects.get().amendments.exists()
    assert len(api.get("/api/v1/contracts/", {"is_running": "true"}).json()["results"]) == 1


def test_a_pipeline_is_planned_and_decides_what_a_move_means(api):
    stages = [{"name": "Offer", "probability": 50}, {"name": "Signed", "kind": "won"}]
    made = send(api, "pipelines/", {"name": "Sales", "stages": stages})
    assert made.status_code == 201 and [each["kind"] for each in made.json()["stages"]] == ["open", "won"]
    asking.problem(send(api, "pipelines/", {"name": "sales", "stages": stages}), 409, "already_there")
    asking.problem(send(api, "pipelines/", {"name": "Odd", "stages": []}), 400, "bad_value")
    product = Product.objects.create(name="Sensor", source="x", external_id="1", recorded_at=NOW)
    partner, held = account(name="Partner"), deal(account(name="Acme"), NOW, stage="Offer")
    moved = send(api, f"deals/{held.pk}/move/", {"stage": "Signed"}).json()
    assert moved["status"] == "won"
    told = send(
        api, f"deals/{held.pk}/", {"products": [{"product": product.pk}], "partner": {"id": partner.pk}}, "patch"
    ).json()
    assert [each["product"] for each in told["products"]] == [product.pk] and told["partner"] == partner.pk
    asking.problem(send(api, f"deals/{held.pk}/", {"products": [{"product": 10**9}]}, "patch"), 400, "unknown_product")
    key = made.json()["id"]
    asking.problem(api.delete(f"/api/v1/pipelines/{key}/"), 409, "in_use")  # the first one stays
    changed = send(api, f"pipelines/{key}/", {"stages": stages[:1]}, "patch").json()
    assert [each["name"] for each in changed["stages"]] == ["Offer"]
    assert Pipeline.objects.count() == 1 and Deal.objects.get().stage == "Signed"


def test_rules_of_titles_are_drafted_counted_and_applied(api):
    send(api, "people/upsert/", {"email": "a@x.example", "title": "Poet"})
    rule = {"of": "title_group", "value": "arts", "words": ["poet"]}
    made = send(api, "title-rules/", {"rules": [rule]})
    assert made.status_code == 201 and made.json()["draft"] == [rule | {"unless": []}] and made.json()["since"] is None
    asking.problem(send(api, "title-rules/", {"rules": [rule | {"words": ["(a+)+$"]}]}), 409, "rules_refused")
    assert api.get("/api/v1/title-rules/preview/").json() == {"people": 1}
    assert send(api, "title-rules/read/", {"title": "Poet"}).json()["title_group"] == "other"
    jobs.run(send(api, "title-rules/apply/").json()["job"], NOW)
    assert send(api, "title-rules/read/", {"title": "Poet"}).json()["title_group"] == "arts"
    assert api.get("/api/v1/people/").json()["results"][0]["title_group"] == "arts"
    asking.problem(send(api, "title-rules/apply/"), 409, "rules_refused")


def test_holdings_of_an_account_are_told(api):
    firm = account(name="Acme")
    told = api.get(f"/api/v1/accounts/{firm.pk}/holdings/").json()
    assert told == {"peers": {"count": 0, "industry": "", "size": "", "enough": False}, "families": []}

"""Pipelines: planned stages, what is open and won by figures, stages that files bring, deals that move through them."""

import csv
import io
import re
import zipfile
from collections import Counter
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.urls import reverse

from audience.commerce import deals, pipelines
from audience.conditions import compile, tree
from audience.models import Deal, DealRole, Pipeline, PipelineStage, Product
from audience.subjects.people import BadValue
from kit.models import AuditEntry, User
from kit.sql import rows
from tests.audience.importing.bringing import bring, shared
from tests.factories import NOW, account, days_ago, deal, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client):
    made = User.objects.create_user("ada@example.com", "x", name="Ada", role=User.Role.MARKETER)
    client.force_login(made)
    return made


@pytest.fixture
def sales():
    pipelines.ensure_defaults(NOW)
    return Pipeline.objects.get()


def stages(*told):
    return [{"name": name, "probability": likely, "kind": kind} for name, likely, kind in told]


def figure(page, name):
    """What the page writes as a figure."""
    found = re.search(rf'data-metric="{name}"[^>]*>(.*?)</(?:a|span)>\s*(?:<p|</div)', page, re.S)
    return " ".join(re.sub(r"<[^>]+>", "", found[1]).replace("\xa0", " ").split())


def test_mavens_win_rate_and_open_pipeline_equal_a_count_by_hand_on_the_page(client, ada, sales, tmp_path):
    archive = zipfile.ZipFile(shared("crm_maven/CRM+Sales+Opportunities.zip"))
    folder = "CRM+Sales+Opportunities"
    text = archive.read(f"{folder}/sales_pipeline.csv").decode()
    by_hand = list(csv.DictReader(io.StringIO(text)))
    n = Counter(row["deal_stage"] for row in by_hand)
    won = sum(int(row["close_value"]) for row in by_hand if row["deal_stage"] == "Won")
    in_may = [row for row in by_hand if row["close_date"].startswith("2017-05")]
    may = Counter(row["deal_stage"] for row in in_may)
    archive.extractall(tmp_path)
    bring(tmp_path / folder / "accounts.csv", "accounts")
    bring(tmp_path / folder / "sales_pipeline.csv", "deals")
    page = client.get(reverse("deal_board")).content.decode()
    assert figure(page, "open_deals") == f"{n['Engaging'] + n['Prospecting']:,}" == "2,089"
    assert figure(page, "win_rate") == f"{n['Won'] / (n['Won'] + n['Lost']):.2%}" == "63.15%"
    assert figure(page, "won_amount") == f"{won:,}.00 EUR"
    assert f"{n['Won']:,} won" in page and f"{n['Lost']:,} lost" in page
    of_may = client.get(reverse("deal_board"), {"closed_from": "2017-05-01", "closed_to": "2017-05-31"})
    assert figure(of_may.content.decode(), "win_rate") == f"{may['Won'] / (may['Won'] + may['Lost']):.2%}"
    report = client.get(reverse("report_pipeline"), {"window": "all"}).content.decode()
    for told in ('data-count="2089"', "63.2%", f"{won:,}", f"{n['Won']:,} of {n['Won'] + n['Lost']:,}"):
        assert told in report, told
    # The doors lead to as many deals as the figures say.
    for url, count in ((of_may.context["won_url"], may["Won"]), (of_may.context["open_url"], 2089)):
        assert client.get(url).context["total"].count == count
    # Its stages are nobody's plan yet; the board has them all the same.
    board = of_may.context["board"]
    shown = {each.name: (each.count, each.stage, each.without) for each in board.columns if each.count}
    assert shown == {name: (n[name], None, n[name]) for name in ("Engaging", "Prospecting")}
    unplanned = {row["stage"]: row["count"] for row in pipelines.unplanned()}
    assert unplanned == dict(n)
    client.post(reverse("pipeline_add_stage", args=[sales.pk]), {"stage": "Engaging"})
    client.post(reverse("pipeline_add_stage", args=[sales.pk]), {"stage": "Won"})
    kinds = dict(sales.stages.values_list("name", "kind"))
    assert (kinds["Engaging"], kinds["Won"]) == ("open", "won")
    assert {row["stage"] for row in pipelines.unplanned()} == {"Prospecting", "Lost"}


def test_amounts_of_two_currencies_are_never_added_and_weighted_by_their_stage(sales):
    firm = account(name="Acme")
    for stage, amount, currency in (
        ("Proposal", 100_00, "EUR"), ("Proposal", 51, "USD"), ("Negotiation", 200_00, "EUR"), ("Odd", 7_00, "EUR"),
        ("Proposal", None, ""),
    ):  # fmt: skip
        deal(firm, NOW, stage=stage, amount=amount, currency=currency)
    deal(firm, days_ago(9), days_ago(3), amount=1_00, currency="EUR")
    deal(firm, days_ago(9), days_ago(2), status="lost", amount=5_00, currency="EUR")
    board = pipelines.board(sales, Deal.objects.all(), NOW.date())
    assert (board.count, board.sums) == (5, {"EUR": 307_00, "USD": 51})
    assert board.weighted == {"EUR": 200_00, "USD": 26} and board.unweighted == 1  # 50 % of 0.51 is 0.26
    closed = pipelines.closed(Deal.objects.all(), days_ago(4), NOW)
    assert (closed.won, closed.lost, closed.rate, closed.sums) == (1, 1, 0.5, {"EUR": 1_00})
    assert pipelines.closed(Deal.objects.all(), days_ago(1), NOW).rate is None


def test_who_moves_a_deal_to_a_stage_that_is_won_has_won_it(sales):
    firm = account(name="Acme")
    made = deals.open({"name": "Fleet", "stage": "Proposal"}, account=firm, source="x", by=None, now=days_ago(10))
    deals.change(made, {"stage": "Negotiation"}, at=days_ago(6), by=None, now=days_ago(6))
    deals.change(made, {"stage": "Closed won"}, at=days_ago(1), by=None, now=NOW)
    assert (made.status, made.closed_at) == ("won", days_ago(1))
    told = [(stay.stage, stay.status, stay.days) for stay in deals.stays(made, NOW)]
    assert told == [("Proposal", "open", 4), ("Negotiation", "open", 5), ("Closed won", "won", 0)]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", stages(("A", 1, "open"))), ("new Business", stages(("A", 1, "open"))), ("New", []),
        ("New", stages(("A", 1, "won"))), ("New", stages(("A", 1, "open"), ("a", 2, "open"))),
        ("New", stages(("A", 101, "open"))), ("New", stages(("A", 1, "maybe"))), ("New", stages(("", 1, "open"))),
        ("x" * 101, stages(("A", 1, "open"))), ("New", stages(*((str(n), 1, "open") for n in range(51)))),
    ],
)  # fmt: skip
def test_pipelines_that_cannot_be_are_refused(sales, name, told):
    with pytest.raises(BadValue):
        pipelines.define(name, told, by=None, now=NOW)
    assert Pipeline.objects.count() == 1


def test_a_pipeline_is_planned_changed_and_removed_on_pages(client, ada, sales):
    url = reverse("pipeline_new")
    rows = client.get(url).context["stages"]
    data = {f"form-{name}": value for name, value in rows.management_form.initial.items()}
    for row in rows:
        data |= {row.add_prefix(name): row.initial.get(name, "") for name in row.fields}
        data[row.add_prefix("kind")] = row.initial.get("kind", "open")
    data |= {"name": "Partners", "form-0-place": 3, "form-1-name": ""}  # the first comes later, the second goes
    assert client.post(url, data).status_code == 302
    made = Pipeline.objects.get(name="Partners")
    assert list(made.stages.values_list("name", flat=True)) == [
        "Qualified", "Proposal", "Negotiation", "Closed won", "Closed lost",
    ]  # fmt: skip
    held = deal(account(name="Acme"), NOW, pipeline="Partners", stage="Proposal")
    assert client.post(reverse("pipeline_remove", args=[made.pk])).url == made.get_absolute_url()
    assert Pipeline.objects.filter(pk=made.pk).exists()  # a deal is in it
    held.pipeline = ""
    held.save()
    client.post(reverse("pipeline_remove", args=[made.pk]))
    client.post(reverse("pipeline_remove", args=[sales.pk]))
    assert list(Pipeline.objects.all()) == [sales]  # the first one stays
    assert AuditEntry.objects.filter(action__startswith="pipeline.").count() == 2
    data |= {"name": "Bad", "form-0-probability": "1e5"}
    answer = client.post(url, data)
    assert answer.status_code == 400 and "Enter a whole number" in answer.content.decode()


def test_a_deal_has_a_page_with_its_stages_people_product_and_partner(client, ada, sales):
    firm, partner = account(name="Acme"), account(name="Reseller <b>")
    person(first_name="Ann", last_name="Bell", email="ann@acme.example", account=firm)
    product = Product.objects.create(name="Sensor", source="x", external_id="1", recorded_at=NOW)
    made = deals.open(
        {"name": "Fleet", "stage": "Offer", "partner": partner}, account=firm, sold=[deals.Sold(product)], source="x",
        by=None, now=days_ago(3),
    )  # fmt: skip
    url, roles_url = reverse("deal", args=[made.pk]), reverse("deal_roles", args=[made.pk])
    assert client.post(roles_url, {"person": "ann@acme.example", "role": "champion"}).url == url
    client.post(roles_url, {"person": "Ann Bell", "role": "champion"})  # once is enough
    page = client.get(url).content.decode()
    for told in ("Sensor", "Reseller &lt;b&gt;", "Ann Bell", "champion", "not in the pipeline yet", "Acme"):
        assert told in page
    role = DealRole.objects.get()
    for nonsense in ("x", "9" * 25, "-1"):
        assert client.post(roles_url, {"remove": nonsense}).status_code == 302
    assert client.post(roles_url, {"person": "nobody at all\x00", "role": ""}).status_code == 302
    client.post(roles_url, {"remove": role.pk})
    assert not DealRole.objects.exists()
    form = client.get(reverse("deal_edit", args=[made.pk])).context["form"]
    data = {name: form[name].value() or "" for name in form.fields}
    assert client.post(reverse("deal_edit", args=[made.pk]), data | {"amount": "5", "closed_on": ""}).status_code == 302
    made.refresh_from_db()
    assert (made.amount, made.partner, deals.sold(made)) == (500, partner, [deals.Sold(product)])


def test_the_last_person_of_a_deal_without_an_account_stays_on_it(client, ada):
    ann = person(first_name="Ann")
    made = deal(ann, NOW, name="Fleet")
    client.post(reverse("deal_roles", args=[made.pk]), {"remove": DealRole.objects.get().pk})
    assert DealRole.objects.count() == 1


def test_deals_leave_as_a_file_and_are_found_by_filters(client, ada, sales):
    firm = account(name="Acme Rail")
    deal(firm, NOW, name="Fleet", amount=10_000, currency="EUR", stage="Offer")
    deal(account(name="Other"), days_ago(9), days_ago(3), name="Won one")

    def found(**asked):
        return {row.name for row in client.get(reverse("deals"), asked).context["page"].rows}

    assert found(q="rail") == {"Fleet"} and found(status="won") == {"Won one"} == found(stage="(empty)")
    day = days_ago(3).date()
    assert found(closed_from=day, closed_to=day) == {"Won one"} and not found(closed_from=day + timedelta(days=1))
    assert found(within=firm.pk) == {"Fleet"}
    ada.may_export = True
    ada.save()
    text = b"".join(client.get(reverse("deals"), {"export": "csv"}).streaming_content).decode()
    assert "Fleet" in text and "100.00" in text and "Acme Rail" in text
    for nonsense in ("\x00", "'", "9" * 40, "9999-12-31", "0001-01-01"):
        for name in ("q", "closed_from", "closed_to", "within", "owner", "stage", "pipeline"):
            assert client.get(reverse("deals"), {name: nonsense}).status_code == 200, (name, nonsense)
            assert client.get(reverse("deal_board"), {name: nonsense}).status_code == 200, (name, nonsense)


def test_every_deal_is_in_one_choice_of_the_pipelines_filter(client, ada, sales):
    cache.clear()  # the values in use are remembered for a while
    deal(account(), NOW, name="Names none")
    deal(account(), NOW, name="Names the first", pipeline=sales.name)
    deal(account(), NOW, name="Elsewhere", pipeline="Service")
    form = client.get(reverse("deals")).context["filterset"].form
    offered = [value for value, _label in form.fields["pipeline"].choices if value]
    assert sorted(offered) == sorted([sales.name, "Service"])
    found = [
        row.name for each in offered for row in client.get(reverse("deals"), {"pipeline": each}).context["page"].rows
    ]
    assert sorted(found) == ["Elsewhere", "Names none", "Names the first"]


def test_defaults_come_once_and_never_over_what_is_planned(sales):
    pipelines.change(sales, stages(("Only", None, "open")), by=None, now=NOW)
    pipelines.ensure_defaults(NOW)
    assert list(PipelineStage.objects.values_list("name", flat=True)) == ["Only"]


def test_a_pipeline_that_files_name_is_planned_out_of_its_deals(client, ada, sales):
    firm = account(name="Acme")
    deal(firm, NOW, pipeline="Renewals", stage="Talks")
    deal(firm, days_ago(3), NOW, pipeline="Renewals", stage="Signed")
    assert b"Plan this pipeline" in client.get(reverse("pipelines")).content
    page = client.get(reverse("pipeline_new"), {"of": "Renewals"})
    told = [row.initial for row in page.context["stages"] if row.initial]
    assert [(each["name"], each["kind"], each["probability"]) for each in told] == [
        ("Talks", "open", None), ("Signed", "won", 100),
    ]  # fmt: skip
    assert client.get(reverse("pipeline_new"), {"of": "\x00" * 9}).status_code == 200


# ---- renaming, ordering, retiring ----


def test_a_renamed_stage_takes_its_deals_and_their_history_along_and_its_old_name_still_leads_to_it(sales):
    firm = account(name="Acme")
    made = deals.open({"name": "Fleet", "stage": "Demo"}, account=firm, source="crm", by=None, now=days_ago(9))
    deals.change(made, {"stage": "Proposal"}, at=days_ago(5), by=None, now=days_ago(5))
    other = Pipeline.objects.create(name="Partners", position=1)
    elsewhere = deal(firm, NOW, pipeline="Partners", stage="Proposal")
    planned = pipelines.planned_of(sales)
    for each, called in zip(planned[1:3], ("Proposal", "Offer"), strict=True):  # Demo is Proposal, Proposal is Offer
        each["name"] = called
    assert pipelines.change(sales, planned, by=None, now=NOW)
    assert not pipelines.change(sales, pipelines.planned_of(sales), by=None, now=NOW)
    made.refresh_from_db()
    assert [stay.stage for stay in deals.stays(made, NOW)] == ["Proposal", "Offer"] and made.stage == "Offer"
    elsewhere.refresh_from_db()
    assert elsewhere.stage == "Proposal"  # of another pipeline
    entry = AuditEntry.objects.get(action="pipeline.change")
    assert entry.after["renamed"] == {"Demo": "Proposal", "Proposal": "Offer"} and entry.after["deals"] == 1
    # “Proposal” is a stage of its own now, so it means that one; “Demo” is nobody's, so it means what it was.
    told = bring(b"id,name,stage,created\nA,One,DEMO,2025-01-01\nB,Two,Proposal,2025-01-01\n", "deals")
    assert told.counts["created"] == 2
    assert set(Deal.objects.filter(source="crm", name__in=("One", "Two")).values_list("stage", flat=True)) == {
        "Proposal"
    }
    deals.change(made, {"stage": "demo"}, at=NOW, by=None, now=NOW)
    assert made.stage == "Proposal" and not pipelines.unplanned()[1:]
    pipelines.change(other, stages(("Demo", 1, "open")), named="Resellers", by=None, now=NOW)
    elsewhere.refresh_from_db()
    assert elsewhere.pipeline == "Resellers"
    bring(b"id,pipeline,stage\nC,partners,Demo\n", "deals")
    assert Deal.objects.filter(pipeline="Resellers", stage="Demo").count() == 1


def test_conditions_that_name_a_former_stage_find_who_is_in_it_now(sales):
    firm = account(name="Acme")
    deal(firm, days_ago(9), stage="Demo")
    planned = pipelines.planned_of(sales)
    planned[1]["name"] = "Trial"
    pipelines.change(sales, planned, by=None, now=NOW)
    for said in ("Demo", "demo", "Trial"):
        asked = {"field": "deal.count", "where": {"stage": said}, "op": "at_least", "value": 1}
        assert ids(asked) == {firm.pk}, said


def ids(asked):
    return {pk for (pk,) in rows(compile.members(tree.parse(asked, of="account"), of="account", at=NOW))}


def test_a_retired_stage_keeps_its_deals_and_takes_no_new_ones(client, ada, sales):
    made = deal(account(name="Acme"), NOW, stage="Demo", amount=100_00, currency="EUR")
    planned = pipelines.planned_of(sales)
    planned[1]["retired"] = True
    assert pipelines.change(sales, planned, by=None, now=NOW)
    column = pipelines.board(sales, Deal.objects.all(), NOW.date()).columns[1]
    assert (column.name, column.weighted, column.stage.retired_at) == ("Demo", {"EUR": 25_00}, NOW)
    offered = dict(client.get(reverse("deal_edit", args=[made.pk])).context["form"].in_use)["in-use-stage"]
    assert "Demo" not in offered and "Proposal" in offered
    made.stage = "Proposal"
    made.save()
    assert "Demo" not in [each.name for each in pipelines.board(sales, Deal.objects.all(), NOW.date()).columns]
    for each in planned:
        each["retired"] = True
    with pytest.raises(BadValue):  # somewhere deals must begin
        pipelines.change(sales, planned, by=None, now=NOW)


def test_another_first_pipeline_takes_no_deal_away_from_the_one_that_was_first(client, ada, sales):
    made = deal(account(name="Acme"), NOW, stage="Demo")
    other = pipelines.define("Partners", stages(("Talks", 1, "open")), by=None, now=NOW)
    assert client.post(reverse("pipeline_earlier", args=[other.pk])).status_code == 302
    made.refresh_from_db()
    assert (pipelines.first(), made.pipeline) == (other, "New business")
    client.post(reverse("pipeline_earlier", args=[other.pk]))  # further up than the first is nowhere
    assert pipelines.first() == other and AuditEntry.objects.filter(action="pipeline.order").count() == 1
    with pytest.raises(BadValue):
        pipelines.change(other, retired=True, by=None, now=NOW)
    pipelines.change(sales, retired=True, by=None, now=NOW)
    client.post(reverse("pipeline_earlier", args=[sales.pk]))
    assert pipelines.first() == other  # a retired one cannot be the first


def test_a_pipeline_and_its_stages_are_renamed_and_retired_on_the_page(client, ada, sales):
    url = sales.get_absolute_url()
    page = client.get(url)
    rows = page.context["stages"]
    data = {f"form-{name}": value for name, value in rows.management_form.initial.items()} | {"name": "Direct sales"}
    for row in rows:
        data |= {row.add_prefix(name): row.initial.get(name) or "" for name in row.fields}
        data[row.add_prefix("kind")] = row.initial.get("kind", "open")
    assert client.post(url, data | {"form-1-name": "Trial", "form-1-retired": "on"}).status_code == 302
    sales.refresh_from_db()
    stage = sales.stages.get(name="Trial")
    assert (sales.name, sales.aliases, stage.aliases) == ("Direct sales", ["new business"], ["demo"])
    assert stage.retired_at
    for bad in ({"form-1-id": "9" * 30}, {"form-1-id": "7777777"}, {"name": ""}, {"name": "a\x00"}):
        assert client.post(url, data | bad).status_code == 400, bad

"""The pipeline of sales as a report: counted by hand, by stage and owner, each figure opening its deals; by API and file."""

from datetime import date

import pytest
from django.urls import reverse

from audience.commerce import pipelines, rates
from audience.models import Account, Deal
from kit.models import User
from reporting import pipeline as asking
from reporting.figures import pipeline as figures
from reporting.pipeline import PipelineQuestion
from reporting.windows import Window
from tests.factories import NOW, account, days_ago, deal

pytestmark = pytest.mark.django_db
YEAR = Window(date(2024, 6, 16), date(2025, 6, 16))


@pytest.fixture
def ada(client):
    made = User.objects.create_user("ada@example.com", "x", name="Ada", role=User.Role.ANALYST, may_export=True)
    client.force_login(made)
    return made


@pytest.fixture
def sales(ada):
    """Open: 100 + 50 EUR in Demo (25 %), 40 USD at 0.5 in Proposal (50 %), one without amount. Won: 60 and 90 EUR after
    10 and 20 days, one of 30 CHF without a rate after 30; lost: 1. A year and a half ago: won 999."""
    pipelines.ensure_defaults(NOW)
    firm = account(name="Acme")
    rates.tell("USD", date(2025, 1, 1), rates.Decimal("0.5"), by=None, now=NOW)
    eur = {"currency": "EUR", "owner": ada}
    deal(firm, days_ago(5), stage="Demo", amount=100_00, **eur)
    deal(firm, days_ago(5), stage="Demo", amount=50_00, currency="EUR")
    deal(firm, days_ago(5), stage="Proposal", amount=40_00, currency="USD", owner=ada, pipeline="New business")
    deal(firm, days_ago(5), stage="Odd")
    deal(firm, days_ago(30), days_ago(20), amount=60_00, **eur)
    deal(firm, days_ago(30), days_ago(10), amount=90_00, **eur)
    deal(firm, days_ago(33), days_ago(3), amount=30_00, currency="CHF")
    deal(firm, days_ago(30), days_ago(3), status="lost", **eur)
    deal(firm, days_ago(600), days_ago(550), amount=999_00, **eur)
    deal(account(name="Rival", is_excluded=True), days_ago(5), amount=777_00, **eur)


def test_the_figures_are_those_counted_by_hand(sales, ada):
    answer = asking.answer(PipelineQuestion(YEAR, NOW.date()))
    assert (answer.open.count, answer.open.total, answer.open.unknown) == (4, 170_00, 1)
    assert (answer.weighted, answer.left_out) == (47_50, 1)  # 150 / 4 + 20 / 2
    assert (answer.won.count, answer.won.total, answer.lost) == (3, 150_00, 1)
    assert (answer.rate.rate, answer.days, answer.mean_won) == (0.75, 20, 75_00)
    assert answer.velocity == 4 * 75_00 * 0.75 / 20 == 1125
    told = [(each.name, each.probability, each.open.count, each.open.total) for each in answer.stages]
    assert told == [("Demo", 25, 2, 150_00), ("Proposal", 50, 1, 20_00), ("Odd", None, 1, 0)]
    owners = [(each.user, each.open.total, each.won.total, each.won.count, each.lost) for each in answer.owners]
    assert owners == [(ada, 120_00, 150_00, 2, 1), (None, 50_00, 0, 1, 0)]
    mine = asking.answer(PipelineQuestion(YEAR, NOW.date(), pipelines.first(), ada))
    assert (mine.open.count, mine.won.count, mine.lost) == (2, 2, 1)
    assert asking.answer(PipelineQuestion(Window(date(2020, 1, 1), date(2020, 2, 1)), NOW.date())).velocity is None


def test_every_figure_opens_as_many_deals_as_it_counts(client, sales):
    sheet = figures.sheet(asking.answer(PipelineQuestion(YEAR, NOW.date())))
    doors = [figure for _label, figure in sheet.headline if figure.url]
    doors += [each for section in sheet.sections for line in section.table.lines for each in line.figures if each.url]
    assert len(doors) > 15
    for door in doors:
        page = client.get(door.url)
        assert not page.context["notes"], (door, page.context["notes"])
        assert page.context["total"].count == door.count, door


def test_the_page_the_file_and_the_api_tell_the_same(client, sales, ada):
    asked = {"from": "2024-06-16", "to": "2025-06-16"}
    page = client.get(reverse("report_pipeline"), asked).content.decode().replace("\xa0", " ")
    for told in (
        "11.25",
        "4 open × 75.00 × 75.0% / 20 days",
        "3 of 4",
        "1 row in CHF, 30.00 CHF",
        "of an account that is left out",
    ):
        assert told in page, told
    text = b"".join(client.get(reverse("report_pipeline"), asked | {"export": "csv"}).streaming_content).decode()
    assert "velocity,,,11.25," in text and "open.stage,New business / Demo,2,150.00," in text
    found = client.get("/api/v1/reports/pipeline/", asked)
    assert found.status_code in (200, 401, 403)


def test_nonsense_is_said_and_a_pipeline_without_deals_is_empty(client, ada):
    Deal.objects.all().delete()
    Account.objects.all().delete()
    page = client.get(reverse("report_pipeline"))
    assert b"No deals here" in page.content
    for name in ("pipeline", "owner", "from", "to", "window"):
        for nonsense in ("\x00", "9" * 40, "-1", "٣", "x'", "9999-12-31"):
            answer = client.get(reverse("report_pipeline"), {name: nonsense})
            assert answer.status_code == 200, (name, nonsense)

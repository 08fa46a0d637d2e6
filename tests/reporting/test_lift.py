"""The lift of campaigns against counts made by hand, and its pages: every figure opens a list of just its length."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from audience.models import DealRole, Person
from campaigns.models import Campaign, CampaignVersion, Content, Enrollment, Step
from kit import installation
from kit.registry import panels
from kit.sql import rows, sql
from kit.statistics import Sample
from lifecycle.models import Lifecycle
from reporting import campaigns, filling, lift
from reporting.metrics.lift import HELD, METRIC, TREATED
from tests import factories
from tests.demo import doors
from tests.reporting.ledger import NOW, TODAY, lifecycle, on, reader, walk
from tests.reporting.test_pages import exported

pytestmark = pytest.mark.django_db


def campaign(of: Lifecycle | None, name: str = "Nurture", **values: object) -> Campaign:
    told = {"outcome_stage": "mql", "outcome_days": 10, "holdout": 50} | values
    slug = name.lower().replace(" ", "_")
    made = Campaign.objects.create(slug=slug, name=name, lifecycle=of, created_at=NOW, launched_at=NOW, **told)
    CampaignVersion.objects.create(campaign=made, number=1, created_at=NOW)
    return made


def assign(to: Campaign, person: Person, day: int, *, held: bool = False, passed: int = 1) -> None:
    Enrollment.objects.create(
        campaign=to, version=to.versions.get(), person=person, pass_number=passed, entered_at=on(day),
        state="holdout" if held else "finished",
    )  # fmt: skip


def told(of: Campaign) -> lift.Lift:
    if of.lifecycle:
        filling.fill(of.lifecycle, now=NOW)
    return lift.answer(campaigns.ask([of], TODAY)[0])


def shares(of: Campaign) -> tuple[tuple[int, int], tuple[int, int]]:
    found = told(of)
    treated, held = found.share(TREATED), found.share(HELD)
    return (treated.hits, treated.of), (held.hits, held.of)


def crowd(sales: Lifecycle, to: Campaign, hits: int, of: int, *, held: bool = False) -> None:
    """So many of so many come to MQL on the fifth, having been assigned on the second."""
    for number in range(of):
        walked = walk(sales, ("lead", 1), *([("mql", 5)] if number < hits else []))
        assign(to, walked.person, 2, held=held)


def test_the_outcome_is_the_stage_or_a_later_one_entered_in_time_after_the_assignment() -> None:
    sales = lifecycle()
    nurture = campaign(sales)
    ways = {
        "to the stage": ("lead", 1), "past it": ("lead", 1), "on the last day": ("lead", 1), "a day late": ("lead", 1),
        "before": ("lead", 1), "again": ("lead", 1), "on from there": ("mql", 1), "never": ("lead", 1),
    }  # fmt: skip
    steps = {
        "to the stage": [("mql", 6)],
        "past it": [("sql", 6)],
        "on the last day": [("mql", 15)],
        "a day late": [("mql", 16)],
        "before": [("mql", 3)],
        "again": [("mql", 2), ("recycled", 3), ("mql", 8)],
        "on from there": [("sql", 8)],
        "never": [("recycled", 7)],
    }
    walked = {name: walk(sales, ways[name], *steps[name]) for name in ways}
    for membership in walked.values():
        assign(nurture, membership.person, 5)
    filling.fill(sales, now=NOW)
    question = campaigns.ask([nurture], TODAY)[0]
    reached = {row[0] for row in rows(sql("SELECT id FROM ({}) told", METRIC.rows(question, "treated_reached")))}
    people = set(Enrollment.objects.filter(pk__in=reached).values_list("person_id", flat=True))
    assert {name for name, each in walked.items() if each.person_id in people} == {
        "to the stage", "past it", "on the last day", "again",
    }  # fmt: skip


def test_the_lift_of_a_small_trial_is_the_one_counted_by_hand() -> None:
    sales = lifecycle()
    nurture = campaign(sales)
    crowd(sales, nurture, 6, 7)
    crowd(sales, nurture, 2, 7, held=True)
    found = told(nurture)
    assert found.difference.value == pytest.approx(4 / 7)
    assert [round(end, 4) for end in found.difference.interval or ()] == [0.0582, 0.8062]  # Newcombe 1998, table II
    assert found.difference.few and found.difference.relative == pytest.approx(2)
    assert (found.assigned, found.split_p, found.split_is_off) == (14, 1.0, False)


def test_only_those_whose_days_are_over_are_compared() -> None:
    sales = lifecycle()
    nurture = campaign(sales)
    crowd(sales, nurture, 1, 2)
    crowd(sales, nurture, 0, 1, held=True)
    late = (TODAY - on(1).date()).days + 1 - 10  # ten days ago: the tenth day is not over yet
    assign(nurture, walk(sales, ("lead", 1), ("mql", late + 1)).person, late)
    assign(nurture, walk(sales, ("lead", 1)).person, late - 1)
    assert shares(nurture) == ((1, 3), (0, 1))
    assert told(nurture).unfinished == 1


def test_everybody_counts_once_and_nobody_left_out_does() -> None:
    sales = lifecycle()
    nurture = campaign(sales)
    crowd(sales, nurture, 1, 1)
    crowd(sales, nurture, 0, 1, held=True)
    again = Enrollment.objects.get(state="finished").person
    assign(nurture, again, 20, passed=2)
    own = walk(sales, ("lead", 1), ("mql", 5)).person
    assign(nurture, own, 2)
    Person.objects.filter(pk=own.pk).update(is_excluded=True)
    stranger = factories.person()  # in no lifecycle, and so without an outcome
    assign(nurture, stranger, 2, held=True)
    assert shares(nurture) == ((1, 1), (0, 2))
    assert told(nurture).counts["left_out"] == 1


def test_people_in_a_campaign_for_accounts_are_shown_apart() -> None:
    sales = lifecycle(of="account")
    nurture = campaign(sales)
    assign(nurture, factories.person(), 2)
    walked = walk(sales, ("lead", 1), ("mql", 5))
    Enrollment.objects.create(
        campaign=nurture, version=nurture.versions.get(), account=walked.account, entered_at=on(2), state="finished"
    )
    found = told(nurture)
    assert (found.share(TREATED).of, found.counts["other"]) == (1, 1)


def test_one_statement_tells_all_campaigns_each_by_its_own_outcome(django_assert_num_queries) -> None:
    sales, other = lifecycle(), lifecycle("other")
    first, second, third = campaign(sales), campaign(sales, "Later", outcome_stage="won"), campaign(other, "Other")
    walked = walk(sales, ("lead", 1), ("mql", 5))
    for each in (first, second, third):
        assign(each, walked.person, 2)
    filling.fill(sales, now=NOW)
    questions = campaigns.ask([first, second, third, campaign(sales, "Nobody")], TODAY)
    with django_assert_num_queries(2):  # the zone, and all campaigns
        found = lift.answers(questions)
    assert [each.count(TREATED, "reached") for each in found] == [1, 0, 0, 0]


def test_days_are_local_days() -> None:
    installation.put("zone", "Asia/Shanghai")
    sales = lifecycle()
    nurture = campaign(sales, outcome_days=1)
    # Assigned on the second at 20:00 UTC, which is the third in Shanghai: the fourth there is in time.
    person = walk(sales, ("lead", 1), ("mql", on(4) + timedelta(hours=3))).person
    assign(nurture, person, 2)
    Enrollment.objects.update(entered_at=on(2) + timedelta(hours=8))
    assert shares(nurture)[0] == (1, 1)


def test_a_split_that_is_not_the_planned_one_is_said() -> None:
    nurture = campaign(lifecycle(), holdout=20)
    counts = {"treated_assigned": 740, "held_assigned": 260}
    found = lift.Lift(campaigns.ask([nurture], TODAY)[0], counts)
    # (260 − 200)² / (1000 × 0.2 × 0.8) = 22.5
    assert found.split_p == pytest.approx(2.1e-6, rel=0.01) and found.split_is_off
    unplanned = lift.Lift(campaigns.ask([campaign(None, "Old", holdout=0)], TODAY)[0], counts)
    assert unplanned.split_p is None and not unplanned.split_is_off


def test_money_is_told_per_head_of_everybody_whose_days_are_over() -> None:
    sales = lifecycle()
    nurture = campaign(sales)
    crowd(sales, nurture, 1, 3)
    crowd(sales, nurture, 0, 3, held=True)
    treated = list(Enrollment.objects.filter(state="finished").order_by("pk"))
    held = Enrollment.objects.filter(state="holdout").first()
    assert held is not None
    shared = factories.deal(treated[0].person, on(1), on(5), amount=800)  # half of it is somebody's who is not in it
    DealRole.objects.create(deal=shared, person=factories.person())
    factories.deal(treated[1].person, on(1), on(12), amount=200)  # on the last day
    factories.deal(treated[1].person, on(1), on(13), amount=7000)  # a day late
    factories.deal(treated[2].person, on(1), on(1), amount=7000)  # before the assignment
    factories.deal(treated[2].person, on(1), on(5), amount=7000, currency="USD")
    factories.purchase(held.person, on(4), amount=300)
    found = lift.gain(told(nurture))
    assert found is not None
    # Deals of the treated: 400, 200, 0: mean 200, variance 40,000; of the held out none.
    assert found.samples[TREATED, "deals"] == Sample(3, 200, 40_000)
    assert found.difference("deals").value == 200
    assert (found.paid[TREATED, "deals"], found.paid[HELD, "deals"]) == (2, 0)
    # Purchases of the held out: 300, 0, 0: mean 100.
    assert found.difference("purchases").value == -100
    assert (found.paid[TREATED, "purchases"], found.paid[HELD, "purchases"]) == (0, 1)


def test_without_a_lift_no_money_is_compared() -> None:
    sales = lifecycle()
    crowd(sales, nurture := campaign(sales), 1, 2)
    assert lift.gain(told(nurture)) is None


# ---- pages ----


@pytest.fixture
def visitor(client: Client) -> Client:
    client.force_login(reader())
    return client


def text(visitor: Client, url: str) -> str:
    response = visitor.get(url)
    assert response.status_code == 200, url
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())


def test_the_page_says_the_lift_in_words_and_every_figure_opens(visitor: Client) -> None:
    sales = lifecycle()
    nurture = campaign(sales)
    crowd(sales, nurture, 20, 40)
    crowd(sales, nurture, 10, 40, held=True)
    filling.fill(sales, now=NOW)
    factories.deal(Enrollment.objects.filter(state="finished").earliest("pk").person, on(1), on(5), amount=4_000_000)
    url = campaigns.page(nurture)
    told = text(visitor, url)
    assert "Won deals 1 1,000 0 0" in told and "Per head of those whose days are over" in told
    # 20/40 against 10/40: Wilson 0.3520–0.6480 and 0.1419–0.4019, so 25 − 21.2 and 25 + 18.3 points.
    assert "+25.0 points" in told and "3.8 to 43.3" in told
    assert "Of those assigned 50.0% came to “Mql” or later within 10 days, of those held out 25.0%" in told
    assert "more than chance explains" in told and "+100.0%" in told and "0.021" in told
    for page in (url, reverse("report_lift")):
        found = doors.of(visitor.get(page).content.decode())
        assert len(found) >= 4
        for door in found:
            assert doors.length(visitor, door.url) == door.count, door
    assert "Holdout Jan 2, 2025 12:00 Jan 5, 2025 held out" in text(
        visitor, campaigns.people(nurture, "lift", "held_reached")
    )


def test_few_are_said_to_be_few_and_the_interval_comes_first(visitor: Client) -> None:
    sales = lifecycle()
    nurture = campaign(sales)
    crowd(sales, nurture, 6, 7)
    crowd(sales, nurture, 2, 7, held=True)
    filling.fill(sales, now=NOW)
    told = text(visitor, campaigns.page(nurture))
    assert "5.8 to 80.6" in told and "few: +57.1 points" in told and "few: 85.7%, 6 of 7" in told


def test_without_a_holdout_no_lift_is_shown(visitor: Client) -> None:
    sales = lifecycle()
    crowd(sales, nurture := campaign(sales, holdout=0), 3, 4)
    filling.fill(sales, now=NOW)
    for url in (campaigns.page(nurture), reverse("report_lift")):
        told = text(visitor, url)
        assert "no holdout: no lift can be shown" in told and "points" not in told
    assert "3 of 4" in text(visitor, campaigns.page(nurture))


def test_before_the_days_are_over_the_page_says_from_when_on(visitor: Client) -> None:
    sales = lifecycle()
    soon = campaign(sales, outcome_days=3000)
    crowd(sales, soon, 1, 1)
    crowd(sales, soon, 1, 1, held=True)
    filling.fill(sales, now=NOW)
    assert "nobody's days are over before Mar 22, 2033" in text(visitor, campaigns.page(soon))


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"outcome_stage": ""}, "does not say to which stage"),
        ({"outcome_stage": "gone"}, "no longer has the stage “gone”"),
        ({"lifecycle": None}, "belongs to no lifecycle"),
    ],
)
def test_a_campaign_whose_purpose_is_not_said_says_that(visitor: Client, values: dict[str, object], why: str) -> None:
    sales = lifecycle()
    nurture = campaign(values.pop("lifecycle", sales), **values)  # type: ignore[arg-type]
    assign(nurture, walk(sales, ("lead", 1)).person, 2)
    assert why in text(visitor, campaigns.page(nurture))
    assert why in text(visitor, reverse("report_lift"))


def test_empty_pages_say_what_comes_there(visitor: Client) -> None:
    assert "Campaign members" in text(visitor, reverse("report_lift"))
    assert "Nobody was assigned to it yet" in text(visitor, campaigns.page(campaign(lifecycle())))
    assert visitor.get(campaigns.people(Campaign.objects.get(), "lift", "nonsense")).status_code == 404
    assert visitor.get(reverse("report_lift_campaign", args=["nobody"])).status_code == 404


def test_the_list_as_a_file_and_narrowed_to_a_lifecycle(visitor: Client) -> None:
    sales = lifecycle()
    crowd(sales, campaign(sales), 1, 2)
    assign(campaign(None, "Other"), factories.person(), 2)
    filling.fill(sales, now=NOW)
    lines = exported(visitor.get(reverse("report_lift"), {"export": "csv"}))
    assert [line[0] for line in lines] == ["Campaign", "Other", "Nurture"]
    assert lines[2][4:10] == ["2", "2", "1", "0", "0", "0"]
    narrowed = text(visitor, f"{reverse('report_lift')}?lifecycle=sales")
    assert "Nurture" in narrowed and "Other" not in narrowed


def test_campaigns_stand_in_blocks_by_the_style_in_which_they_speak(visitor: Client) -> None:
    sales = lifecycle()
    for name, styles in {
        "Teach": ["education"],
        "Sell": ["engagement"],
        "Mix": ["education", "engagement"],
        "Old": [],
    }.items():
        made = campaign(sales, name)
        assign(made, factories.person(), 2)
        for number, style in enumerate(styles):
            said = Content.objects.create(
                slug=f"{name}{number}".lower(), name=name, style=style, created_at=NOW, updated_at=NOW
            )
            Step.objects.create(
                version=made.versions.get(), key=str(number), kind="send", position=number, content=said
            )
    told = text(visitor, reverse("report_lift"))
    places = [told.index(word) for word in (
        "Education Of each", "Teach", "Engagement Of each", "Sell", "Education and engagement", "Mix", "Style not told", "Old",
    )]  # fmt: skip
    assert places == sorted(places)


def test_the_list_takes_as_many_queries_for_many_campaigns(visitor: Client, django_assert_max_num_queries) -> None:
    sales = lifecycle()
    for number in range(12):
        crowd(sales, campaign(sales, f"Nurture {number}"), 1, 1)
    with django_assert_max_num_queries(20):
        visitor.get(reverse("report_lift"))


def test_a_campaigns_results_show_its_lift() -> None:
    sales = lifecycle()
    nurture = campaign(sales)
    [shown] = [each for each in panels("campaign_results") if each.title == "Lift"]
    assert shown.context(nurture, None, NOW) is None
    crowd(sales, nurture, 1, 2)
    crowd(sales, nurture, 0, 2, held=True)
    filling.fill(sales, now=NOW)
    told = shown.context(nurture, None, NOW)
    assert told is not None and told["words"].startswith("Of those assigned 50.0% came to “Mql”")
    assert [label for label, _figure in told["headline"]][0] == "Lift"

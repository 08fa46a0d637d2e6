"""The channel mix: what happened in some days by channel and platform, each figure with the list behind it."""

from datetime import date, timedelta

import pytest
from django.urls import reverse

from audience.activity import activities, channels
from audience.commerce import costs
from audience.models import Activity
from kit.models import User
from kit.sql import sql
from tests import asking
from tests.factories import NOW, account, activity, days_ago, person

pytestmark = pytest.mark.django_db
DAYS = {"first": days_ago(30).date().isoformat(), "last": NOW.date().isoformat()}


@pytest.fixture
def ada(client):
    made = User.objects.create_user("ada@example.com", "x", name="Ada", role=User.Role.ADMIN, may_export=True)
    client.force_login(made)
    return made


@pytest.fixture
def world():
    channels.ensure_defaults(NOW)
    ann, bob, firm = person(first_name="Ann"), person(first_name="Bob"), account(name="Acme")
    activity(ann, days_ago(3), channel="email", direction="outbound", platform="mobile")
    activity(ann, days_ago(2), channel="email", platform="mobile", actor="bot")
    activity(bob, days_ago(2), channel="email", platform="desktop")
    activity(bob, days_ago(1), channel="paid_search", platform="")
    activity(firm, days_ago(1), channel="", direction="")
    activity(ann, days_ago(1), channel="carrier_pigeon")
    activity(ann, days_ago(40), channel="email")
    taken = activity(ann, days_ago(1), channel="email")
    activities.reverse(sql("SELECT {}::bigint AS id", taken.pk), now=NOW)
    activity(person(is_excluded=True), days_ago(1), channel="email")
    told = {"channel": "paid_search", "starts_on": date(2025, 6, 1), "ends_on": NOW.date(), "amount": 1400}
    costs.add(told | {"currency": "EUR"}, by=None, now=NOW)
    return ann


def lines(page, by):
    [found] = [lines for _heading, which, lines in page.context["tables"] if which == by]
    return {line["key"]: [value for _label, value, _url in line["cells"]] for line in found}


def test_every_bucket_is_a_line_and_lines_add_up(client, ada, world):
    page = client.get(reverse("channel_mix"), DAYS)
    assert lines(page, "channel") == {
        "email": [3, 2, 1, 0, 2, 2], "paid_search": [1, 1, 0, 0, 1, 1], "": [1, 0, 0, 1, 1, 1],
        "carrier_pigeon": [1, 1, 0, 0, 1, 1],
    }  # fmt: skip
    assert lines(page, "platform") == {
        "mobile": [2, 1, 1, 0, 1, 1], "desktop": [1, 1, 0, 0, 1, 1], "": [3, 2, 0, 1, 3, 3],
    }  # fmt: skip
    total = [value for _label, value, _url in page.context["total"]["cells"]]
    assert total == [6, 4, 1, 1, 5, 3] and page.context["left_out"] == 1
    for by in ("channel", "platform"):
        for place in range(5):
            assert sum(line[place] for line in lines(page, by).values()) == total[place]
    told = page.content.decode()
    assert "(empty)" in told and "carrier_pigeon" in told and "14.00" in told


def test_every_figure_opens_as_many_activities(client, ada, world):
    page = client.get(reverse("channel_mix"), DAYS)
    tables = [line for _heading, _by, some in page.context["tables"] for line in some]
    for line in [*tables, page.context["total"]]:
        for label, value, url in line["cells"][:5]:
            listed = client.get(url)
            assert len(listed.context["page"].rows) == value, (line["name"], label, url)
    assert len(client.get(page.context["left_out_url"]).context["page"].rows) == 1


def test_the_mix_is_narrowed_by_direction_and_by_whom(client, ada, world):
    for asked, found in (
        ({"direction": "inbound"}, {"email": 2, "paid_search": 1, "carrier_pigeon": 1}),
        ({"direction": "outbound"}, {"email": 1, "paid_search": 0}),
        ({"direction": "(empty)"}, {"": 1, "paid_search": 0}),
        ({"actor": "bot"}, {"email": 1, "paid_search": 0}),
        ({"direction": "sideways"}, {"email": 3, "paid_search": 1, "": 1, "carrier_pigeon": 1}),
    ):
        told = lines(client.get(reverse("channel_mix"), DAYS | asked), "channel")
        assert {key: counts[0] for key, counts in told.items()} == found, asked
    page = client.get(reverse("channel_mix"), DAYS | {"direction": "inbound"})
    for _heading, _by, some in page.context["tables"]:
        for line in some:
            assert len(client.get(line["cells"][0][2]).context["page"].rows) == line["cells"][0][1]


def test_the_list_of_activities_is_narrowed_by_direction(client, ada, world):
    for way, number in (("inbound", 5 + 1), ("outbound", 1), ("(empty)", 1)):
        assert len(client.get(reverse("activities"), {"direction": way}).context["page"].rows) == number


def test_it_leaves_as_a_file(client, ada, world):
    answer = client.get(reverse("channel_mix"), DAYS | {"export": "csv"})
    told = b"".join(answer.streaming_content).decode()
    assert "Channel,Email" in told and "Platform,(empty)" in told and "All,,,,6,4,1,1,5,3,14.00 EUR" in told


def test_a_salesperson_sees_the_mix_of_their_own(client, world):
    sal = User.objects.create_user("sal@example.com", "x", role=User.Role.SALES)
    mine = person(owner=sal)
    activity(mine, days_ago(1), channel="phone")
    client.force_login(sal)
    page = client.get(reverse("channel_mix"), DAYS)
    assert {key: each[0] for key, each in lines(page, "channel").items() if each[0]} == {"phone": 1}
    assert page.context["left_out"] == 0


def test_programs_read_the_same(world):
    api = asking.by(asking.user())
    asked = {"since": DAYS["first"], "until": (NOW + timedelta(days=1)).date().isoformat()}
    told = api.get("/api/v1/activities/mix/", asked).json()
    assert told["total"] == {
        "activities": 6, "inbound": 4, "outbound": 1, "direction_unknown": 1, "by_humans": 5, "reached": 3,
    }  # fmt: skip
    paid = next(each for each in told["by_channel"] if each["channel"] == "paid_search")
    assert (paid["is_paid"], paid["cost"], paid["activities"]) == (True, {"EUR": 1400}, 1)
    assert next(each for each in told["by_channel"] if each["channel"] == "carrier_pigeon")["is_paid"] is None
    inbound = api.get("/api/v1/activities/mix/", asked | {"direction": "inbound"}).json()
    assert inbound["total"]["activities"] == 4
    asking.problem(api.get("/api/v1/activities/mix/", asked | {"until": asked["since"]}), 400, "bad_order")


def test_it_asks_as_often_however_much_there_is(client, ada, world, django_assert_max_num_queries):
    client.get(reverse("channel_mix"), DAYS)
    for number in range(20):
        activity(person(), days_ago(1), channel=f"way_{number}", platform=f"thing_{number}")
    assert Activity.objects.count() > 20
    with django_assert_max_num_queries(24):
        client.get(reverse("channel_mix"), DAYS)

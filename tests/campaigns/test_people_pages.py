"""Campaigns on the profile of a person, step by step; putting people in by hand, one or many."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns import entry, journeys, plans
from campaigns.models import Enrollment
from kit.models import User
from tests.campaigns import making
from tests.factories import NOW, person

pytestmark = pytest.mark.django_db

GERMAN = {"field": "person.country", "op": "is", "value": "DE"}


@pytest.fixture
def marketer(client):
    client.force_login(User.objects.create_user("m@example.com", "x", role=User.Role.MARKETER))
    return client


def test_the_profile_tells_the_campaigns_that_somebody_is_in_and_those_that_could_take_them(marketer):
    someone = person(first_name="Ada", last_name="Lovelace")
    page = marketer.get(someone.get_absolute_url()).content.decode()
    assert 'id="campaigns"' not in page, "nothing was ever launched"
    inside = making.launched(making.simple("Nurture")).campaign
    making.launched(making.simple("Other"))
    entry.enroll(inside, [someone.pk], by=None, now=NOW)
    page = marketer.get(someone.get_absolute_url()).content.decode()
    assert "Nurture" in page and "On the way" in page and "Not in 1 campaign that is running" in page


def test_the_trace_is_a_page_and_a_part_of_the_profile(marketer):
    someone = person(first_name="Ada", last_name="Lovelace")
    campaign = making.launched(making.simple()).campaign
    url = reverse("campaign_trace", args=[campaign.slug, someone.pk])
    page = marketer.get(url).content.decode()
    assert "Ada Lovelace in “Nurture”" in page and "nobody has put them in" in page and "Put into the campaign" in page
    entry.enroll(campaign, [someone.pk], by=None, now=NOW)
    journeys.run_all(NOW)
    part = marketer.get(url, headers={"HX-Request": "true", "HX-Target": f"trace-{campaign.slug}"}).content.decode()
    assert part.lstrip().startswith('<div class="trace"') and "waits to be sent" in part
    assert "Put into the campaign" not in part
    assert marketer.get(reverse("campaign_trace", args=["nurture", 10**9])).status_code == 404


def test_nobody_is_offered_to_be_put_in_who_could_not_be(marketer):
    german, french = person(country="DE"), person(country="FR")
    campaign = making.launched(making.simple(audience=GERMAN), timezone.now()).campaign
    pages = [marketer.get(reverse("campaign_trace", args=[campaign.slug, each.pk])) for each in (german, french)]
    assert ["Put into the campaign" in page.content.decode() for page in pages] == [True, False]


def test_one_person_is_put_in_by_hand_and_whoever_may_not_is_told_why(marketer):
    german, french = person(country="DE"), person(country="FR")
    campaign = making.launched(making.simple(audience=GERMAN), timezone.now()).campaign
    for each, words in ((german, "entered “Nurture”"), (french, "may not enter “Nurture”")):
        url = reverse("campaign_enroll_one", args=[campaign.slug, each.pk])
        assert words in marketer.post(url, follow=True).content.decode()
    assert Enrollment.objects.get().person == german
    assert Enrollment.objects.get().why == "by hand (m@example.com)"
    plans.pause(campaign, by=None, now=NOW)
    page = marketer.post(reverse("campaign_enroll_one", args=[campaign.slug, french.pk]), follow=True).content.decode()
    assert "is not running" in page


def test_many_of_a_list_are_put_in_at_once(marketer):
    some = [person(country="DE" if n < 3 else "FR") for n in range(5)]
    campaign = making.launched(making.simple(audience=GERMAN), timezone.now()).campaign
    assert "Put into a campaign" in marketer.get(reverse("people")).content.decode()
    chosen = {"action": "enroll", "enroll-slug": campaign.slug, "id": [each.pk for each in some]}
    page = marketer.post(reverse("people"), chosen, follow=True).content.decode()
    assert "3 entered “Nurture”" in page
    assert Enrollment.objects.count() == 3
    page = marketer.post(reverse("people"), chosen | {"enroll-slug": "nowhere"}, follow=True).content.decode()
    assert "Choose a campaign that is running" in page


def test_sales_may_look_and_put_nobody_in(client):
    client.force_login(User.objects.create_user("s@example.com", "x", role=User.Role.SALES))
    someone = person()
    campaign = making.launched(making.simple()).campaign
    assert (
        "Put into the campaign"
        not in client.get(reverse("campaign_trace", args=[campaign.slug, someone.pk])).content.decode()
    )
    assert client.post(reverse("campaign_enroll_one", args=[campaign.slug, someone.pk])).status_code == 403

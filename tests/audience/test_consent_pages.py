"""Pages of consent: topics, addresses not to be used, one person's acts, and consent for many at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from audience import consent, topics
from audience.models import ConsentRecord, Suppression, Topic
from kit.models import AuditEntry, User
from tests.factories import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client):
    user = User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER)
    client.force_login(user)
    return user


@pytest.fixture
def news(ada):
    return topics.create("News", description="Twice a month", basis="consent", is_default=True, by=None,
                         now=timezone.now())  # fmt: skip


def said(client, url, **data):
    return client.post(url, data, follow=True).content.decode()


# ---- topics ----


def test_topics_are_made_changed_retired_and_brought_back(client, ada):
    said(client, reverse("topic_new"), label="News & offers", basis="consent", is_default="on")
    said(client, reverse("topic_new"), label="Service", basis="interest", description="About your sensors")
    news, service = Topic.objects.order_by("label")
    assert (news.slug, news.is_default, service.basis) == ("news-offers", True, "interest")
    assert "About your sensors" in client.get(reverse("topics")).content.decode()
    said(client, reverse("topic_edit", args=[service.slug]), label="Your sensors", basis="interest")
    said(client, reverse("topic_retire", args=[service.slug]))
    service.refresh_from_db()
    assert service.label == "Your sensors" and service.retired_at and list(consent.offered()) == [news]
    said(client, reverse("topic_retire", args=[service.slug]))
    assert consent.offered().count() == 2
    assert AuditEntry.objects.filter(action__startswith="topic.").count() == 5


def test_there_is_always_one_topic_that_is_used_unless_another_is_chosen(client, news):
    page = said(client, reverse("topic_edit", args=[news.slug]), label="News", basis="consent")
    assert "Make that one so instead" in page
    assert "Make another so first" in said(client, reverse("topic_retire", args=[news.slug]))
    said(client, reverse("topic_new"), label="News", basis="consent", is_default="on")
    assert Topic.objects.get(is_default=True).slug == "news-2"


# ---- addresses ----


def test_an_address_is_looked_up_added_and_lifted_and_stands_nowhere(client, ada):
    asked = said(client, reverse("suppression_find"), address=" Ida@Example.com ")
    assert "may be used" in asked
    assert "is no email address" in said(client, reverse("suppression_find"), address="nobody")
    said(client, reverse("suppression_add"), address="ida@example.com", reason="asked by letter")
    page = client.get(reverse("suppressions")).content.decode()
    assert "asked by letter" in page and "ida@" not in page.lower()
    assert "asked by letter" in said(client, reverse("suppression_find"), address="ida@example.com")
    [held] = Suppression.objects.all()
    url = reverse("suppression_lift", args=[held.pk])
    assert client.get(url).status_code == 200 and client.post(url, {"because": ""}).status_code == 400
    said(client, url, because="asked to be written to again")
    assert not Suppression.objects.exists()
    assert not any("ida@" in f"{each.target}{each.before}{each.after}".lower() for each in AuditEntry.objects.all())


def test_an_address_without_a_reason_is_not_added(client, ada):
    answer = client.post(reverse("suppression_add"), {"address": "ida@example.com", "reason": ""})
    assert answer.status_code == 400 and not Suppression.objects.exists()


# ---- one person ----


def test_what_a_person_said_is_recorded_shown_and_taken_back(client, ada, news):
    ida = person(email="ida@example.com")
    url = reverse("person_consent", args=[ida.pk])
    assert client.get(url).status_code == 200
    yesterday = timezone.localtime(timezone.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    page = said(client, url, given="yes", topic=news.pk, basis="consent", source="call", occurred_at=yesterday,
                wording="May we send you news? — Yes")  # fmt: skip
    assert "may be written to" in page and "May we send you news?" in page and "call" in page
    act = ConsentRecord.objects.get()
    assert (act.by, act.given, act.basis) == (ada, True, "consent")
    page = said(client, reverse("consent_take_back", args=[act.pk]))
    assert "taken back" in page and "has not agreed" in page
    assert consent.verdict(ida, topic=news, at=timezone.now()) == "no consent"


def test_a_withdrawal_by_letter_is_recorded(client, news):
    ida = person(email="ida@example.com")
    page = said(client, reverse("person_consent", args=[ida.pk]), given="no", topic="", source="letter",
                occurred_at="2024-01-05T10:00")  # fmt: skip
    assert "wants no more of it" in page
    assert ConsentRecord.objects.get().topic is None


def test_nothing_is_recorded_that_has_not_been_said_yet(client, news):
    ida = person(email="ida@example.com")
    url = reverse("person_consent", args=[ida.pk])
    for wrong in ({"occurred_at": "2199-01-01T00:00"}, {"source": ""}, {"topic": "77"}, {"basis": "objection"}):
        told = {
            "given": "yes",
            "topic": news.pk,
            "basis": "consent",
            "source": "call",
            "occurred_at": "2024-01-01T00:00",
        }
        assert client.post(url, told | wrong).status_code == 400
    assert not ConsentRecord.objects.exists()


def test_the_page_of_an_erased_person_says_nothing_of_consent(client, news):
    gone = person(erased_at=timezone.now())
    assert 'id="consent"' not in client.get(reverse("person", args=[gone.pk])).content.decode()


# ---- many at once ----


def test_consent_is_recorded_for_many_and_taken_back(client, news):
    people = [person(email=f"p{number}@example.com") for number in range(3)]
    data = {"action": "consent", "id": [each.pk for each in people[:2]], "consent-topic": "news",
            "consent-basis": "consent", "consent-source": "fair in March", "consent-wording": "Yes, write to me"}  # fmt: skip
    page = client.post(reverse("people"), data, follow=True)
    text = page.content.decode()
    assert "recorded for 2" in text
    now = timezone.now()
    assert [consent.verdict(each, topic=news, at=now) for each in people] == [None, None, "no consent"]
    client.post("/undo/?mark=" + text.split('action="/undo/?mark=')[1].split('"')[0])
    assert [consent.verdict(each, topic=news, at=timezone.now()) for each in people] == ["no consent"] * 3
    assert ConsentRecord.objects.count() == 4


@pytest.mark.parametrize(
    "wrong",
    [{"consent-topic": "x"}, {"consent-basis": "objection"}, {"consent-source": ""}, {"consent-source": "x" * 101}],
)
def test_consent_for_many_says_what_where_and_why(client, news, wrong):
    ida = person(email="ida@example.com")
    data = {"action": "consent", "id": [ida.pk], "consent-topic": "news", "consent-basis": "consent",
            "consent-source": "fair"} | wrong  # fmt: skip
    assert "Nothing was done" in client.post(reverse("people"), data, follow=True).content.decode()
    assert not ConsentRecord.objects.exists()

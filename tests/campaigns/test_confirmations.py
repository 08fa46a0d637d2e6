"""The mail that confirms a form: a service message of the person, by the delivery that there is, without anybody's consent."""

from __future__ import annotations

import re
from email import message_from_bytes, policy

import pytest
from django.test import Client
from django.utils import timezone

from audience.models import ConsentRecord, Person
from audience.subjects import erasure
from campaigns import letters, sending
from campaigns.models import Letter, Message
from kit.models import User
from tests.audience.webforms.making import WORDING, published, send
from tests.campaigns.making import sender

pytestmark = pytest.mark.django_db
EVIL = "<b>Buy</b> http://evil.example"


@pytest.fixture
def asked():
    """Ada has sent a form, and her letter waits."""
    sender()
    send(Client(), published(), email="ada@example.com", first_name=EVIL, topic__news="on", utm_source="evil.example")
    assert (sending.notify(timezone.now()), sending.notify(timezone.now())) == (1, 0)
    return Person.objects.get()


def test_it_leaves_to_the_address_with_a_link_that_works_and_nothing_that_its_sender_typed(asked, client):
    sending.run_all(timezone.now())
    message = Message.objects.get()
    assert (message.state, message.purpose, message.person, message.to_user) == ("sent", "notice", asked, None)
    kept = Letter.objects.get()
    told = message_from_bytes(bytes(kept.raw), policy=policy.default)
    text = told.get_body(("plain",)).get_content()
    assert told["To"] == "ada@example.com" and WORDING in text and "evil" not in text and "Buy" not in text
    assert "List-Unsubscribe" not in told
    client.post(re.search(r"https?://[^/]+(/f/confirm/\S+)", text)[1])
    assert ConsentRecord.objects.get().person == asked


def test_whoever_sees_the_person_sees_it_and_a_salesperson_of_others_does_not(asked, client):
    sending.run_all(timezone.now())
    kept, url = Letter.objects.get(), Message.objects.get().get_absolute_url()
    boss = User.objects.create_user("boss@example.com", role=User.Role.ADMIN)
    for user, may in ((boss, True), (User.objects.create_user("sal@example.com", role=User.Role.SALES), False)):
        client.force_login(user)
        assert (client.get(kept.get_absolute_url()).status_code == 200) == may
        assert (client.get(url).status_code == 200) == may
        assert ("ada@example.com" in client.get("/mailbox/").content.decode()) == may


def test_erased_meanwhile_nothing_leaves(asked):
    erasure.erase(asked, by=None, now=timezone.now())
    sending.run_all(timezone.now())
    assert Message.objects.get().state == "cancelled" and not Letter.objects.exists()


def test_a_notice_without_an_address_or_to_somebody_erased_is_no_message(asked):
    Message.objects.all().delete()
    erasure.erase(asked, by=None, now=timezone.now())
    assert sending.notify(timezone.now()) == 0


def test_a_letter_that_is_already_claimed_goes_to_nobody_once_its_notice_is_emptied(asked):
    message = Message.objects.get()
    message.notice.address = ""
    message.notice.save()
    assert letters.write([message.pk], timezone.now())[message.pk].then == "skip"

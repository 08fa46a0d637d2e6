"""What each reader gets: written through the sandbox, in the sender's name, or the reason why there is none."""

from __future__ import annotations

import uuid
from email import message_from_bytes, policy

import pytest

from campaigns import letters, sending
from campaigns.channels import Outgoing
from campaigns.letters import Unwritten
from campaigns.models import ContentVersion, Letter, Message
from kit.models import Notice, User
from tests.campaigns.mailing import queued, reader, running
from tests.campaigns.making import content, sender
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def letter(message: Message):
    found = letters.write([message.pk], NOW)[message.pk]
    assert isinstance(found, Outgoing), found
    return message_from_bytes(found.raw, policy=policy.default)


def why(message: Message) -> Unwritten:
    found = letters.write([message.pk], NOW)[message.pk]
    assert isinstance(found, Unwritten)
    return found


def wanting(missing: str) -> ContentVersion:
    return content("Wants a city", "<p>In {{ person.city }}</p>", missing=missing).versions.get()


def test_a_letter_is_written_for_its_reader_in_the_senders_name():
    message = queued(running(), reader(email="rea@example.com", first_name="Rea", last_name="Der"))
    told = letter(message)
    assert told["To"] == "Rea Der <rea@example.com>" and "ada@marlowcreek.example" in told["From"]
    assert "Hello Rea" in told.get_body(("html",)).get_content()
    assert message.pk.hex in told["Message-ID"]
    assert told["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click" and "/u/" in told["List-Unsubscribe"]


def test_two_hundred_take_as_many_queries_as_one(django_assert_num_queries):
    version = running()
    some = [queued(version).pk for _ in range(20)]
    letters.write(some[:1], NOW)
    with django_assert_num_queries(6):  # messages, what they share (three), people, settings
        assert len(letters.write(some, NOW)) == 20


@pytest.mark.parametrize("missing, then", [("skip", "skip"), ("fail", "fail")])
def test_a_missing_value_does_what_the_content_wants(missing, then):
    found = why(queued(running(), content_version=wanting(missing)))
    assert found.then == then and "person.city" in found.reason


def test_a_missing_value_may_leave_its_place_empty():
    assert "In" in letter(queued(running(), content_version=wanting("default"))).get_body(("html",)).get_content()


def test_a_test_comes_whatever_is_missing_to_the_user_who_asked():
    sender()
    ada = User.objects.create_user("ada@example.com", name="Ada")
    message = sending.test(wanting("skip"), to=ada, person=reader(), now=NOW)
    assert letter(message)["To"] == "Ada <ada@example.com>"


def test_without_a_sender_it_cannot_be_written():
    message = queued(running())
    message.campaign.sender = None
    message.campaign.save()
    assert why(message) == Unwritten("It has no sender.", "strike")


def test_an_address_that_no_mail_can_go_to_is_passed_over():
    found = why(queued(running(), reader(email="a..b@example.com")))
    assert found.then == "skip" and "a..b@example.com" in found.reason


def test_a_notice_comes_with_its_words_and_nothing_of_it_is_markup():
    sender()
    ada = User.objects.create_user("ada@example.com")
    Notice.objects.create(user=ada, kind="x", title="A <b>title", body="One\nTwo", link="/outbox/", created_at=NOW)
    sending.notify(NOW)
    told = letter(Message.objects.get())
    html = told.get_body(("html",)).get_content()
    assert "A &lt;b&gt;title" in html and "<p>Two</p>" in html and "/outbox/" in told.get_body(("plain",)).get_content()


def test_where_links_lead_is_kept_when_it_is_each_readers_own():
    version = ContentVersion(
        content=content("Linked"), number=2, subject="x", source="", html="", text="",
        links=["https://a.example/{{ person.first_name }}"], created_at=NOW,
    )  # fmt: skip
    version.save()
    message = queued(running(), reader(first_name="Rea"), content_version=version)
    assert sending.run_all(NOW) == 1
    message.refresh_from_db()
    assert message.state == "sent"
    assert message.links == ["https://a.example/Rea"]


def test_it_arrives_from_end_to_end():
    message = queued(running(), reader(first_name="Rea"))
    assert sending.run_all(NOW) == 1
    assert Letter.objects.get().message_id == message.pk
    assert uuid.UUID(hex=message_from_bytes(bytes(Letter.objects.get().raw))["Message-ID"][1:33]) == message.pk


def test_the_envelope_carries_domains_beyond_ascii_as_the_wire_wants_them():
    message = queued(running())
    Message.objects.filter(pk=message.pk).update(sender=sender(address="ada@bücher.example", is_default=False))
    found = letters.write([message.pk], NOW)[message.pk]
    assert isinstance(found, Outgoing) and found.envelope_from == "ada@xn--bcher-kva.example"

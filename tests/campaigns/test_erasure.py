"""What is left of an erased person in campaigns: nothing by which they could be known, in any table."""

from __future__ import annotations

import pytest

from audience.subjects import erasure
from campaigns import channels, sending
from campaigns.channels import Outcome
from campaigns.models import Letter, Message, MessageAttempt
from kit.sql import Sql, name, rows, sql, value
from tests.campaigns.mailing import Scripted, queued, reader, running
from tests.campaigns.making import content
from tests.factories import NOW

pytestmark = pytest.mark.django_db
ADDRESS = "rea.the.reader@example.com"


def tables_that_know(text: str) -> list[str]:
    """Those with it in any column, bytes included."""
    tables = [row[0] for row in rows(Sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))]
    found = "SELECT EXISTS (SELECT FROM {} t WHERE lower(t::text) LIKE ANY ({}::text[]))"
    patterns = [f"%{text}%", f"%{text.encode().hex()}%"]
    return [each for each in tables if value(sql(found, name(each), patterns))]


def test_no_table_knows_an_address_once_its_person_is_erased(monkeypatch):
    def answer(letter: channels.Outgoing) -> Outcome:
        words = f"<{letter.recipient.upper()}>: greylisted, try later"
        return Outcome(letter.id, channels.DEFERRED, "recipient", 450, "4.7.1", words)

    ada = reader(email=ADDRESS, first_name="Rea")
    version = running()
    queued(version, ada)
    sending.run_all(NOW)
    assert Letter.objects.get().recipient == ADDRESS
    Scripted(answer).installed(monkeypatch)
    refused = queued(version, ada, visit=2)
    sending.run_all(NOW)
    refused.refresh_from_db()
    assert "…@example.com" in refused.reason and "greylisted" in refused.reason
    erasure.erase(ada, by=None, now=NOW)
    assert tables_that_know(ADDRESS) == []


def test_what_servers_say_holds_no_address_even_before_that(monkeypatch):
    """For attempts are a ledger, and what pauses a domain or the channel is of no one person."""
    policy = Outcome(
        queued(running(), reader(email=ADDRESS)).pk,
        channels.POLICY,
        "recipient",
        550,
        "5.7.1",
        f"{ADDRESS} is not for you",
    )
    Scripted(lambda letter: policy).installed(monkeypatch)
    sending.run_all(NOW)
    assert MessageAttempt.objects.get().reply == "…@example.com is not for you"
    assert set(tables_that_know(ADDRESS)) <= {"audience_person", "audience_fieldchange", "audience_identity"}


def test_a_letter_whose_reader_was_erased_has_pages_that_say_so(admin_client):
    content("Other")
    message = queued(running(), reader(email=ADDRESS))
    sending.run_all(NOW)
    erasure.erase(message.person, by=None, now=NOW)
    letter = Letter.objects.get()
    for show in ("", "?show=html", "?show=text", "?show=source"):
        page = admin_client.get(f"/mailbox/{letter.pk}/{show}").content.decode()
        assert "was erased" in page and ADDRESS not in page
    assert admin_client.get(f"/mailbox/{letter.pk}/body/").status_code == 404
    assert admin_client.get("/mailbox/").status_code == 200
    assert admin_client.get(f"/outbox/{Message.objects.get().pk}/").status_code == 200

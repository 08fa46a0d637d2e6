"""Pages of what leaves: what happened to a message, the mailbox, how mail leaves, and which copy is live."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from campaigns import channels, plans, sending
from campaigns.models import ChannelSetting, DomainPause, Letter, Message, Response
from faults import sink
from kit import installation, instance, secrets
from kit.models import AuditEntry, User
from tests.campaigns.mailing import email, plainly, queued, reader, running
from tests.campaigns.making import content, sender
from tests.campaigns.test_sending import WAYS, held, walked
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.com", "x", role=User.Role.ADMIN, name="Ada")


@pytest.fixture
def page(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def text(answer) -> str:
    return answer.content.decode()


# ---- the outbox ----


def test_the_outbox_lists_every_message_with_its_state_and_reason(page):
    version = running()
    queued(version, reader(first_name="Rea", last_name="Der"))
    Message.objects.update(state="suppressed", reason="no consent")
    shown = text(page.get(reverse("outbox")))
    assert "Rea Der" in shown and "Held back: not wanted" in shown and "has not agreed" in shown


def test_the_outbox_costs_the_same_for_one_row_and_for_fifty_and_goes_on_behind_them(
    page, django_assert_max_num_queries
):
    version = running()
    for _ in range(60):
        queued(version)
    page.get(reverse("outbox"))
    with django_assert_max_num_queries(14):
        first = page.get(reverse("outbox"))
    after = first.context["after_view"]
    assert "of 60" in text(first) or after
    assert len(page.get(after).context["page"].rows) == 10


@pytest.mark.parametrize("asked, number", [
    ("state=sent", 1), ("open=yes", 1), ("campaign=nurture", 2), ("campaign=other", 0), ("purpose=test", 0),
    ("q=rea1", 0), ("version=1&step=nothing", 0),
])  # fmt: skip
def test_the_outbox_is_filtered(page, asked, number):
    version = running()
    running("Other")
    queued(version), walked(queued(version), WAYS["sent"])
    assert len(page.get(f"{reverse('outbox')}?{asked}").context["page"].rows) == number


def test_a_message_tells_its_story_from_being_written_down_to_its_readers_click(page):
    message = queued(running(), content_version=content("Linked", links=["https://a.example/x"]).versions.get())
    sending.run_all(NOW, write=plainly)
    Response.objects.create(message=message, kind="clicked", actor="human", link=0, at=NOW)
    shown = text(page.get(message.get_absolute_url()))
    for words in ("Written down by the campaign", "Attempt 1: taken by the other side", "250 2.0.0 taken by the mailbox",
                  "Clicked", "https://a.example/x", "Its letter", str(message.pk)):  # fmt: skip
        assert words in shown, words


def test_what_a_machine_did_with_a_message_is_not_told_as_its_readers_doing(page):
    message = walked(queued(running()), WAYS["sent"])
    for actor in ("human", "bot"):
        Response.objects.create(message=message, kind="opened", actor=actor, at=NOW)
    titles = [each.title for each in page.get(message.get_absolute_url()).context["happened"]]
    assert "Opened" in titles and "Opened by a machine, not its reader: bot" in titles


@pytest.mark.parametrize("state", WAYS)
def test_every_state_of_a_message_has_a_page(page, state):
    message = walked(queued(running(), reason="because"), WAYS[state])
    assert str(message.get_state_display()) in text(page.get(message.get_absolute_url())).lower()


def test_what_is_perhaps_sent_can_be_sent_again_from_its_page_once(page, ada):
    message = held(queued(running()), "sending")
    sending.sweep(NOW)
    assert "even if it arrives twice" in text(page.get(message.get_absolute_url()))
    again = reverse("message_resend", args=[message.pk])
    assert "waits to be sent once more" in text(page.post(again, follow=True))
    assert "is not (any more)" in text(page.post(again, follow=True))
    assert AuditEntry.objects.get(action="message.resend").user == ada


def test_tests_and_notices_have_pages_too(page, ada):
    sender()
    message = sending.test(content().versions.get(), to=ada, person=None, now=NOW)
    assert "Asked for as a test" in text(page.get(message.get_absolute_url()))
    assert "Ada" in text(page.get(reverse("outbox")))


# ---- the mailbox ----


def arrived() -> Letter:
    version = running()
    source = '<p>Hello</p><script>alert(1)</script><a href="{{ x }}">x</a>'
    made = content("Arrives", "<p>Hello <b>Rea</b></p>", source=source)
    queued(version, reader(email="rea@example.com"), content_version=made.versions.get())
    assert sending.run_all(NOW) == 1
    return Letter.objects.get()


def test_letters_are_listed_and_found(page):
    arrived()
    assert "rea@example.com" in text(page.get(reverse("mailbox")))
    assert page.get(f"{reverse('mailbox')}?q=arrives").context["page"].rows
    assert not page.get(f"{reverse('mailbox')}?q=nothing").context["page"].rows


@pytest.mark.parametrize(
    "show, words", [("html", "letter__frame"), ("text", "Hello"), ("source", "List-Unsubscribe-Post")]
)
def test_a_letter_is_shown_as_it_looks_as_text_and_as_source(page, show, words):
    assert words in text(page.get(f"{arrived().get_absolute_url()}?show={show}"))


def test_a_letter_leads_to_its_reader(page):
    letter = arrived()
    whom = Message.objects.get(pk=letter.message_id).person
    assert f'href="{whom.get_absolute_url()}"' in text(page.get(letter.get_absolute_url()))


def test_mail_to_other_users_is_said_to_be_hidden_and_nothing_of_owners(page):
    shown = text(page.get(reverse("mailbox")))
    assert "Mail to other users" in shown and "your team own" not in shown


def test_a_letter_tells_when_it_arrived_in_the_readers_own_time(page):
    letter = arrived()
    shown = text(page.get(letter.get_absolute_url()))
    assert "Arrived" in shown and "+0000" not in shown


def test_a_test_of_content_leads_to_the_mailbox_where_it_arrives_while_mail_stays_here(page):
    sender()
    answer = page.post(reverse("content_test", args=[content().slug]), follow=True)
    assert f'<a href="{reverse("mailbox")}">Read it in the mailbox</a>' in text(answer)
    ChannelSetting.objects.update(provider="smtp")
    answer = page.post(reverse("content_test", args=[content("Other").slug]), follow=True)
    assert "is on its way to" in text(answer) and "Read it in the mailbox" not in text(answer)


def test_the_body_of_a_letter_runs_nothing_and_shows_only_in_our_frame(page):
    answer = page.get(reverse("letter_body", args=[arrived().pk]))
    assert "<b>Rea</b>" in text(answer) and '<base target="_blank">' in text(answer)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "sandbox" in policy and "script" not in policy
    assert answer["X-Frame-Options"] == "SAMEORIGIN"


def test_a_letter_without_html_is_shown_as_text(page):
    raw = b"From: a@b.c\r\nSubject: Plain\r\nContent-Type: text/plain\r\n\r\nOnly words\r\n"
    letter = Letter.objects.create(
        message_id="0" * 32, sender="a", recipient="b", subject="Plain", raw=raw, received_at=NOW
    )
    assert "Only words" in text(page.get(letter.get_absolute_url()))
    assert page.get(reverse("letter_body", args=[letter.pk])).status_code == 404


# ---- how mail leaves ----

SERVER = {
    "provider": "smtp", "host": "smtp.example.com", "port": "587", "security": "starttls", "user": "ada",
    "password": "correct horse", "batch": "25",
}  # fmt: skip


def keep(page: Client, **changed: str):
    return page.post(reverse("channel"), SERVER | changed)


def test_a_server_is_kept_with_its_password_encrypted_and_never_shown(page):
    assert keep(page).status_code == 302
    setting = ChannelSetting.objects.get()
    assert setting.settings == {
        "host": "smtp.example.com", "port": 587, "security": "starttls", "user": "ada", "connections": 4,
    }  # fmt: skip
    assert "horse" not in setting.secret and secrets.opened(setting.secret) == "correct horse"
    assert "horse" not in text(page.get(reverse("channel")))
    entry = AuditEntry.objects.get(action="channel.change")
    assert "horse" not in str(entry.after) and entry.after["password"] is True


def test_an_empty_password_keeps_the_one_there_is_but_not_for_another_server(page):
    keep(page)
    assert keep(page, password="", batch="10").status_code == 302
    setting = ChannelSetting.objects.get()
    assert secrets.opened(setting.secret) == "correct horse" and setting.batch == 10
    for changed in ({"host": "evil.example.com"}, {"port": "2525"}, {"user": "bob"}, {"security": "tls"}):
        refused = keep(page, password="", **changed)
        assert refused.status_code == 400 and "Write the password again" in text(refused)
    assert keep(page, password="", user="").status_code == 302
    assert ChannelSetting.objects.get().secret == "", "without a name none is kept"


@pytest.mark.parametrize("changed, words", [
    ({"host": ""}, "Name the server"), ({"host": "a b"}, "no name of a server"),
    ({"port": "70000"}, ""), ({"security": "none"}, "only sent over an encrypted connection"),
    ({"password": ""}, "Write the password"), ({"batch": "0"}, ""), ({"provider": "pigeon"}, ""),
])  # fmt: skip
def test_settings_that_cannot_work_are_refused_in_words(page, changed, words):
    refused = keep(page, **changed)
    assert refused.status_code == 400 and words in text(refused)
    assert ChannelSetting.objects.get().provider == "mailbox"


def test_only_an_administrator_changes_how_mail_leaves(client):
    client.force_login(User.objects.create_user("m@example.com", "x", role=User.Role.MARKETER))
    shown = text(client.get(reverse("channel")))
    assert "An administrator can change this" in shown and 'name="host"' not in shown
    assert keep(client).status_code == 403


def test_trying_it_says_what_was_found(page):
    assert "the mailbox is always there" in text(page.post(reverse("channel_try"), follow=True))
    with sink.running() as server:
        email(provider="smtp", settings={"host": "127.0.0.1", "port": server.port, "security": "none"})
        assert f"127.0.0.1:{server.port} lets us in. The connection is not encrypted." in text(
            page.post(reverse("channel_try"), follow=True)
        )
    assert "It does not work: 127.0.0.1" in text(page.post(reverse("channel_try"), follow=True))


def test_what_a_try_finds_well_lets_a_channel_go_on_that_paused_by_itself(page):
    setting = email()
    channels.pause(setting, "trouble", retry_at=NOW, now=NOW)
    page.post(reverse("channel_try"))
    assert email().paused_at is None
    channels.pause(setting, "by hand", retry_at=None, now=NOW)
    page.post(reverse("channel_try"))
    assert email().paused_at == NOW, "by hand stays by hand"


def test_somebody_pauses_the_channel_and_lets_it_go_on(page, ada):
    page.post(reverse("channel_pause"))
    shown = text(page.get(reverse("channel")))
    assert "It stands still since" in shown and "Paused by Ada" in shown
    assert "Mail stands still" in text(page.get(reverse("home")))
    page.post(reverse("channel_resume"))
    assert email().paused_at is None
    assert [entry.user for entry in AuditEntry.objects.order_by("pk")] == [ada, ada]


def test_a_cap_is_set_and_taken_away(page):
    page.post(reverse("frequency_cap"), {"messages": "3", "days": "7"})
    assert installation.get("frequency_cap") == {"messages": 3, "days": 7}
    assert page.post(reverse("frequency_cap"), {"messages": "3"}).status_code == 400
    page.post(reverse("frequency_cap"), {"messages": "", "days": "7"})
    assert installation.get("frequency_cap") == {}


def test_a_domain_that_refused_us_is_shown_and_tried_again(page):
    pause = DomainPause.objects.create(
        channel="email", domain="strict.example", because="550 5.7.1 No", since=NOW, until="2199-01-01T00:00Z"
    )
    assert "550 5.7.1 No" in text(page.get(reverse("channel")))
    page.post(reverse("channel_domain", args=[pause.pk]))
    assert not DomainPause.objects.exists()


# ---- the live copy ----


def test_a_copy_asks_before_it_sends(page, settings):
    assert "This copy is the live one" in text(page.get(reverse("instance")))
    settings.INSTALLATION_ID = "the copy"
    for name in ("instance", "channel", "home", "outbox", "jobs"):
        assert reverse("instance") in text(page.get(reverse(name))) or name == "instance", name
    assert "say first that no other copy sends" in text(page.post(reverse("instance"), follow=True))
    assert not instance.is_live()
    page.post(reverse("instance"), {"sure": "yes"})
    assert instance.is_live()


# ---- whether anything is lost ----


def test_the_figures_of_a_campaign_are_shown_and_lead_to_their_messages(page):
    version = running()
    message = queued(version)
    sending.run_all(NOW, write=plainly)
    answer = page.get(reverse("campaign_integrity", args=["nurture"]))
    [(number, rows)] = answer.context["versions"]
    assert number == 1 and rows[0]["row"].sent == 1
    url = next(each["url"] for each in rows[0]["outcomes"] if each["number"] == 1)
    assert [row.pk for row in page.get(url).context["page"].rows] == [message.pk]


def test_home_tells_of_a_campaign_that_has_paused_by_itself_until_it_goes_on(page):
    campaign = running().campaign
    assert "“Nurture” stands still" not in text(page.get("/"))
    plans.pause(campaign, because="6 of its first 10 addresses do not exist.", by=None, now=NOW)
    shown = text(page.get("/"))
    assert "“Nurture” stands still." in shown and "6 of its first 10" in shown
    plans.resume(campaign, by=None, now=NOW)
    assert "“Nurture” stands still" not in text(page.get("/"))

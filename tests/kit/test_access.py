"""Who gets in: signing in, links to a password, invitations, and the administrator who always stays."""

from __future__ import annotations

import json
import re
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.utils import timezone

from campaigns import letters, sending
from campaigns.models import Letter, Message
from kit import access, installation, links, notices, signing_in, throttle
from kit.access import Refused
from kit.models import Attempts, AuditEntry, Notice, User
from tests.campaigns import making

pytestmark = pytest.mark.django_db
NOW = datetime(2025, 6, 15, 10, tzinfo=UTC)
PASSWORD, OTHER = "nine lives and a hat", "another hat with nine lives"
Role = User.Role


def user(email="ada@example.com", password=PASSWORD, role=Role.MARKETER, **values):
    return User.objects.create_user(email, password, role=role, **values)


def sign_in(client, email="ada@example.com", password=PASSWORD, **more):
    return client.post("/sign-in/", {"username": email, "password": password, **more})


def words(answer):
    return re.sub(r"\s+", " ", answer.content.decode())


def path(link):
    return urlsplit(link).path


def choose(client, link, password=OTHER, again=None):
    """Follow a link and choose a password; the last answer."""
    opened = client.get(path(link))
    if opened.status_code != 302:
        return opened
    return client.post(opened["Location"], {"new_password1": password, "new_password2": again or password})


def may_open(client):
    return client.get("/work/").status_code == 200


def trail():
    return list(AuditEntry.objects.order_by("pk").values_list("action", "actor", "target"))


# ---- signing in ----


def test_signing_in_and_out_and_failing_to_is_in_the_trail_with_its_address(client):
    ada = user()
    sign_in(client, password="wrong")
    sign_in(client, email="nobody@example.com")
    client.post("/sign-in/", {"username": ada.email, "password": PASSWORD}, headers={"user-agent": "Firefox 140"})
    client.post("/sign-out/")
    assert trail() == [
        ("user.sign_in_failed", "visitor", "ada@example.com"),
        ("user.sign_in_failed", "visitor", "–"),
        ("user.sign_in", "ada@example.com", "ada@example.com"),
        ("user.sign_out", "ada@example.com", "ada@example.com"),
    ]
    entry = AuditEntry.objects.get(action="user.sign_in")
    assert entry.user == ada and entry.after == {"address": "127.0.0.1", "browser": "Firefox 140"}


def test_whoever_guesses_waits_and_is_told_how_long_even_with_the_right_password(client):
    user()
    for _ in range(5):
        assert sign_in(client, password="wrong").status_code == 200
    answer = sign_in(client)
    assert answer.status_code == 429 and 1 <= int(answer["Retry-After"]) <= 30
    assert "Too many attempts. Wait" in words(answer) and not may_open(client)


def test_the_one_whose_account_is_guessed_at_signs_in_from_elsewhere_at_once(client):
    user()
    for _ in range(9):
        sign_in(Client(REMOTE_ADDR="203.0.113.66"), password="wrong")
    assert sign_in(client).status_code == 302 and may_open(client)


def attempt(email, password=PASSWORD, near="203.0.113.66"):
    """Whether a sign-in was good, all of them at one moment; None when it had to wait."""
    request = RequestFactory().post("/sign-in/", REMOTE_ADDR=near)
    try:
        return signing_in.attempt(request, email, password, now=NOW) is not None
    except throttle.TooOften:
        return None


def test_an_address_that_tries_many_accounts_waits_for_each_of_them():
    user()
    assert [attempt(f"u{number}@example.com") for number in range(30)] == [False] * 30
    assert attempt("ada@example.com") is None and attempt("ada@example.com", near="203.0.113.67")


def test_signing_in_with_an_account_of_ones_own_in_between_buys_no_more_guesses():
    user("eve@example.com")
    told = []
    for number in range(40):
        attempt("eve@example.com")
        told.append(attempt(f"u{number}@example.com"))
    assert told == [False] * 30 + [None] * 10


def test_success_clears_the_pair(client):
    user()
    for _ in range(4):
        sign_in(client, password="wrong")
    assert sign_in(client).status_code == 302
    client.post("/sign-out/")
    assert [sign_in(client, password="wrong").status_code for _ in range(5)] == [200] * 5


def test_a_header_that_the_visitor_wrote_is_no_other_address(client, settings):
    user()
    for number in range(5):
        client.post(
            "/sign-in/",
            {"username": "ada@example.com", "password": "x"},
            headers={"X-Forwarded-For": f"198.51.100.{number}"},
        )
    assert sign_in(client).status_code == 429
    settings.TRUSTED_PROXIES = 1
    answer = client.post(
        "/sign-in/", {"username": "ada@example.com", "password": PASSWORD}, headers={"X-Forwarded-For": "198.51.100.77"}
    )
    assert answer.status_code == 302


@pytest.mark.parametrize(
    "email", ["nobody@example.com", "closed@example.com", "invited@example.com", "ada@example.com"]
)
def test_whoever_cannot_sign_in_is_answered_alike_and_after_the_same_work(client, email, django_assert_num_queries):
    user()
    user("closed@example.com", is_active=False)
    user("invited@example.com", None)
    with django_assert_num_queries(8):
        answer = sign_in(client, email=email, password=PASSWORD if email != "ada@example.com" else "wrong")
    assert "do not belong together" in words(answer) and answer.status_code == 200
    assert Attempts.objects.count() == 2


def test_an_email_is_the_same_in_capitals_and_with_letters_that_fold_into_it(client):
    user("kit@bücher.example".replace("ü", "u"))
    assert sign_in(client, email=" KIT@Bucher.Example ").status_code == 302
    user("ada@xn--bcher-kva.example")
    assert sign_in(Client(), email="Ada@BÜCHER.example").status_code == 302


def test_a_session_is_another_after_signing_in_and_the_planted_one_is_worth_nothing(client):
    user()
    client.get("/sign-in/")
    client.session["planted"] = 1
    session = client.session
    session.save()
    client.cookies["sessionid"] = planted = session.session_key
    sign_in(client)
    assert client.cookies["sessionid"].value != planted
    thief = Client()
    thief.cookies["sessionid"] = planted
    assert not may_open(thief)


def test_when_nobody_can_sign_in_yet_the_page_says_what_to_do(client):
    assert "first_administrator" in words(client.get("/sign-in/"))
    user()
    assert "first_administrator" not in words(client.get("/sign-in/"))


# ---- the first administrator ----


def first(*arguments):
    from io import StringIO

    told = StringIO()
    call_command("first_administrator", *arguments, stdout=told)
    return told.getvalue()


def test_the_first_administrator_chooses_a_password_by_a_printed_link_for_one_use(client):
    installation.put("address", "https://perennial.example.com")
    printed = first("Ada@Example.com", "--name", "Ada Lind")
    link = re.search(r"https://perennial\.example\.com/choose-password/\S+", printed)[0]
    ada = User.objects.get()
    assert (ada.email, ada.name, ada.role, ada.has_usable_password()) == ("ada@example.com", "Ada Lind", "admin", False)
    assert choose(client, link)["Location"] == "/sign-in/"
    assert sign_in(client, password=OTHER).status_code == 302 and client.get("/operations/settings/").status_code == 200
    assert choose(Client(), link).status_code == 400


def test_asked_again_it_gives_a_new_link_and_the_older_one_is_over(client):
    older = json.loads(first("ada@example.com", "--json"))["link"]
    newer = json.loads(first("ada@example.com", "--json"))["link"]
    assert choose(client, older).status_code == 400 and choose(client, newer).status_code == 302
    assert User.objects.count() == 1


def test_where_somebody_administers_nobody_is_made_so_by_a_command():
    user("boss@example.com", role=Role.ADMIN)
    with pytest.raises(CommandError, match="There is an administrator already"):
        first("eve@example.com")
    with pytest.raises(CommandError, match="no email address"):
        first("not an email")
    assert User.objects.count() == 1


def test_preparing_a_server_tells_how_to_make_the_first_administrator_and_makes_no_user(capsys, settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    call_command("prepare")
    assert "manage.py first_administrator EMAIL" in capsys.readouterr().out
    assert not User.objects.exists()


def test_whoever_runs_the_server_gives_a_link_to_a_user_who_gets_no_mail(client, capsys):
    user()
    call_command("password_link", "ADA@example.com", "--json")
    assert choose(client, json.loads(capsys.readouterr().out)["link"]).status_code == 302
    with pytest.raises(CommandError, match="Nobody here signs in as eve"):
        call_command("password_link", "eve@example.com")


# ---- links ----


def test_a_forgotten_password_is_chosen_anew_by_mail_and_the_trail_tells_each_step(client):
    ada = user()
    client.post("/forgotten-password/", {"email": " ADA@example.com"})
    notice = Notice.objects.get()
    assert notice.user == ada and "within 2 hours" in notice.body and "was not you" in notice.body
    assert choose(client, notices.mail_of(notice, timezone.now()).link)["Location"] == "/sign-in/"
    assert sign_in(client, password=PASSWORD).status_code == 200 and sign_in(client, password=OTHER).status_code == 302
    assert [action for action, _by, _what in trail()] == [
        "user.ask_link", "user.password_set", "user.sign_in_failed", "user.sign_in",
    ]  # fmt: skip
    assert Notice.objects.order_by("pk").last().title == "Your password was changed"


@pytest.mark.parametrize(
    "email", ["ada@example.com", "nobody@example.com", "closed@example.com", "no email", "ada@exаmple.com"]
)
def test_whether_somebody_is_here_is_told_to_nobody_who_asks_for_a_link(client, email):
    user()
    user("closed@example.com", is_active=False)
    answer = client.post("/forgotten-password/", {"email": email})
    assert answer.status_code == 302
    shown = words(client.get(answer["Location"]))
    assert "If somebody with this email has access here" in shown and email not in shown
    assert Notice.objects.count() == (email == "ada@example.com")


def test_the_mail_goes_to_the_address_that_is_kept_never_to_the_one_that_was_typed(client):
    """Letters that look or fold alike must not have somebody else's link sent to them."""
    user("kit@example.com")
    for typed in (
        "\u212ait@example.com",
        "k\u0131t@example.com",
        "kit@ex\u0430mple.com",
    ):  # Kelvin, dotless i, Cyrillic a
        client.post("/forgotten-password/", {"email": typed})
    assert not Notice.objects.exists()


def test_asking_again_and_again_sends_three_mails_and_then_says_the_same(client):
    user()
    for number in range(8):
        answer = Client(REMOTE_ADDR=f"203.0.113.{number}").post("/forgotten-password/", {"email": "ada@example.com"})
        assert answer.status_code == 302
    assert Notice.objects.count() == 3


def test_an_address_that_asks_for_many_waits(client):
    told = [client.post("/forgotten-password/", {"email": f"u{n}@example.com"}).status_code for n in range(11)]
    assert told == [302] * 10 + [429]


def test_a_link_begins_with_the_configured_address_whatever_host_was_asked(client):
    installation.put("address", "https://perennial.example.com")
    user()
    client.post("/forgotten-password/", {"email": "ada@example.com"}, headers={"host": "evil.example"})
    assert notices.mail_of(Notice.objects.get(), timezone.now()).link.startswith(
        "https://perennial.example.com/choose-password/"
    )


def test_no_row_keeps_a_link(client):
    user()
    client.post("/forgotten-password/", {"email": "ada@example.com"})
    notice = Notice.objects.get()
    token = notices.mail_of(notice, timezone.now()).link.rstrip("/").rsplit("/", 1)[1]
    assert notice.link == "" and token not in notice.body + json.dumps(
        list(AuditEntry.objects.values("before", "after"))
    )


def test_a_link_is_good_once(client):
    link = links.password(user())
    assert choose(client, link).status_code == 302
    assert choose(client, link).status_code == 400 and "good no more" in words(client.get(path(link)))


def test_of_two_who_opened_the_same_link_one_chooses(client):
    link, other = links.password(user()), Client()
    forms = [each.get(path(link))["Location"] for each in (client, other)]
    chosen = {"new_password1": OTHER, "new_password2": OTHER}
    assert client.post(forms[0], chosen)["Location"] == "/sign-in/"
    assert other.post(forms[1], {"new_password1": PASSWORD, "new_password2": PASSWORD}).status_code == 400
    assert User.objects.get().check_password(OTHER)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_choose_by_the_same_link_at_the_same_moment_one_does():
    ada = user()
    token = links.generator.make_token(ada)
    chosen, start = [], threading.Barrier(2)

    def one(password):
        start.wait()
        try:
            access.choose_password(ada, token, password, address="", now=timezone.now())
            chosen.append(password)
        except Refused:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(password,)) for password in (PASSWORD + "!", OTHER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(chosen) == 1 and User.objects.get().check_password(chosen[0])


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda ada: access.close(ada, by=None, now=NOW),
        lambda ada: access.sign_out_everywhere(ada, by=None, now=NOW),
        lambda ada: access.change(ada, {"role": Role.VIEWER}, by=None, now=NOW),
        lambda ada: access.change_password(ada, OTHER, now=NOW),
        lambda ada: (access.close(ada, by=None, now=NOW), access.reopen(ada, by=None, now=NOW)),
        lambda ada: User.objects.update(email="lovelace@example.com"),
        lambda ada: User.objects.update(last_login=NOW),
    ],
)
def test_a_link_is_over_when_something_of_its_user_changed(client, meanwhile):
    ada = user()
    link = links.password(ada)
    meanwhile(ada)
    assert choose(client, link).status_code == 400


def test_a_link_has_its_time(client, settings, monkeypatch):
    """Two hours for whoever has a password, seven days for whoever is invited."""
    ada, bob = links.password(user()), links.password(user("bob@example.com", None))
    begun = links.generator._now()
    for hours, good in ((1.9, [True, True]), (2.1, [False, True]), (167, [False, True]), (169, [False, False])):
        monkeypatch.setattr(links.Generator, "_now", lambda self, hours=hours: begun + timedelta(hours=hours))
        told = [Client().get(path(link)).status_code == 302 for link in (ada, bob)]
        assert told == good, hours


def test_a_link_of_one_user_is_none_for_another(client):
    ada, eve = user(), user("eve@example.com")
    theirs, ours = path(links.password(eve)).split("/"), path(links.password(ada)).split("/")
    assert client.get("/".join([*theirs[:2], ours[2], *theirs[3:]])).status_code == 400


def test_trying_many_links_that_are_none_slows_down(client):
    user()
    told = [client.get(f"/choose-password/MQ/c0ffee-{n:032x}/").status_code for n in range(21)]
    assert told == [400] * 20 + [429]


def test_a_link_is_told_to_no_other_page(client):
    """It goes into the session and out of the address, and no page of it says where one came from."""
    link = links.password(user())
    token = link.rstrip("/").rsplit("/", 1)[1]
    opened = client.get(path(link))
    assert token not in opened["Location"] and opened["Referrer-Policy"] == "no-referrer"
    assert "no-store" in opened["Cache-Control"]
    shown = client.get(opened["Location"])
    assert token not in words(shown) and "no-store" in shown["Cache-Control"]


def test_looking_at_a_link_uses_nothing_up(client):
    """Programs that look into mail open every link."""
    link = links.password(user())
    for _ in range(3):
        Client().get(path(link), follow=True)
    assert choose(client, link).status_code == 302


def test_the_session_that_a_link_was_opened_in_is_another_than_the_one_before(client):
    client.get("/sign-in/")
    session = client.session
    session["planted"] = 1
    session.save()
    client.cookies["sessionid"] = session.session_key
    client.get(path(links.password(user())))
    assert client.cookies["sessionid"].value != session.session_key


@pytest.mark.parametrize(
    ("password", "again", "said"),
    [
        ("short", None, "too short"),
        ("password1234", None, "too common"),
        ("84651837465918", None, "entirely numeric"),
        ("ada@example.com", None, "too similar to the email"),
        (PASSWORD, OTHER, "match"),
    ],
)
def test_a_weak_password_is_refused_in_words_and_the_link_stays_good(client, password, again, said):
    ada = user(password=None)
    link = links.password(ada)
    assert said in words(choose(client, link, password, again))
    assert choose(client, link).status_code == 302


def test_choosing_a_password_by_link_ends_what_was_open_and_the_wait(client):
    ada, elsewhere = user(), Client()
    sign_in(elsewhere)
    for _ in range(6):
        sign_in(client, password="wrong")
    assert may_open(elsewhere)
    ada.refresh_from_db()
    assert choose(client, links.password(ada)).status_code == 302
    assert not may_open(elsewhere) and sign_in(client, password=OTHER).status_code == 302


# ---- mail ----


def test_an_invitation_arrives_as_mail_with_a_link_that_works_and_only_its_reader_may_read_it(client):
    making.simple()  # brings a sender
    boss, now = user("boss@example.com", role=Role.ADMIN, name="Bo Lund"), timezone.now()
    ada = access.invite("ada@example.com", role=Role.SALES, by=boss, now=now)
    assert sending.notify(now) == 1
    message = Message.objects.get()
    letter = letters.write([message.pk], now)[message.pk]
    raw = letter.raw.decode()
    link = re.search(r"http\S+/choose-password/\S+?/(?=\s)", raw.replace("=\r\n", ""))[0]
    assert letter.recipient == "ada@example.com" and "Bo Lund invites you" in raw
    assert choose(client, link).status_code == 302

    ada.refresh_from_db()
    kept = Letter.objects.create(
        message_id=message.pk, sender="x", recipient=ada.email, subject="s", raw=letter.raw, received_at=now
    )
    for someone, may_read in ((boss, False), (ada, True), (user("eve@example.com"), False)):
        reader = Client()
        reader.force_login(someone)
        assert (reader.get(kept.get_absolute_url()).status_code == 200) == may_read, someone
        assert (reader.get(f"/mailbox/{kept.pk}/body/").status_code == 200) == may_read, someone
        assert (f'href="{kept.get_absolute_url()}"' in words(reader.get("/mailbox/"))) == may_read, someone
        assert (kept.get_absolute_url() in words(reader.get(message.get_absolute_url()))) == may_read, someone


# ---- who stays ----


def test_the_last_administrator_who_can_sign_in_is_neither_closed_nor_made_less():
    boss = user("boss@example.com", role=Role.ADMIN)
    user("invited@example.com", None, role=Role.ADMIN)
    user("closed@example.com", role=Role.ADMIN, is_active=False)
    for attempt in (
        lambda: access.close(boss, by=None, now=NOW),
        lambda: access.change(boss, {"role": "viewer"}, by=None, now=NOW),
    ):
        with pytest.raises(Refused, match="Nobody else who can sign in"):
            attempt()
    user("second@example.com", role=Role.ADMIN)
    assert access.close(boss, by=None, now=NOW)


def test_nobody_closes_or_makes_less_of_themselves():
    boss = user("boss@example.com", role=Role.ADMIN)
    user("second@example.com", role=Role.ADMIN)
    with pytest.raises(Refused, match="by another administrator"):
        access.close(boss, by=boss, now=NOW)
    with pytest.raises(Refused, match="by another administrator"):
        access.change(boss, {"role": "viewer"}, by=boss, now=NOW)
    assert access.change(boss, {"name": "Bo"}, by=boss, now=NOW)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_of_two_administrators_who_take_each_other_away_at_the_same_moment_one_stays(turn):
    bosses = [user(f"boss{n}@example.com", role=Role.ADMIN) for n in range(2)]
    start = threading.Barrier(2)

    def take_away(who, by):
        start.wait()
        try:
            if turn % 2:
                access.close(who, by=by, now=NOW)
            else:
                access.change(who, {"role": Role.VIEWER}, by=by, now=NOW)
        except Refused:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=take_away, args=pair) for pair in (bosses, bosses[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert User.objects.filter(role=Role.ADMIN, is_active=True).count() == 1


@pytest.mark.parametrize(
    "done",
    [
        lambda ada: access.close(ada, by=None, now=NOW),
        lambda ada: access.change(ada, {"role": Role.VIEWER}, by=None, now=NOW),
        lambda ada: access.sign_out_everywhere(ada, by=None, now=NOW),
        lambda ada: access.change_password(ada, OTHER, now=NOW),
        lambda ada: (access.close(ada, by=None, now=NOW), access.reopen(ada, by=None, now=NOW)),
    ],
)
def test_what_is_open_ends_with_the_next_request(client, done):
    ada = user()
    sign_in(client)
    assert may_open(client)
    done(ada)
    answer = client.post("/work/new/", {"title": "Still here"})
    assert answer.status_code == 302 and answer["Location"].startswith("/sign-in/")


def test_an_invitation_of_somebody_who_is_here_is_refused_in_any_spelling():
    user("ada@xn--bcher-kva.example")
    for email in ("ada@xn--bcher-kva.example", "ADA@Bücher.Example "):
        with pytest.raises(Refused, match="among the users already"):
            access.invite(email, role=Role.VIEWER, by=None, now=NOW)
    with pytest.raises(Refused, match="no email address"):
        access.invite("jörg@example.com", role=Role.VIEWER, by=None, now=NOW)
    assert User.objects.count() == 1 and not Notice.objects.exists()


def test_attempts_are_counted_in_rows_that_every_process_shares():
    user()
    sign_in(Client(), password="wrong")
    kept = throttle.Counted(access.TRIED, "ada@example.com|127.0.0.1")
    assert Attempts.objects.get(key=kept.key).count == 1

"""Users, teams and roles in the browser; one's own profile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client

from kit import installation, links, rights
from kit.models import AuditEntry, Notice, Team, User

pytestmark = pytest.mark.django_db
Role = User.Role
PASSWORD, OTHER = "nine lives and a hat", "another hat with nine lives"
USERS = "/operations/users/"


def user(email="ada@example.com", password=PASSWORD, role=Role.MARKETER, **values):
    return User.objects.create_user(email, password, role=role, **values)


@pytest.fixture
def boss(client):
    made = user("boss@example.com", role=Role.ADMIN, name="Bo Lund")
    client.force_login(made)
    return made


def words(answer):
    return re.sub(r"\s+", " ", answer.content.decode())


def given(**values):
    return {"name": "", "role": "marketer", "team": "", "may_export": "", **values}


def last(action):
    return AuditEntry.objects.filter(action=action).order_by("pk").last()


# ---- users ----


def test_somebody_is_invited_told_by_a_notice_and_their_link_is_shown_once(client, boss):
    installation.put("address", "https://perennial.example.com")
    team = Team.objects.create(name="Inbound")
    answer = client.post(f"{USERS}invite/", given(email="Ada@Example.com", name="Ada", role="sales", team=team.pk))
    ada = User.objects.get(email="ada@example.com")
    assert (ada.role, ada.team, ada.has_usable_password()) == ("sales", team, False)
    link = re.search(r'value="(https://perennial\.example\.com/choose-password/[^"]+)"', words(answer))[1]
    assert (
        links.generator.check_token(ada, link.rstrip("/").rsplit("/", 1)[1]) and "no-store" in answer["Cache-Control"]
    )
    assert Notice.objects.get().user == ada
    assert last("user.invite").after == {"name": "Ada", "role": "sales", "team": "Inbound"}
    assert link not in words(client.get(ada.get_absolute_url())) + words(client.get(USERS))


def test_an_invitation_for_somebody_who_is_here_is_refused_in_the_form(client, boss):
    answer = client.post(f"{USERS}invite/", given(email="BOSS@example.com"))
    assert answer.status_code == 400 and "among the users already" in words(answer)


def test_the_list_tells_role_team_access_and_last_sign_in_and_narrows_by_each(client, boss):
    team = Team.objects.create(name="Inbound")
    user("ada@example.com", name="Ada", team=team)
    user("new@example.com", None, name="Neu")
    user("old@example.com", name="Alt", is_active=False)
    for asked, names in (
        ("", {"Bo Lund", "Ada", "Neu", "Alt"}),
        ("?state=active", {"Bo Lund", "Ada"}),
        ("?state=invited", {"Neu"}),
        ("?state=closed", {"Alt"}),
        (f"?team={team.pk}", {"Ada"}),
        ("?role=admin", {"Bo Lund"}),
        ("?q=new@", {"Neu"}),
    ):
        shown = set(
            re.findall(r'class="table__main" href="/operations/users/\d+/">([^<]+)<', words(client.get(USERS + asked)))
        )
        assert shown == names, asked


def test_role_team_and_export_are_changed_and_the_trail_tells_what_they_were(client, boss):
    ada, team = user(), Team.objects.create(name="Inbound")
    client.post(ada.get_absolute_url(), given(name="Ada", role="sales", team=team.pk, may_export="yes"))
    ada.refresh_from_db()
    assert (ada.name, ada.role, ada.team, ada.may_export) == ("Ada", "sales", team, True)
    assert rights.may(ada, "export")
    entry = last("user.change")
    assert entry.before == {"name": "", "role": "marketer", "team": None, "may_export": None}
    assert entry.after == {"name": "Ada", "role": "sales", "team": "Inbound", "may_export": True}
    client.post(ada.get_absolute_url(), given(name="Ada", role="sales", team=team.pk, may_export="no"))
    ada.refresh_from_db()
    assert ada.may_export is False
    shown = words(client.get(ada.get_absolute_url()))
    assert '<option value="no" selected>' in shown and "does not have this right" in shown


def test_nothing_else_is_changed_by_a_form_that_says_more(client, boss):
    """Mass assignment: a form takes the fields that it shows."""
    ada = user()
    client.post(
        ada.get_absolute_url(),
        given(email="eve@example.com", is_superuser="1", is_active="", password="x", generation="9", name="Ada"),
    )
    ada.refresh_from_db()
    assert (ada.name, ada.email, ada.is_superuser, ada.is_active) == ("Ada", "ada@example.com", False, True)
    assert ada.check_password(PASSWORD) and ada.generation == 0
    mine = Client()
    mine.force_login(ada)
    mine.post("/profile/", {"name": "A", "role": "admin", "team": "1", "may_export": "yes", "email": "e@example.com"})
    ada.refresh_from_db()
    assert (ada.name, ada.role, ada.may_export, ada.email) == ("A", "marketer", None, "ada@example.com")


def test_an_access_is_closed_and_opened_again_and_what_was_open_stays_over(client, boss):
    ada, theirs = user(), Client()
    theirs.force_login(ada)
    client.post(f"{ada.get_absolute_url()}close/")
    assert theirs.get("/").status_code == 302 and "Closed" in words(client.get(ada.get_absolute_url()))
    assert "closed. Open it again first" in words(client.post(f"{ada.get_absolute_url()}link/", follow=True))
    client.post(f"{ada.get_absolute_url()}reopen/")
    assert theirs.get("/").status_code == 302
    assert theirs.post("/sign-in/", {"username": ada.email, "password": PASSWORD})["Location"] == "/"
    assert [last(action).target for action in ("user.close", "user.reopen")] == [ada.email] * 2


def test_ones_own_role_and_access_are_left_to_another_administrator(client, boss):
    user("second@example.com", role=Role.ADMIN)
    answer = client.post(boss.get_absolute_url(), given(role="viewer"))
    assert answer.status_code == 400 and "by another administrator" in words(answer)
    assert "by another administrator" in words(client.post(f"{boss.get_absolute_url()}close/", follow=True))
    boss.refresh_from_db()
    assert boss.role == "admin" and boss.is_active
    assert "Close the access" not in words(client.get(boss.get_absolute_url()))


def test_signing_somebody_out_everywhere_leaves_the_administrators_own_session(client, boss):
    ada, theirs, elsewhere = user(), Client(), Client()
    theirs.force_login(ada)
    elsewhere.force_login(boss)
    client.post(f"{ada.get_absolute_url()}sign-out/")
    client.post(f"{boss.get_absolute_url()}sign-out/")
    assert theirs.get("/").status_code == elsewhere.get("/").status_code == 302
    assert client.get(USERS).status_code == 200


def test_an_invitation_is_sent_again_and_the_earlier_link_is_over(client, boss):
    ada = user(password=None)
    older = links.password(ada)
    answer = client.post(f"{ada.get_absolute_url()}link/")
    newer = re.search(r'value="(http[^"]+choose-password[^"]+)"', words(answer))[1]
    assert [Client().get(link.split("8000", 1)[1]).status_code for link in (older, newer)] == [400, 302]
    assert Notice.objects.count() == 1 and last("user.invite_again")


@pytest.mark.parametrize("role", [role for role in Role if role != Role.ADMIN])
def test_whoever_does_not_administer_sees_neither_the_pages_nor_their_names(client, role):
    ada = user(role=role)
    client.force_login(ada)
    for page in (
        USERS,
        f"{USERS}invite/",
        f"{USERS}teams/",
        f"{USERS}roles/",
        ada.get_absolute_url(),
        "/operations/audit/",
    ):
        assert client.get(page).status_code == 403, page
    shown = words(client.get("/"))
    assert USERS not in shown and "/operations/audit/" not in shown and '"/profile/"' in shown


# ---- teams and roles ----


def test_a_team_is_made_called_otherwise_and_removed_once_nobody_is_in_it(client, boss):
    client.post(f"{USERS}teams/new/", {"name": "Inbound"})
    team = Team.objects.get()
    assert "is called “inbound” already" in words(client.post(f"{USERS}teams/new/", {"name": "inbound"}))
    client.post(team.get_absolute_url(), {"name": "Outbound"})
    ada = user(name="Ada", team=team)
    assert "Ada are in it" in words(client.post(f"{team.get_absolute_url()}remove/", follow=True))
    User.objects.filter(pk=ada.pk).update(team=None)
    client.post(f"{team.get_absolute_url()}remove/")
    assert not Team.objects.exists()
    told = list(AuditEntry.objects.order_by("pk").values_list("action", "target"))
    assert told == [("team.create", "Inbound"), ("team.rename", "Outbound"), ("team.remove", "Outbound")]


def test_the_roles_page_says_what_the_rights_say(client, boss):
    assert set(rights.WORDS) == set(rights.RIGHTS)
    shown = words(client.get(f"{USERS}roles/"))
    for right, said in rights.WORDS.items():
        row = re.search(rf'<th scope="row" role="rowheader">{re.escape(str(said))}</th>(.*?)</tr>', shown)[1]
        told = ["aria-label" in cell for cell in row.split("</td>")[:-1]]
        assert told == [role in rights.RIGHTS[right] for role in Role], right


def test_the_document_says_what_the_rights_say():
    text = (Path(__file__).resolve().parents[2] / "docs" / "users-and-roles.md").read_text()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    assert rows[0][1:] == [str(role.label) for role in Role]
    told = {words: [cell == "yes" for cell in cells] for words, *cells in rows[1:]}
    meant = {str(rights.WORDS[right]): [role in held for role in Role] for right, held in rights.RIGHTS.items()}
    assert told == meant


# ---- oneself ----


@pytest.fixture
def ada(client):
    made = user()
    client.post("/sign-in/", {"username": made.email, "password": PASSWORD}, headers={"user-agent": "Firefox 140"})
    return made


def changing(old=PASSWORD, new=OTHER, again=None):
    return {"old_password": old, "new_password1": new, "new_password2": again or new}


def test_name_language_and_zone_are_ones_own_to_say_and_hold_at_once(client, ada):
    client.post("/profile/", {"name": "Ada Lind", "language": "zh-hans", "zone": "Asia/Shanghai"})
    ada.refresh_from_db()
    assert (ada.name, ada.language, ada.zone) == ("Ada Lind", "zh-hans", "Asia/Shanghai")
    shown = client.get("/profile/", headers={"accept-language": "en"})
    assert '<html lang="zh-hans">' in words(shown) and shown["Content-Language"] == "zh-hans"
    assert last("user.profile").before == {"name": "", "language": "", "zone": ""}
    for wrong in ({"language": "tlh"}, {"zone": "Mars/Base"}, {"zone": "../../etc/passwd"}):
        assert client.post("/profile/", {"name": "", "language": "", "zone": "", **wrong}).status_code == 400


def test_a_new_password_takes_the_present_one_and_ends_all_but_this_session(client, ada):
    elsewhere = Client()
    elsewhere.force_login(ada)
    assert "old password" in words(client.post("/profile/password/", changing(old="wrong")))
    assert "too short" in words(client.post("/profile/password/", changing(new="short")))
    assert elsewhere.get("/").status_code == 200
    assert client.post("/profile/password/", changing()).status_code == 302
    ada.refresh_from_db()
    assert ada.check_password(OTHER) and client.get("/").status_code == 200 and elsewhere.get("/").status_code == 302
    assert last("user.password_change").user == ada and Notice.objects.get().title == "Your password was changed"


def test_whoever_sits_at_a_session_left_open_does_not_guess_the_password_there(client, ada):
    told = [words(client.post("/profile/password/", changing(old=f"guess {n}"), follow=True)) for n in range(7)]
    assert all("old password" in each for each in told[:5]) and "Too many attempts" in told[6]
    assert "Too many attempts" in words(client.post("/profile/password/", changing(), follow=True))


def test_where_one_signed_in_is_shown_and_all_else_is_ended(client, ada):
    elsewhere = Client()
    elsewhere.force_login(ada)
    shown = words(client.get("/profile/"))
    assert "127.0.0.1" in shown and "Firefox 140" in shown
    client.post("/profile/sign-out/")
    assert client.get("/").status_code == 200 and elsewhere.get("/").status_code == 302


# ---- what a browser may keep ----


def test_nothing_that_somebody_signed_in_was_shown_is_kept_by_a_browser(client, ada):
    for page in ("/", "/profile/", "/people/", "/people/?export=csv", "/nowhere/"):
        assert client.get(page)["Cache-Control"] == "no-store", page


def test_a_form_from_another_site_changes_nobody(boss):
    """Each of these without its token is refused."""
    hostile, ada = Client(enforce_csrf_checks=True), user()
    hostile.force_login(boss)
    for page in ("close/", "link/", "sign-out/", ""):
        assert hostile.post(ada.get_absolute_url() + page, given(role="admin")).status_code == 403
    assert Client(enforce_csrf_checks=True).post("/forgotten-password/", {"email": ada.email}).status_code == 403
    ada.refresh_from_db()
    assert ada.role == "marketer" and ada.is_active and not Notice.objects.exists()


def test_an_administrator_says_that_somebody_is_away_and_who_stands_in(client, boss):
    ada, bob = user(name="Ada"), user("bob@example.com", name="Bob")
    away = f"{ada.get_absolute_url()}away/"
    asked = {"first": "2026-03-02", "last": "2026-03-09", "deputy": bob.pk}
    assert client.post(away, asked).url == ada.get_absolute_url()
    ada.refresh_from_db()
    assert (str(ada.out_from), str(ada.out_until), ada.deputy) == ("2026-03-02", "2026-03-09", bob)
    assert (last("user.away").target, last("user.away").user) == ("ada@example.com", boss)
    wrong = client.post(away, asked | {"last": "2026-03-01"})
    assert wrong.status_code == 400 and "lies before the first" in words(wrong)
    client.post(away, {"first": "", "last": "", "deputy": ""})
    ada.refresh_from_db()
    assert (ada.out_until, ada.deputy) == (None, None)

"""Moves over a guard: offered where one refuses, made with a reason, marked, listed with what came of them."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from integrations import keys
from kit import jobs
from kit.models import AuditEntry, Team, User
from lifecycle.editions import versions
from lifecycle.ledger import moving, overrides, stages, undo
from lifecycle.models import BulkMember, BulkMove, Membership, Movement
from tests.asking import by as asking_by
from tests.factories import NOW, SMALL, draft, published
from tests.lifecycle.crowds import crowd

pytestmark = pytest.mark.django_db
GUARDED = SMALL.replace(
    "{from: any, to: resting, by_hand: true, reason: Not now}",
    "{from: any, to: resting, by_hand: true, reason: Not now, guard: {field: person.country, op: is, value: DE}}\n"
    "  - {from: known, to: lead, by_hand: true, guard: {field: person.title, op: contains, value: head}}",
)
BOARD = reverse("lifecycle_board", args=["small"])
PAGE = reverse("lifecycle_overrides", args=["small"])
JSON = {"Accept": "application/json"}


@pytest.fixture
def version():
    return published(GUARDED)


@pytest.fixture
def mo():
    return User.objects.create_user("mo@example.com", "secret", name="Mo", role=User.Role.MARKETER)


@pytest.fixture
def browser(client, mo):
    client.force_login(mo)
    return client


def over(membership, slug, by=None, at=NOW, **more):
    """Move somebody all the same."""
    read = Membership.objects.select_related("version__lifecycle", "stage").get(pk=membership.pk)
    to = read.version.stages.get(slug=slug)
    assert stages.move(read, to=to, reason="Met at the fair", by=by, at=at, now=at, override=True, **more)
    return stages.last_movement(read)


def on(membership, slug, at):
    """A move of the ordinary kind."""
    read = Membership.objects.select_related("version__lifecycle", "stage").get(pk=membership.pk)
    to = read.version.stages.get(slug=slug) if slug else None
    assert stages.move(read, to=to, reason="", by=None, at=at, now=at)


# ---- one ----


def test_the_board_is_told_the_guard_in_words_and_moves_all_the_same_when_it_says_so(browser, version):
    [member] = crowd(version, 1, "engaged")
    address = reverse("membership_move", args=[member.pk])
    asked = {"to": version.stages.get(slug="resting").pk, "reason": "Fair", "seq": member.seq}
    refused = browser.post(address, asked, headers=JSON)
    assert (refused.status_code, refused.json()["guard"], refused.json()["undo"]) == (200, "country is “DE”", "")
    assert Movement.objects.count() == 1
    done = browser.post(address, asked | {"override": "1"}, headers=JSON)
    assert (done.status_code, done.json()["guard"], done.json()["tone"]) == (200, "", "good")
    moved = Movement.objects.latest("pk")
    assert (moved.overrides, moved.reason, moved.actor) == (True, "Fair", "mo@example.com")
    assert AuditEntry.objects.get(action="lifecycle.move").after["against the guard"] is True


def test_the_form_without_scripts_comes_back_with_the_guard_and_all_that_was_said(browser, version):
    [member] = crowd(version, 1, "engaged")
    address = reverse("membership_move", args=[member.pk])
    resting = version.stages.get(slug="resting")
    asked = {"to": resting.pk, "reason": "Met <them>", "seq": member.seq, "next": BOARD}
    refused = browser.post(address, asked)
    content = " ".join(refused.content.decode().split())
    assert refused.status_code == 409
    assert "This must hold to move there by hand: country is “DE”." in content
    assert f'<option value="{resting.pk}" selected>' in content and 'value="Met &lt;them&gt;"' in content
    assert 'name="override" value="1"' in content and f'name="next" value="{BOARD}"' in content
    assert browser.post(address, asked | {"override": "1"}).headers["Location"] == BOARD
    assert Movement.objects.latest("pk").overrides


def test_a_move_that_no_guard_keeps_is_not_marked_though_somebody_would_have_moved_all_the_same(browser, version):
    [member] = crowd(version, 1, "engaged")
    type(member.person).objects.update(country="DE")
    assert not over(member, "resting").overrides


# ---- many ----


def everybody(version):
    return {"asked": "", "all": "engaged", "to": version.stages.get(slug="resting").pk, "reason": "Clean-up"}


def test_of_many_those_whom_a_guard_keeps_are_named_and_moved_all_the_same_with_a_reason_of_its_own(browser, version):
    members = crowd(version, 3, "engaged")
    type(members[0].person).objects.filter(pk=members[0].person_id).update(country="DE")
    answer = browser.post(reverse("lifecycle_board_move", args=["small"]), everybody(version), follow=True)
    bulk = BulkMove.objects.get()
    assert answer.redirect_chain == [(bulk.get_absolute_url(), 302)]
    content = " ".join(answer.content.decode().split())
    assert "2 stay where they are: a guard keeps this way (country is “DE”)." in content
    assert "2 stay where a guard keeps them" in content and "Move 2 all the same" in content
    address = reverse("bulk_override", args=[bulk.pk])
    assert "say why" in browser.post(address, {"reason": ""}, follow=True).content.decode()
    assert Movement.objects.filter(overrides=True).count() == 0
    browser.post(address, {"reason": "Agreed with sales"})
    made = BulkMove.objects.latest("pk")
    assert made.overrides and moving.outcomes(made) == {"moved": 2}
    marked = Movement.objects.filter(overrides=True).values_list("membership", "reason", "actor")
    assert set(marked) == {(each.pk, "Agreed with sales", "mo@example.com") for each in members[1:]}
    assert AuditEntry.objects.filter(action="lifecycle.bulk_move").latest("pk").after == {
        "members": 2, "reason": "Agreed with sales", "against the guard": True,
    }  # fmt: skip
    assert "Move 2 all the same" not in browser.get(bulk.get_absolute_url()).content.decode(), "nobody is kept any more"
    assert "Nobody is chosen" in browser.post(address, {"reason": "Again"}, follow=True).content.decode()


def test_whoever_has_moved_since_is_left_alone_and_whom_the_guard_lets_go_by_now_is_not_marked(version):
    moved, free, kept = crowd(version, 3, "engaged")
    chosen = moving.everybody_of(Membership.objects.filter(stage__slug="engaged"))
    resting = version.stages.get(slug="resting")
    bulk = moving.move(version, chosen, to=resting, reason="Off", by=None, now=NOW)
    assert moving.outcomes(bulk) == {"guarded": 3} and moving.kept_by_guard(bulk) == 3
    on(moved, "lead", NOW)
    type(free.person).objects.filter(pk=free.person_id).update(country="DE")
    made = moving.move_kept(bulk, reason="All the same", by=None, now=NOW + timedelta(hours=1))
    assert dict(BulkMember.objects.filter(bulk=made).values_list("membership", "outcome")) == {
        free.pk: "moved", kept.pk: "moved",
    }  # fmt: skip
    assert list(Movement.objects.filter(overrides=True).values_list("membership", flat=True)) == [kept.pk]
    assert Membership.objects.get(pk=moved.pk).stage.slug == "lead"
    moving.take_back(made, by=None, now=NOW + timedelta(hours=2))
    assert set(Membership.objects.exclude(pk=moved.pk).values_list("stage__slug", flat=True)) == {"engaged"}


def test_only_who_asked_for_a_move_of_many_or_sees_everybody_makes_it_over_the_guard(client, version):
    crowd(version, 1, "engaged")
    chosen = moving.everybody_of(Membership.objects.all())
    bulk = moving.move(version, chosen, to=version.stages.get(slug="resting"), reason="Off", by=None, now=NOW)
    address = reverse("bulk_override", args=[bulk.pk])
    for role, status in ((User.Role.SALES, 404), (User.Role.VIEWER, 403), (User.Role.MARKETER, 302)):
        client.force_login(User.objects.create_user(f"{role}@example.com", "x", role=role))
        assert client.post(address, {"reason": "All the same"}).status_code == status, role
    assert Movement.objects.filter(overrides=True).count() == 1


# ---- the list ----


def six(version, by=None):
    """One of each result, by its name."""
    there, went, back, detour, left, undone = crowd(version, 6, "known")
    made = {}
    for number, (name, member) in enumerate(
        {"there": there, "on": went, "back": back, "detour": detour, "left": left, "undone": undone}.items()
    ):
        made[name] = over(member, "lead", by=by, at=NOW + timedelta(minutes=number))
    later = NOW + timedelta(days=3)
    on(went, "won", later)
    on(back, "engaged", later)
    type(detour.person).objects.filter(pk=detour.person_id).update(country="DE")
    on(detour, "resting", later)
    on(left, None, later)
    assert undo.undo(made["undone"], by=None, now=later)
    return made


def results(rows):
    return {row.pk: row.result for row in rows}


def test_the_list_says_who_when_from_where_to_where_against_which_guard_why_and_what_came_of_it(browser, version, mo):
    made = six(version, mo)
    answer = browser.get(PAGE)
    rows = answer.context["page"].rows
    assert results(rows) == {made[name].pk: name for name in made}
    assert {(row.from_stage.slug, row.to_stage.slug, row.reason, row.guard) for row in rows} == {
        ("known", "lead", "Met at the fair", "job title contains “head”")
    }
    assert [row.pk for row in rows] == [made[name].pk for name in reversed(made)], "the latest first"
    assert {row.result_at for row in rows} == {None, NOW + timedelta(days=3)}
    content = answer.content.decode()
    assert "returned" in content and "mo@example.com" in content
    assert {value: count for value, _label, count, _url in answer.context["figures"]} == dict.fromkeys(made, 1)


def test_back_is_also_where_they_had_come_from_though_that_is_no_earlier_stage():
    other = GUARDED.replace("lifecycle: small", "lifecycle: other").replace(
        "from: known, to: lead", "from: any, to: lead"
    )
    [member] = crowd(published(other), 1, "resting")
    over(member, "lead")
    type(member.person).objects.update(country="DE")
    on(member, "resting", NOW + timedelta(days=1))
    [row] = overrides.made()
    assert row.result == "back"


def test_filters_leave_those_of_a_user_a_team_a_result_a_stage_and_a_time(browser, version, mo):
    north = Team.objects.create(name="North")
    ina = User.objects.create_user("ina@example.com", "x", team=north)
    first, second = crowd(version, 2, "known")
    mine, theirs = over(first, "lead", by=mo), over(second, "lead", by=ina, at=NOW + timedelta(days=10))

    def shown(**asked):
        answer = browser.get(PAGE, asked)
        assert not answer.context["notes"], asked
        return [row.pk for row in answer.context["page"].rows]

    assert shown(actor="mo@example.com") == [mine.pk]
    assert shown(team=north.pk) == [theirs.pk]
    assert shown(result="there") == [theirs.pk, mine.pk] and shown(result="back") == []
    assert shown(to_stage="lead", from_stage="known") == [theirs.pk, mine.pk] and shown(to_stage="engaged") == []
    assert shown(since="2025-06-16") == [theirs.pk] and shown(until="2025-06-15") == [mine.pk]
    refused = browser.get(PAGE, {"actor": "nobody@example.com"})
    assert refused.context["notes"], "an actor whom nobody knows is said"


def test_the_list_leaves_as_a_file_with_the_guard_and_the_result(browser, version, mo):
    User.objects.filter(pk=mo.pk).update(role=User.Role.ADMIN)
    mo.refresh_from_db()
    browser.force_login(mo)
    six(version, mo)
    text = b"".join(browser.get(PAGE, {"export": "csv"}).streaming_content).decode("utf-8-sig")
    assert "What did not hold" in text.splitlines()[0] and len(text.splitlines()) == 7
    assert text.count("job title contains “head”") == 6 and "returned" in text


def test_a_new_version_is_no_step_and_the_guard_is_told_as_the_old_version_had_it(browser, version):
    there, went = crowd(version, 2, "known", NOW - timedelta(days=1))
    over(there, "lead"), over(went, "lead")
    second = draft(GUARDED.replace("guard: {field: person.title, op: contains, value: head}", "reason: Called"))
    job = versions.publish(second, by=None, now=NOW + timedelta(hours=1))
    jobs.run(job.pk, NOW + timedelta(hours=1))
    assert Movement.objects.filter(kind="migration").count() == 2
    on(went, "won", NOW + timedelta(days=1))
    rows = browser.get(PAGE).context["page"].rows
    assert {row.membership_id: (row.result, row.guard) for row in rows} == {
        there.pk: ("there", "job title contains “head”"), went.pk: ("on", "job title contains “head”"),
    }  # fmt: skip


def test_the_page_asks_as_often_for_many_as_for_few_and_finds_them_by_their_index(browser, version):
    for member in crowd(version, 2, "known"):
        over(member, "lead")
    browser.get(PAGE)
    with CaptureQueriesContext(connection) as few:
        browser.get(PAGE)
    for member in crowd(version, 20, "known"):
        over(member, "lead")
    with CaptureQueriesContext(connection) as many:
        browser.get(PAGE)
    assert len(many) == len(few)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        text, params = overrides.of_lifecycle(version.lifecycle).order_by("-occurred_at").query.sql_with_params()
        cursor.execute("EXPLAIN " + text, params)
        assert "movement_over_guard" in "\n".join(row[0] for row in cursor.fetchall())


def test_programs_read_the_same_list_by_the_same_filters(version, mo):
    north = Team.objects.create(name="North")
    User.objects.filter(pk=mo.pk).update(team=north)
    made = six(version, mo)
    api = asking_by(User.objects.create_user("ada@example.com", "x", role=User.Role.ADMIN))

    def listed(**asked):
        answer = api.get("/api/v1/overrides/", asked)
        assert answer.status_code == 200, answer.content
        return answer.json()["results"]

    rows = {row["id"]: row for row in listed(lifecycle="small", team=north.pk, actor="mo@example.com")}
    assert {name: rows[move.pk]["result"] for name, move in made.items()} == {name: name for name in made}
    one = rows[made["back"].pk]
    assert (one["guard"], one["from_stage"], one["to_stage"]) == ("job title contains “head”", "known", "lead")
    assert [row["id"] for row in listed(result="back")] == [made["back"].pk]
    assert listed(lifecycle="other") == listed(team=north.pk + 1) == listed(before=NOW.isoformat()) == []
    assert api.get("/api/v1/overrides/", {"result": "well"}).status_code == 400


# ---- who moves over guards, and what comes of it ----


def fair(version):
    """Moves over two guards by Ina and Mo of the North, and by Kai, who is in no team."""
    north = Team.objects.create(name="North")
    mo = User.objects.get(email="mo@example.com")
    ina, kai = (User.objects.create_user(f"{each}@example.com", "x", name=each.title()) for each in ("ina", "kai"))
    User.objects.filter(pk__in=[mo.pk, ina.pk]).update(team=north)
    made = six(version, mo)  # one of each result, of which one went on and has won since
    won, stays, rests = crowd(version, 3, "known")
    over(won, "lead", by=ina)
    on(won, "won", NOW + timedelta(days=2))
    over(stays, "lead", by=ina)
    over(rests, "resting", by=kai)
    return north, made


def lines(answer):
    """The summary of the page: who, how many, by result, won since, over which guards."""
    return {
        line["label"]: (
            line["moves"]["count"], [cell["count"] for _label, cell in line["cells"]], line["won"]["count"], line["often"],
        )
        for line in answer.context["tallies"]
    }  # fmt: skip


HEAD, GERMAN = "job title contains “head”", "country is “DE”"


def test_moves_are_counted_by_user_by_team_and_by_guard_with_what_came_of_them(browser, version):
    fair(version)
    # Results stand as: still there, went on, returned, detour, left, taken back.
    assert lines(browser.get(PAGE)) == {
        "Mo": (6, [1, 1, 1, 1, 1, 1], 1, [(HEAD, 6)]),
        "Ina": (2, [1, 1, 0, 0, 0, 0], 1, [(HEAD, 2)]),
        "Kai": (1, [1, 0, 0, 0, 0, 0], 0, [(GERMAN, 1)]),
    }
    assert lines(browser.get(PAGE, {"by": "team"})) == {
        "North": (8, [2, 2, 1, 1, 1, 1], 2, [(HEAD, 8)]), "in no team": (1, [1, 0, 0, 0, 0, 0], 0, [(GERMAN, 1)]),
    }  # fmt: skip
    assert lines(browser.get(PAGE, {"by": "guard"})) == {
        HEAD: (8, [2, 2, 1, 1, 1, 1], 2, [("Mo", 6), ("Ina", 2)]), GERMAN: (1, [1, 0, 0, 0, 0, 0], 0, [("Kai", 1)]),
    }  # fmt: skip
    assert browser.get(PAGE, {"by": "moon"}).context["by"] == "user"


def test_each_number_of_the_summary_opens_as_many_rows_and_follows_the_filters(browser, version):
    fair(version)
    for by in ("user", "team"):
        for line in browser.get(PAGE, {"by": by}).context["tallies"]:
            cells = [line["moves"], line["won"], *(cell for _label, cell in line["cells"])]
            for cell in (each for each in cells if each["url"]):
                opened = browser.get(cell["url"])
                assert not opened.context["notes"] and len(opened.context["page"].rows) == cell["count"], cell
                assert opened.context["by"] == by, "and the summary stays as it was counted"
    assert lines(browser.get(PAGE, {"result": "back"})) == {"Mo": (1, [0, 0, 1, 0, 0, 0], 0, [(HEAD, 1)])}
    part = browser.get(PAGE, {"result": "back"}, headers={"HX-Request": "true", "HX-Target": "list"}).content.decode()
    assert 'id="overrides-summary" hx-swap-oob="true"' in part and "Ina" not in part, "a filter draws it anew"


def test_what_a_key_did_counts_for_its_owner(browser, version, mo):
    one, other = crowd(version, 2, "known")
    over(one, "lead", by=mo)
    _key, secret = keys.make("Sync", ["lifecycles:write", "lifecycles:read"], user=mo, by=None, now=NOW)
    held = {"Authorization": f"Bearer {secret}"}
    told = {"to": "lead", "reason": "By the CRM", "seq": other.seq, "override": True}
    address = f"/api/v1/memberships/{other.pk}/move/"
    assert browser.post(address, told, content_type="application/json", headers=held).status_code == 200
    assert set(Movement.objects.filter(overrides=True).values_list("actor", flat=True)) != {"mo@example.com"}
    [line] = browser.get(PAGE).context["tallies"]
    assert (line["label"], line["moves"]["count"]) == ("Mo", 2)
    assert len(browser.get(line["moves"]["url"]).context["page"].rows) == 2


def test_a_salesperson_s_summary_is_of_those_whom_they_see(client, version, mo):
    _north, made = fair(version)
    sal = User.objects.create_user("sal@example.com", "x", role=User.Role.SALES)
    mine = Membership.objects.get(pk=made["back"].membership_id)
    type(mine.person).objects.filter(pk=mine.person_id).update(owner=sal)
    client.force_login(sal)
    assert lines(client.get(PAGE)) == {"Mo": (1, [0, 0, 1, 0, 0, 0], 0, [(HEAD, 1)])}
    told = asking_by(sal).get("/api/v1/overrides/summary/").json()
    assert [(each["label"], each["moves"]) for each in told["users"]] == [("Mo", 1)]
    assert [(each["label"], each["moves"]) for each in told["teams"]] == [("North", 1)]


def test_programs_read_the_same_counts_by_the_same_filters(version, mo):
    north, _made = fair(version)
    api = asking_by(User.objects.create_user("ada@example.com", "x", role=User.Role.ADMIN))
    told = api.get("/api/v1/overrides/summary/", {"lifecycle": "small"}).json()
    assert [(each["actor"], each["user"] is not None, each["moves"], each["won"]) for each in told["users"]] == [
        ("mo@example.com", True, 6, 1), ("ina@example.com", True, 2, 1), ("kai@example.com", True, 1, 0),
    ]  # fmt: skip
    assert [(each["team"], each["results"]["there"], each["guards"]) for each in told["teams"]] == [
        (north.pk, 2, {HEAD: 8}), (None, 1, {GERMAN: 1}),
    ]  # fmt: skip
    assert {each["guard"]: each["actors"] for each in told["guards"]} == {HEAD: {"Mo": 6, "Ina": 2}, GERMAN: {"Kai": 1}}
    narrowed = api.get("/api/v1/overrides/summary/", {"team": north.pk, "result": "back"}).json()
    assert [(each["label"], each["moves"]) for each in narrowed["users"]] == [("Mo", 1)]
    assert api.get("/api/v1/overrides/summary/", {"by": "user"}).json()["code"] == "unknown_parameter"


def test_nobody_s_list_is_empty_in_words(browser, version):
    content = browser.get(PAGE).content.decode()
    assert "Nobody was moved over a guard" in content
    assert PAGE in browser.get(reverse("lifecycle_version", args=["small", 1])).content.decode()

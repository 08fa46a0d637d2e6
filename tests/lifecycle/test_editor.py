"""The editor of drafts, as its pages answer: each part, two editors at once, what is refused, cards, the document."""

import re
from copy import deepcopy
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audience.models import Field
from audience.subjects import custom
from kit.models import AuditEntry, User
from lifecycle.editing import drafts, parts
from lifecycle.editions import cards, documents, picture
from lifecycle.models import Backtest, CardAmendment, Lifecycle, Version
from reporting import printed
from tests import asking
from tests.asking import problem
from tests.factories import NOW, SMALL, draft, published

pytestmark = pytest.mark.django_db
EDIT = "/lifecycles/small/v1/edit/"
CASE = "cases: [{name: A stranger, person: {first_seen: 2025-03-01}, expect: {on: 2025-03-05, stage: known}}]"


@pytest.fixture(autouse=True)
def ada(client):
    user = User.objects.create_user("eda@example.com", "x", role=User.Role.MARKETER)
    client.force_login(user)
    return user


def document():
    return documents.of_version(Version.objects.get())


def slugs():
    return [each["slug"] for each in document()["stages"]]


def text_of(answer):
    return unescape(answer.content.decode())


# Lists of a test case that are sent without a line.
NO_LISTS = {f"{each}-{key}_FORMS": "0" for each in ("agreed", "troubles") for key in ("TOTAL", "INITIAL")}


def seen(client, part):
    """The mark of a part as a browser that opens it now reads it."""
    return re.search(r'name="seen" value="(\w*)"', client.get(EDIT + part).content.decode())[1]


def test_from_nothing_over_stages_rules_and_a_case_to_a_model_that_may_be_published(client):
    made = client.post("/lifecycles/new/", {"name": "Net new EMEA", "species": "net_new", "of": "person"})
    edit = made["Location"]
    assert edit == "/lifecycles/net_new_emea/v1/edit/" and slugs() == ["entered", "won"]
    assert "Nothing leads to “Won”" in text_of(client.get(edit))
    stage = {"name": "Engaged", "phase": "Explore", "path": "success", "kind": "sla", "limit_hours": "16"}
    assert client.post(edit + "stages/new/", stage)["Location"] == f"{edit}#stage-engaged"
    assert slugs() == ["entered", "engaged", "won"]
    bought = '{"field": "purchase.count", "op": "at_least", "value": 1}'
    for rule in (
        {"source": "entered", "target": "engaged", "when": '{"field": "activity.count", "op": "at_least", "value": 1}'},
        {"source": "any", "target": "won", "when": bought, "reason": "Bought"},
    ):
        assert client.post(edit + "rules/new/", rule).status_code == 302
    case = {
        "name": "A purchase wins", "first_seen": "2025-03-01", "stage": "won", "on": "2025-03-05",
        "facts-TOTAL_FORMS": "1", "facts-INITIAL_FORMS": "0", "facts-0-field": "country", "facts-0-value": "DE",
        "happened-TOTAL_FORMS": "2", "happened-INITIAL_FORMS": "0",
        "happened-0-what": "purchase", "happened-0-on": "2025-03-03", "happened-0-amount": "900", **NO_LISTS,
    }  # fmt: skip
    assert client.post(edit + "cases/new/", case).status_code == 302
    assert document()["cases"] == [{
        "name": "A purchase wins", "person": {"first_seen": "2025-03-01", "country": "DE"},
        "expect": {"on": "2025-03-05", "stage": "won"}, "purchases": [{"on": "2025-03-03", "amount": 900}],
    }]  # fmt: skip
    assert "The model is sound" not in text_of(client.get(edit)), "its case is not played yet"
    played, part = edit.replace("edit/", "cases/") + "?head=sound", {"HX-Request": "true", "HX-Target": "case-results"}
    told = text_of(client.get(played, headers=part))
    assert "Entered 2025-03-01, Won 2025-03-03" in told and "The model is sound" in told
    assert client.post(edit + "cases/new/", case | {"name": "Nobody wins", "stage": "entered"}).status_code == 302
    told = text_of(client.get(played, headers=part))
    assert "1 test case fails, which keeps it from being published" in told and "The model is sound" not in told


def test_a_part_is_changed_and_everything_else_stays_as_it_was(client):
    draft(SMALL + CASE)
    before = document()
    sent = {
        "name": "Sales lead",
        "phase": "",
        "path": "success",
        "kind": "inventory",
        "seen": seen(client, "stages/lead/"),
    }
    assert client.post(EDIT + "stages/lead/", sent)["Location"] == f"{EDIT}#stage-lead"
    after = document()
    assert parts.stage(after, "lead")["name"] == "Sales lead"
    parts.stage(after, "lead")["name"] = "Lead"
    assert after == before
    entry = AuditEntry.objects.get(action="lifecycle.edit")
    assert (entry.after["stage lead"]["name"], entry.before["stage lead"]["name"]) == ("Sales lead", "Lead")
    # Kept by a script, the answer leads to the part's own page, which has its new mark.
    sent |= {"name": "SQL", "seen": seen(client, "stages/lead/"), "stay": "1"}
    assert client.post(EDIT + "stages/lead/", sent)["Location"] == f"{EDIT}stages/lead/"


def test_the_later_of_two_who_change_one_part_is_told_and_may_decide(client):
    draft()
    mine = {"source": "known", "target": "engaged", "when": "{}", "reason": "Mine", "seen": seen(client, "rules/2/")}
    theirs = mine | {"reason": "Theirs"}
    assert client.post(EDIT + "rules/2/", theirs).status_code == 302
    late = client.post(EDIT + "rules/2/", mine)
    page = text_of(late)
    assert late.status_code == 409 and "eda@example.com changed this" in page and "Mine" in page
    assert parts.entry(document(), "transitions", 2)["reason"] == "Theirs"
    mark = re.search(r'name="seen" value="(\w*)"', late.content.decode())[1]
    assert client.post(EDIT + "rules/2/", mine | {"seen": mark}).status_code == 302
    assert parts.entry(document(), "transitions", 2)["reason"] == "Mine"
    # Who changes another part is in nobody's way.
    stage = {"name": "Lead!", "path": "success", "kind": "inventory", "seen": seen(client, "stages/lead/")}
    assert client.post(EDIT + "stages/lead/", stage).status_code == 302


def test_a_stage_goes_with_its_rules_and_cases_unless_it_is_asked_about_and_comes_back_by_undo(client):
    asking_about = (
        "  - {from: known, to: lead, when: {field: stage.small.ever, op: is, value: resting}, reason: Back}\n"
    )
    draft(SMALL + asking_about + CASE)
    before = document()
    told = text_of(client.get(EDIT + "stages/known/remove/"))
    assert "Known → Engaged" in told and "A stranger" in told
    client.post(EDIT + "stages/known/remove/")
    assert "known" not in slugs() and document()["cases"] == [] and len(document()["transitions"]) == 7
    client.post(EDIT + "put-back/")
    assert document() == before
    refused = text_of(client.post(EDIT + "stages/resting/remove/", follow=True))
    assert "“Resting” is asked about by “Known → Lead”" in refused and document() == before


LEAD = {"name": "Lead", "path": "success", "kind": "sla", "limit_hours": "16"}
HANDED = LEAD | {"accept": "won", "reject": "resting", "later": "", "unanswered": "pass_on"}


def of_lead(client, **sent):
    return client.post(EDIT + "stages/lead/", HANDED | {"seen": seen(client, "stages/lead/")} | sent)


def test_a_stage_is_handed_to_sales_by_its_form_told_in_words_and_let_go_again(client):
    published()
    assert "say under “Hand-off to sales”" in text_of(client.get("/hand-offs/routing/"))
    client.post("/lifecycles/small/draft/")
    here = EDIT.replace("v1", "v2") + "stages/lead/"

    def sent(**told):
        mark = re.search(r'name="seen" value="(\w*)"', client.get(here).content.decode())[1]
        assert client.post(here, HANDED | {"seen": mark} | told).status_code == 302
        return Version.objects.get(number=2).stages.get(slug="lead").hand_off

    whole = {"accept": "won", "reject": "resting", "missed": "pass_on"}
    assert sent() == whole
    version = Version.objects.get(number=2)
    before = documents.of_version(version)
    assert sent() == whole and documents.of_version(version) == before  # what the form shows is what there is
    page = text_of(client.get(EDIT.replace("v1", "v2")))
    assert "handed to sales" in page and "The hand-off of “Lead” to sales has changed." in page
    for told in ("/lifecycles/small/v2/", "/reports/documents/small/v2/"):
        page = text_of(client.get(told))
        assert "Offered to whom the first of these finds: Whoever has an open deal with them; Whoever owns" in page
        assert "Accepted: to “Won”." in page and "Rejected: to “Resting”." in page
        assert "Not now: waits in “Resting” and comes back on the day that was said." in page
        assert "within 16 working hours of the arrival: counts as missed, and the next colleague is asked" in page
        assert "Limits count on the working calendar: Monday, " in page and "sales says “not now”" in page
    assert sent(later="resting", unanswered="stay") == {
        "accept": "won", "reject": "resting", "later": "resting", "missed": "stay"
    }  # fmt: skip
    assert "Lead" in text_of(client.get("/hand-offs/routing/")) or "Small" in text_of(client.get("/hand-offs/routing/"))
    assert sent(kind="terminal", limit_hours="") is None  # nobody waits in an end
    assert sent() == whole and sent(accept="") is None


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"accept": "known"}, "“Known” is not ahead on the success path."),
        ({"reject": ""}, "Say where whoever sales rejects goes."),
        ({"reject": "won"}, "“Won” is ahead, which would count as accepted."),
        ({"accept": "checked"}, "not one of the available"),
        ({"later": "won"}, "not one of the available"),
        ({"unanswered": "shout"}, "not one of the available"),
    ],
)
def test_where_an_answer_of_sales_may_not_lead_is_said_with_the_form(client, sent, words):
    draft()
    before = document()
    answer = of_lead(client, **sent)
    assert answer.status_code == 400 and words in text_of(answer), text_of(answer)
    assert document() == before
    new = client.post(EDIT + "stages/new/", HANDED | {"name": "More"} | sent)
    assert new.status_code == 400 and words in text_of(new)


def test_a_new_stage_is_handed_over_at_once_and_no_other_edit_breaks_a_hand_off(client):
    draft()
    assert client.post(EDIT + "stages/new/", HANDED | {"name": "More"}).status_code == 302
    assert parts.stage(document(), "more")["hand_off"]["accept"] == "won"
    of_lead(client, accept="more")
    before = document()
    told = text_of(client.post(EDIT + "stages/more/move/", {"to": "1"}, follow=True))
    assert "“Lead” is handed to sales: “More” is not ahead on the success path. Change its hand-off first." in told
    aside = HANDED | {"name": "More", "path": "detour", "seen": seen(client, "stages/more/")}
    refused = client.post(EDIT + "stages/more/", aside)
    assert refused.status_code == 409 and "“Lead” is handed to sales" in text_of(refused) and document() == before
    assert "Hand-off of Lead to sales" in text_of(client.get(EDIT + "stages/more/remove/"))
    client.post(EDIT + "stages/more/remove/")
    assert "hand_off" not in parts.stage(document(), "lead")
    client.post(EDIT + "put-back/")
    assert document() == before


def test_the_picture_shows_where_answers_of_sales_lead_when_no_rule_does(client):
    draft()
    of_lead(client, reject="resting")
    drawn = picture.draw(documents.checked(document()), picture.LYING)
    [arrow] = [each for each in drawn.arrows if (each.source, each.target) == ("lead", "won")]
    assert (arrow.told, arrow.label) == ("sales", "Lead → Won, when sales accepts")


def test_stages_and_rules_are_moved_by_one_or_to_a_place(client):
    draft()
    client.post(EDIT + "stages/lead/move/", {"to": "up"})
    assert slugs() == ["known", "engaged", "lead", "checked", "won", "resting"]
    client.post(EDIT + "stages/resting/move/", {"to": "2"})
    assert slugs()[1] == "resting"
    rules = [each.get("reason") for each in document()["transitions"]]
    client.post(EDIT + "rules/1/move/", {"to": "3", "seen": seen(client, "rules/1/")})
    assert [each.get("reason") for each in document()["transitions"]] == [*rules[1:3], rules[0], *rules[3:]]
    gone = text_of(client.post(EDIT + "rules/1/move/", {"to": "down", "seen": "0" * 16}, follow=True))
    assert "changed this" in gone


@pytest.mark.parametrize(
    ("part", "sent", "words"),
    [
        ("stages/new/", {"name": "", "path": "success", "kind": "inventory"}, "This field is required"),
        ("stages/new/", {"name": "x" * 300, "path": "success", "kind": "inventory"}, "at most 200"),
        ("stages/new/", {"name": "a\x00b", "path": "success", "kind": "inventory"}, "Null characters"),
        ("stages/new/", {"name": "A", "path": "success", "kind": "sla"}, "within how many working hours"),
        (
            "stages/new/",
            {"name": "A", "path": "up", "kind": "door", "limit_hours": "9" * 30},
            "not one of the available",
        ),
        ("rules/new/", {"source": "known", "target": "known", "when": "{}"}, "leads to another stage"),
        ("rules/new/", {"source": "nobody", "target": "known", "when": "{}"}, "not one of the available"),
        ("rules/new/", {"source": "known", "target": "won", "when": "{not json"}, "This is no JSON"),
        ("rules/new/", {"source": "known", "target": "won", "when": '{"field": "person.nope"}'}, "person.nope"),
        ("cases/new/", {"name": "A", "stage": "won", "on": "0001-01-01", "first_seen": "2025-01-01"}, "year between"),
        ("model/", {"name": "", "entry": "{}"}, "This field is required"),
    ],
)
def test_what_is_wrong_is_said_with_the_form_and_nothing_is_kept(client, part, sent, words):
    draft()
    before = document()
    answer = client.post(EDIT + part, sent)
    assert answer.status_code == 400 and words in text_of(answer)
    assert document() == before


def test_parts_that_are_not_there_and_versions_that_are_no_draft_are_not_edited(client):
    published()
    assert client.get(EDIT)["Location"] == "/lifecycles/small/v1/"
    for part in ("model/", "stages/new/", "rules/new/", "cases/new/", "stages/lead/", "rules/1/"):
        assert client.post(EDIT + part, {"name": "x"}).status_code == 302
    assert documents.of_version(Version.objects.get())["name"] == "Small"
    assert client.get("/lifecycles/none/v1/edit/").status_code == 404
    draft(SMALL.replace("lifecycle: small", "lifecycle: other"))
    for part in ("stages/none/", "rules/99/", "rules/999999999999999999999/", "cases/1/"):
        assert client.get(f"/lifecycles/other/v1/edit/{part}")["Location"] == "/lifecycles/other/v1/edit/"


def test_a_draft_begins_like_the_live_version_and_is_the_one_that_is_there(client, ada):
    published()
    assert client.post("/lifecycles/small/draft/")["Location"] == "/lifecycles/small/v2/edit/"
    assert client.post("/lifecycles/small/draft/")["Location"] == "/lifecycles/small/v2/edit/"
    live, new = Version.objects.order_by("number")
    assert documents.of_version(new) == documents.of_version(live)


def test_a_draft_says_in_words_what_it_changes_of_the_live_version(client):
    published()
    draft(SMALL.replace("name: Lead}", "name: Sales lead, card: {sales: Rings}}"))
    page = text_of(client.get("/lifecycles/small/v2/edit/"))
    assert "Against the live version" in page and "Sales lead" in page and "what sales does" in page.lower()


def test_a_published_stages_card_is_amended_and_its_version_stays(client):
    version = published()
    stage = version.stages.get(slug="lead")
    url = f"{EDIT}stages/lead/card/"
    mark = re.search(r'name="seen" value="(\w*)"', client.get(url).content.decode())[1]
    sent = {"goal": "A talk", "channels": "email, phone,, email", "style": "engagement", "seen": mark}
    assert client.post(url, sent).status_code == 302
    stage.refresh_from_db()
    assert stage.card == {} and CardAmendment.objects.count() == 1
    [now] = cards.as_amended([stage])
    assert now.card == {"goal": "A talk", "channels": ["email", "phone"], "style": "engagement"}
    assert client.post(url, sent | {"goal": "Another"}).status_code == 409
    assert "A talk" in text_of(client.get("/lifecycles/small/v1/"))
    # The next draft begins with it.
    client.post("/lifecycles/small/draft/")
    assert Version.objects.get(number=2).stages.get(slug="lead").card["goal"] == "A talk"


def test_the_document_counts_its_gaps(client):
    """Twelve questions and the campaigns of each stage that holds somebody, two of a gate and of an end."""
    version = draft(
        SMALL.replace("{slug: lead, name: Lead}", "{slug: lead, name: Lead, card: {goal: A talk, owner: Us}}")
    )
    asked = 4 * 13 + 2 * 2
    assert printed.gaps(version) == (asked - 2, asked)
    page = text_of(client.get("/reports/documents/small/"))
    assert f"{asked - 2} of {asked} answers are missing." in page and "A talk" in page
    assert "at least 3 activities in the last 30 days" in page
    assert client.get("/reports/documents/small/v9/").status_code == 404


def test_a_playbook_says_what_it_holds_and_needs_before_it_is_made(client):
    page = text_of(client.get("/lifecycles/playbooks/net_new_b2b/"))
    assert "Asked for a demo" in page and "Activity “demo requested”" in page and "none recorded yet" in page
    assert not Lifecycle.objects.exists()
    assert documents.parse(client.get("/lifecycles/playbooks/renewal/file.yaml").content.decode())["of"] == "account"
    assert client.get("/lifecycles/playbooks/none/").status_code == 404


def test_the_picture_has_every_stage_and_rule_once_and_no_two_boxes_meet():
    told = documents.checked(documents.of_version(draft()))
    for way in (picture.LYING, picture.UPRIGHT):
        drawn = picture.draw(told, way)
        assert sorted(box.slug for box in drawn.boxes) == sorted(each["slug"] for each in told["stages"])
        assert sorted(n for arrow in drawn.arrows for n in arrow.numbers) == list(range(1, 9))
        corners = [(*box.corner, box.corner[0] + box.size[0], box.corner[1] + box.size[1]) for box in drawn.boxes]
        for at, (left, top, right, bottom) in enumerate(corners):
            assert left >= 0 and top >= 0 and right <= drawn.width and bottom <= drawn.height
            for other in corners[at + 1 :]:
                assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def put(api, url, told, etag=None):
    headers = {"If-Match": etag} if etag else {}
    return api.put(url, told, content_type="application/json", headers=headers)


def test_a_document_is_put_over_the_api_unless_somebody_was_first(ada):
    version = draft()
    api = asking.by(asking.user())
    url = "/api/v1/lifecycles/small/versions/1/document/"
    read = api.get(url)
    told = read.json()
    told["stages"][3]["name"] = "Sales lead"
    kept = put(api, url, told, read["ETag"])
    assert kept.status_code == 200 and kept.json()["stages"][3]["name"] == "Sales lead"
    problem(put(api, url, told, read["ETag"]), 412, "changed_meanwhile")
    told["transitions"][0]["to"] = "wno"
    assert problem(put(api, url, told), 400, "bad_document")["place"] == "transitions › 1 › to"
    problem(put(api, url, document() | {"species": "partner"}), 409, "draft_refused")
    for wrong in ({"stages": {}}, {"stages": [[]]}, {"stages": [{"slug": ["a"]}]}, {"transitions": [{"from": {}}]},
                  {"cases": [{"expect": []}]}, {"cases": [{"person": {"nope": 1}}]}, {"name": ["x"]}, {"entry": "x"}):  # fmt: skip
        assert put(api, url, document() | wrong).status_code == 400, wrong
    Version.objects.filter(pk=version.pk).update(state=Version.State.PUBLISHED)
    problem(put(api, url, document()), 409, "draft_refused")
    card = "/api/v1/lifecycles/small/versions/1/cards/lead/"
    assert put(api, card, {"style": "education"}).json() == {"style": "education"}
    assert api.get(card).json() == {"style": "education"}
    assert put(api, card, {"style": "loud"}).status_code == 400


def test_who_changed_a_draft_last_is_known_under_its_new_name_too(ada):
    version = draft()
    drafts.change(version, lambda told: told.update(name="Large"), by=ada, now=NOW)
    version.lifecycle.refresh_from_db()
    assert drafts.last_change(version).actor == "eda@example.com" and version.lifecycle.name == "Large"


def test_contracts_and_service_cases_of_a_test_case_are_edited_and_what_a_file_says_beyond_stays(client):
    contract = ("{starts: 2024-06-01, renews: 2025-06-01, auto_renew: true, currency: EUR, amended: [{on: 2025-01-01, annual_value: 9}],"
                " changed: [{on: 2025-05-12, renews: 2026-06-01, notice: 2026-05-01}, {on: 2025-05-20, ends: 2026-06-01}]}")  # fmt: skip
    lists = f"contracts: [{contract}], service_cases: [{{opened: 2025-03-01, severity: high, properties: {{a: b}}}}]"
    draft(SMALL + CASE.replace("expect:", f"{lists}, expect:"))
    [before] = document()["cases"]
    page = client.get(EDIT + "cases/1/").content.decode()
    sent = {
        name: unescape(value) for name, value in re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', page)
    }
    sent |= {
        name: unescape(value) for value, name in re.findall(r'<input[^>]* value="([^"]*)"[^>]* name="([^"]+)"', page)
    }
    sent |= {"name": "A stranger", "stage": "known", "agreed-0-auto_renew": "on"}
    assert sent["agreed-0-renews_then"] == "2026-06-01" and sent["troubles-0-severity"] == "high"
    assert client.post(EDIT + "cases/1/", sent).status_code == 302
    assert document()["cases"] == [before]
    sent |= {"seen": seen(client, "cases/1/"), "agreed-0-renews_then": "2027-06-01", "agreed-1-starts": "2025-01-01",
             "troubles-0-closed": "2025-03-09"}  # fmt: skip
    assert client.post(EDIT + "cases/1/", sent).status_code == 302
    [after] = document()["cases"]
    assert [each.get("changed", [{}])[0].get("renews") for each in after["contracts"]] == ["2027-06-01", None]
    assert after["contracts"][0]["changed"][1:] == before["contracts"][0]["changed"][1:]
    assert after["service_cases"] == [before["service_cases"][0] | {"closed": "2025-03-09"}]
    for wrong in ({"agreed-0-ends": "2024-01-01"}, {"agreed-0-on": ""}, {"troubles-0-closed": "2025-02-01"},
                  {"agreed-0-rest": '{"nope": 1}'}):  # fmt: skip
        assert client.post(EDIT + "cases/1/", sent | {"seen": seen(client, "cases/1/")} | wrong).status_code == 400
    assert document()["cases"] == [after]


TIER = "{field: person.custom.tier, op: is, value: gold}"


def fields_of_every_type():
    more = {"choice": {"choices": ["gold", "tin"]}, "several": {"choices": ["a", "b", "c"]}}
    names = {"tier": "choice", "wants": "several", "note": "text", "seats": "number", "budget": "money",
             "since": "date", "vip": "yes_no"}  # fmt: skip
    for label, kind in names.items():
        custom.define(label.capitalize(), of="person", type=kind, by=None, now=NOW, **more.get(kind, {}))
    custom.change(Field.objects.get(slug="tier"), labels={"gold": "Gold tier"}, by=None, now=NOW)


def test_a_test_case_says_custom_fields_by_their_types_and_shows_those_that_a_file_told(client):
    fields_of_every_type()
    custom.define("Of accounts", of="account", type="text", by=None, now=NOW)
    draft(SMALL + CASE)
    page = client.get(EDIT + "cases/new/").content.decode()
    assert "custom.tier" in page and "custom.of_accounts" not in page
    told = {"tier": "Gold tier", "wants": "c; a", "note": "Rang twice", "seats": "2.5", "budget": "-1200",
            "since": "2025-02-28", "vip": "no"}  # fmt: skip
    sent = {"name": "Gold", "first_seen": "2025-03-01", "stage": "known", "on": "2025-03-05", **NO_LISTS,
            "facts-TOTAL_FORMS": "8", "facts-INITIAL_FORMS": "0",
            "happened-TOTAL_FORMS": "0", "happened-INITIAL_FORMS": "0"}  # fmt: skip
    for at, (slug, text) in enumerate([*told.items(), ("seats", "")]):
        sent |= {f"facts-{at}-field": f"custom.{slug}", f"facts-{at}-value": text}
    assert client.post(EDIT + "cases/new/", sent).status_code == 302
    known = {"tier": "gold", "wants": ["a", "c"], "note": "Rang twice", "seats": 2.5, "budget": -1200,
             "since": "2025-02-28", "vip": False}  # fmt: skip
    assert document()["cases"][1]["person"] == {"first_seen": "2025-03-01", "custom": known}
    page = client.get(EDIT + "cases/2/").content.decode()
    for shown in ("Gold tier", "a; c", "Rang twice", "2.5", "-1200", "2025-02-28", "no"):
        assert f'value="{shown}"' in page, shown
    assert client.post(EDIT + "cases/2/", sent | {"seen": seen(client, "cases/2/")}).status_code == 302
    assert document()["cases"][1]["person"]["custom"] == known
    for slug, wrong in (("tier", "iron"), ("wants", "a; d"), ("seats", "many"), ("budget", "1.5"), ("since", "31.3.2025"),
                        ("vip", "maybe")):  # fmt: skip
        one = {"facts-0-field": f"custom.{slug}", "facts-0-value": wrong, "seen": seen(client, "cases/2/")}
        refused = client.post(EDIT + "cases/2/", sent | one)
        assert refused.status_code == 400 and f"“{slug.capitalize()}” takes" in text_of(refused), slug
    assert document()["cases"][1]["person"]["custom"] == known


def test_who_enters_by_a_custom_field_is_tried_with_a_case_made_in_the_browser(client):
    fields_of_every_type()
    draft(SMALL.replace("entry: {}", f"entry: {TIER}"))
    sent = {"name": "Gold", "first_seen": "2025-03-01", "stage": "known", "on": "2025-03-05", **NO_LISTS,
            "facts-TOTAL_FORMS": "1", "facts-INITIAL_FORMS": "0", "facts-0-field": "custom.tier",
            "facts-0-value": "gold", "happened-TOTAL_FORMS": "0", "happened-INITIAL_FORMS": "0"}  # fmt: skip
    assert client.post(EDIT + "cases/new/", sent).status_code == 302
    sent |= {"name": "Tin", "facts-0-value": "tin", "stage": "nowhere"}
    assert client.post(EDIT + "cases/new/", sent).status_code == 302
    assert text_of(client.get("/lifecycles/small/v1/cases/")).count("status--good") == 2


def test_what_a_line_cannot_show_of_a_custom_field_stays_in_the_test_case(client):
    fields_of_every_type()
    told = "{seats: many, gone: {a: 1}, wants: [], note: , vip: true}"
    draft(SMALL + CASE.replace("first_seen: 2025-03-01", f"first_seen: 2025-03-01, city: Bonn, custom: {told}"))
    [before] = document()["cases"]
    sent = {"name": "A stranger", "first_seen": "2025-03-01", "stage": "known", "on": "2025-03-05", **NO_LISTS,
            "facts-TOTAL_FORMS": "2", "facts-INITIAL_FORMS": "2", "facts-0-field": "city", "facts-0-value": "Bonn",
            "facts-1-field": "custom.vip", "facts-1-value": "yes", "seen": seen(client, "cases/1/"),
            "happened-TOTAL_FORMS": "0", "happened-INITIAL_FORMS": "0"}  # fmt: skip
    assert client.post(EDIT + "cases/1/", sent).status_code == 302
    assert document()["cases"] == [before]
    sent |= {"facts-1-field": "custom.seats", "facts-1-value": "3", "seen": seen(client, "cases/1/")}
    assert client.post(EDIT + "cases/1/", sent).status_code == 302
    assert document()["cases"][0]["person"]["custom"] == {"gone": {"a": 1}, "wants": [], "note": None, "seats": 3}


def test_an_edit_asks_nothing_of_the_ledger_unless_a_stage_or_rule_goes(ada):
    """Of each row that goes, the database looks through all movements for whoever was moved by it."""
    version = draft()

    def edited(edit):
        with CaptureQueriesContext(connection) as asked:
            drafts.change(version, edit, by=ada, now=NOW)
        return " ".join(each["sql"] for each in asked)

    def change(told):
        first, second = told["stages"][:2]
        first["slug"], second["slug"] = second["slug"], first["slug"]
        told["stages"].insert(1, {"slug": "between", "name": "Between"})
        told["transitions"].append({"from": "between", "to": first["slug"], "by_hand": True})

    before = documents.of_version(version)
    for edit in (change, lambda told: told.update(deepcopy(before))):
        wanted = documents.of_version(version)
        edit(wanted)
        said = edited(edit)
        assert documents.of_version(version) == documents.checked(wanted)
        assert ("DELETE" in said) == (edit is not change) and ("lifecycle_movement" in said) == (edit is not change)


def test_a_backtest_lets_go_of_a_rule_that_an_edit_changes_and_of_no_other(ada):
    version = draft()
    rule = version.transitions.order_by("priority").first()
    backtest = Backtest.objects.create(
        version=version,
        swept=rule,
        begins_on=NOW.date(),
        ends_on=NOW.date(),
        stage="known",
        outcome={},
        horizon=90,
        created_at=NOW,
    )

    def still():
        backtest.refresh_from_db()
        return backtest.swept

    drafts.change(version, lambda told: told["transitions"].reverse(), by=ada, now=NOW)
    assert still() == rule and str(still()) == str(rule) and still().priority == version.transitions.count()
    drafts.change(version, lambda told: told["transitions"][-1].update(reason="Otherwise"), by=ada, now=NOW)
    assert still() is None

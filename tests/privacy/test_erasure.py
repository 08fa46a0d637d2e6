"""Erasure: nothing by which somebody could be known is left in any table, and no figure of the past is another."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from audience import consent, importing, live
from audience.models import (
    Account,
    AccountRole,
    Activity,
    ConsentRecord,
    Contract,
    Deal,
    Field,
    FieldChange,
    Import,
    Person,
    Purchase,
    SegmentMember,
)
from audience.subjects import accounts, erasure
from campaigns import sending
from campaigns.models import Enrollment, Letter, Message, Response
from kit import holding, jobs, notes
from kit.models import AuditEntry, Job, Note, Team, User
from kit.sql import rows, sql
from lifecycle.models import Membership, Movement
from reporting import integrity
from scoring.models import Score
from tests import asking, factories
from tests.asking import Api
from tests.audience.importing import bringing
from tests.campaigns import making
from tests.campaigns.mailing import plainly, queued, reader, running
from tests.factories import NOW, activity, days_ago, person
from tests.privacy import world as worlds
from tests.privacy.world import EMAIL, EXTERNAL, FORMER, NAME, WORDS, World

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)
REPORTS = ("funnel", "loops", "retention", "concentration")


@pytest.fixture
def world() -> World:
    return worlds.build()


def erased(world: World) -> list[str] | None:
    return erasure.erase(world.person, by=world.by, now=LATER)


# ---- nothing is left ----


def test_nothing_of_them_is_found_in_any_column_of_any_table(world):
    assert {word for _table, word in worlds.found(*WORDS)} == set(WORDS)
    assert erased(world) == []
    live.run_all(LATER)
    assert worlds.found(*WORDS) == []


def test_values_that_an_import_replaced_go_and_others_of_the_same_import_can_return(settings, tmp_path):
    settings.UPLOADS = tmp_path
    words = ("quirkson", "zoe@quirk.example", "wonderson")
    bringing.bring("Email,Last name\nzoe@quirk.example,Quirkson\nbob@quirk.example,Builder\n")
    later = NOW + timedelta(minutes=1)
    again = "Email,Last name\nzoe@quirk.example,Wonderson\nbob@quirk.example,Bilder\n"
    second = bringing.bring(again, now=later)
    assert {word for _table, word in worlds.found(*words)} == set(words)
    zoe = Person.objects.get(last_name="Wonderson")
    assert "Builder" not in str(list(holding.everything(zoe))), "what is noted beside them is others'"
    assert erasure.erase(zoe, by=None, now=LATER) == []
    live.run_all(LATER)
    assert worlds.found(*words) == []
    jobs.run(importing.rollback.begin(second, by=None, now=LATER).pk, LATER)
    assert list(Person.objects.order_by("pk").values_list("last_name", flat=True)) == ["", "Builder"]
    assert worlds.found(*words) == []


def test_what_others_have_is_left_but_for_the_names_in_it(world):
    erased(world)
    number = f"#{world.person.pk}"
    written = next(part for part in holding.everything(world.other) if part.label == "notes")
    assert f"A friend of {number}, see {number} or {number} ({number})." in written.rows[0]
    [told] = Activity.objects.filter(person=world.other)
    assert told.properties == {"recommended_by": number, "note": f"knows\n{number}"}
    shared = Deal.objects.get(account__name="Harmony Works")
    assert (shared.name, shared.amount) == (f"Sale to {number}", 700_00)


def test_a_name_or_phone_that_somebody_else_has_too_is_not_struck_out(world):
    namesake = person(first_name="Zsófia", last_name="Quuxwright-O'Hara", phone=worlds.PHONE)
    kept = activity(namesake, days_ago(2), properties={"said": f"{NAME} {worlds.PHONE}"})
    erased(world)
    kept.refresh_from_db()
    assert kept.properties == {"said": f"{NAME} {worlds.PHONE}"}


@pytest.mark.parametrize(
    ("first", "last"),
    [("İnci", "İstanbulluoğlu"), ('Pat "Paddy"', "O\\Neil"), ("100%", "R_al.*"), ("أحمد", "محمدي"), ("Li", "Bo"), ("Ann", "\u202eeel")],
)  # fmt: skip
def test_names_of_any_letters_are_found_in_text_and_in_json(first, last):
    someone, other = person(first_name=first, last_name=last), person()
    told = activity(other, NOW, properties={f"said\nby {first} {last}": [f"{last}, {first}", "kept"]})
    note = notes.add(other.pk, f"{last} {first}: «{first} {last}».", by=None, now=NOW)
    erasure.erase(someone, by=None, now=LATER)
    told.refresh_from_db(), note.refresh_from_db()
    number = f"#{someone.pk}"
    assert told.properties == {f"said\nby {number}": [number, "kept"]}
    assert note.body == f"{number}: «{number}»."


def test_words_within_words_and_numbers_of_json_stay_what_they_are(world):
    Person.objects.filter(pk=world.person.pk).update(phone="5550199123")
    kept = activity(world.other, days_ago(2), properties={"n": 5550199123, "phone": "5550199123", "m": f"x{EMAIL}y"})
    erased(world)
    kept.refresh_from_db()
    assert kept.properties == {"n": 5550199123, "phone": f"#{world.person.pk}", "m": f"x{EMAIL}y"}


def test_what_is_said_to_everybody_is_told_and_not_changed(world):
    content = making.content("Praise", html=f"<p>Says {NAME}</p>")
    assert erased(world) == ["content versions"]
    assert NAME in content.versions.get().html


def test_a_ledger_lets_go_of_what_is_personal_in_an_erasure_and_at_no_other_time(world):
    for ledger, personal in (
        (Activity, {"properties": {}}), (FieldChange, {"old": None}), (ConsentRecord, {"wording": None}),
        (Movement, {"reason": ""}), (AuditEntry, {"after": None}),
    ):  # fmt: skip
        with pytest.raises(Exception, match="append-only"), transaction.atomic():
            ledger.objects.update(**personal)
    with holding.erasing():
        with pytest.raises(Exception, match="append-only"), transaction.atomic():
            Movement.objects.update(actor="somebody else")
        with pytest.raises(Exception, match="append-only"), transaction.atomic():
            Movement.objects.all().delete()


@pytest.mark.parametrize(
    ("first", "last", "said", "left"),
    [
        ("小明", "王", "今天王小明说他不来了。", "今天{}说他不来了。"),
        ("小明", "王", "CEO王小明和Ann Bell", "CEO{}和Ann Bell"),
        ("", "欧阳娜娜", "请联系欧阳娜娜。", "请联系{}。"),
        ("Ann", "Bell", "请联系Ann Bell先生，不是Ann Bellow", "请联系{}先生，不是Ann Bellow"),
        ("太郎", "山田", "山田太郎さんへ", "{}さんへ"),
    ],
)
def test_names_within_running_chinese_and_japanese_are_found(first, last, said, left):
    someone, other = person(first_name=first, last_name=last), person()
    told = activity(other, NOW, properties={"said": said})
    note = notes.add(other.pk, said, by=None, now=NOW)
    erasure.erase(someone, by=None, now=LATER)
    told.refresh_from_db(), note.refresh_from_db()
    assert note.body == told.properties["said"] == left.format(f"#{someone.pk}")


# ---- accounts ----


def test_nothing_by_which_an_account_was_known_is_found_and_its_people_and_figures_stay(client, settings, tmp_path):
    settings.UPLOADS = tmp_path
    by = User.objects.create_user("ada@perennial.example", "x", role=User.Role.ADMIN)
    Field.objects.create(of="account", slug="motto", label="Motto", type="text", created_at=NOW)
    told = {"name": "Zwirbelwerk Old", "domain": "zwirbel.example", "city": "Quedlinheim", "external_id": "ZW-99812"}
    gone = accounts.create(told, source="crm", by=by, now=days_ago(9))
    accounts.change(
        gone, {"name": "Zwirbelwerk & Sons", "domain": "zwirbelwerk.example", "custom": {"motto": "Spin it"}},
        source="crm", by=by, now=days_ago(8),
    )  # fmt: skip
    ann = person(email="ann@zwirbelwerk.example", account=gone, last_name="Weaver")
    deal = factories.deal(ann, days_ago(3), name="Looms for Zwirbelwerk & Sons", account=gone, amount=900_00)
    contract = Contract.objects.create(
        account=gone, name="Spindle care", starts_on=NOW.date(), annual_value=100, currency="EUR", external_id="k",
        source="crm", recorded_at=NOW,
    )  # fmt: skip
    AccountRole.objects.create(person=ann, account=gone, role="buyer")
    notes.add(ann.pk, "Works at zwirbelwerk & sons (ZW-99812, www.zwirbelwerk.example).", by=by, now=NOW)
    notes.add(gone.pk, "Pays late on Fridays", by=by, now=NOW)
    words = ("zwirbelwerk &", "zwirbelwerk old", "quedlinheim", "zw-99812", "spin it", "spindle care", "fridays",
             "www.zwirbel", "zwirbel.example")  # fmt: skip
    assert {word for _table, word in worlds.found(*words)} == set(words)
    client.force_login(by)
    wrong = client.post(f"/accounts/{gone.pk}/erase/", {"confirm": "Zwirbel"})
    assert wrong.status_code == 400 and Account.objects.get(pk=gone.pk).name
    page = client.post(f"/accounts/{gone.pk}/erase/", {"confirm": "zwirbelwerk & sons"}, follow=True)
    assert "All that was known of this account is erased." in page.content.decode()
    live.run_all(LATER)
    assert worlds.found(*words) == []
    ann.refresh_from_db(), deal.refresh_from_db(), contract.refresh_from_db()
    assert (ann.email, ann.account_id) == ("ann@zwirbelwerk.example", gone.pk), "each person is erased by themselves"
    assert (deal.name, deal.amount, deal.account_id, contract.annual_value) == ("", 900_00, gone.pk, 100)
    assert AccountRole.objects.get().ends_on is not None
    assert "Erased account" in client.get(ann.get_absolute_url()).content.decode()
    Api(by).refused("post", f"/accounts/{gone.pk}/erase/", {"confirm": "x"}, 404, "not_found")


def test_an_accounts_name_that_is_also_somebodys_own_stays_where_it_is_theirs():
    gone, other = factories.account(name="Ford"), person(first_name="Harrison", last_name="Ford")
    note = notes.add(other.pk, "Asked about Ford.", by=None, now=NOW)
    erasure.erase(gone, by=None, now=LATER)
    note.refresh_from_db(), other.refresh_from_db()
    assert (note.body, other.last_name) == ("Asked about Ford.", "Ford")


def test_many_are_erased_as_long_work_after_their_number_was_typed(client, monkeypatch):
    monkeypatch.setattr(erasure, "TOGETHER", 2)
    by = asking.user(User.Role.ADMIN)
    gone = [person(email=f"p{n}@quuxmany.example", first_name="Quuxmany", last_name=f"No{n}") for n in range(5)]
    stays = person(email="stays@quuxmany.example", first_name="Stays")
    notes.add(stays.pk, "Knows Quuxmany No3 and p4@quuxmany.example", by=by, now=NOW)
    client.force_login(by)
    asked = {"action": "erase", "id": [each.pk for each in gone]}
    page = client.post("/people/", asked).content.decode()
    assert "Quuxmany No0" in page and "Type 5, the number of rows" in page and not Job.objects.exists()
    page = client.post("/people/", asked | {"sure": "4"})
    assert page.status_code == 400 and "Nothing was done" in page.content.decode() and not Job.objects.exists()
    answer = client.post("/people/", asked | {"sure": "5"})
    job = Job.objects.get()
    assert answer.url.endswith(f"/jobs/{job.pk}/")
    erasure.erase(gone[0], by=by, now=NOW)  # as if the work had been interrupted after one
    assert jobs.run(job.pk, LATER)
    job.refresh_from_db()
    assert (job.state, job.result["told"]) == (Job.State.DONE, "4 were erased.")
    assert Person.objects.filter(erased_at=None).get() == stays
    assert worlds.found("quuxmany no", "p4@quuxmany") == []
    assert Note.objects.get(subject_id=stays.pk).body == f"Knows #{gone[3].pk} and #{gone[4].pk}"
    assert AuditEntry.objects.filter(action="person.erase").count() == 5


# ---- what is counted stays ----


def figures(world: World, api: Api) -> dict[str, Any]:
    """What reports say of the time before, and what the tables count."""
    span = "from=2025-01-01&to=2025-06-14"
    told: dict[str, Any] = {each: api.get(f"/reports/{each}/?{span}") for each in REPORTS}
    told["lift"] = api.get("/reports/lift/")
    for report in told.values():
        report.pop("filled_at", None)
    told["roll-up"] = rows(
        sql("SELECT * FROM reporting_dailyflow WHERE day < {} ORDER BY day, from_stage, to_stage", NOW.date())
    )
    told["counted"] = {
        model.__name__: model.objects.count()
        for model in (
            Activity,
            FieldChange,
            ConsentRecord,
            Deal,
            Purchase,
            Message,
            Enrollment,
            Response,
            SegmentMember,
        )
    }
    told["money"] = [sorted(model.objects.values_list("amount", "currency")) for model in (Deal, Purchase)]
    told["moves"] = list(
        Movement.objects.exclude(kind="erasure").order_by("pk").values_list("membership", "to_stage", "occurred_at")
    )
    return told


def test_the_figures_of_the_time_before_and_the_ledger_check_are_what_they_were(world):
    api = Api(world.by)
    before = figures(world, api)
    assert before["roll-up"] and before["funnel"]
    erased(world)
    live.run_all(LATER)
    assert integrity.check(world.lifecycle, now=LATER) == []
    after = figures(world, api)
    assert {key for key in before if before[key] != after[key]} == set()


def test_reasons_that_others_were_moved_for_stay_and_remarks_go(world):
    erased(world)
    reasons = list(
        Movement.objects.filter(membership__person=world.person).order_by("seq").values_list("reason", "kind")
    )
    assert reasons == [("Test", "placement"), ("", "hand"), ("Test", "hand"), ("erased", "erasure")]


def test_whoever_is_erased_is_nowhere_any_more(world):
    membership = Membership.objects.get(person=world.person)
    assert SegmentMember.objects.filter(person=world.person, left_at=None).exists()
    erased(world)
    membership.refresh_from_db()
    assert (membership.stage, membership.ended_at) == (None, LATER)
    assert not SegmentMember.objects.filter(person=world.person, left_at=None).exists()
    assert not Enrollment.objects.filter(person=world.person, state="active").exists()
    assert not Score.objects.filter(person=world.person).exists()


# ---- never written to again ----


def test_who_comes_back_by_an_import_is_somebody_new_whom_nobody_may_write_to(world):
    erased(world)
    bringing.bring(f"id,email\n{EXTERNAL},{EMAIL}\nOTHER,{FORMER}\n", mapping={"id": "external_id", "email": "email"})
    for address in (EMAIL, FORMER):
        back = Person.objects.get(email=address)
        assert back.pk != world.person.pk
        consent.give(back, topic=making.topic(), source="import", at=LATER, now=LATER)
        assert consent.verdict(back, topic=making.topic(), at=LATER) == "suppressed: erased"


def test_what_waits_to_be_sent_is_cancelled_and_never_goes():
    ada = reader(email=EMAIL)
    waits = queued(running(), ada)
    erasure.erase(ada, by=None, now=NOW)
    sending.run_all(LATER)
    waits.refresh_from_db()
    assert (waits.state, Letter.objects.count()) == ("cancelled", 0)


def test_nobody_is_erased_while_a_message_to_them_is_in_the_air(world):
    message = queued(running("Third"), world.person)
    for state in ("claimed", "sending"):
        Message.objects.filter(pk=message.pk).update(state=state)
    with pytest.raises(erasure.Refused, match="leaving at this moment"):
        erased(world)
    world.person.refresh_from_db()
    assert world.person.email == EMAIL
    Message.objects.filter(pk=message.pk).update(state="sent")
    assert erased(world) == []


# ---- files ----


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_that_waits_and_holds_them_is_deleted_and_others_stay(
    world, encoding, settings, tmp_path, django_capture_on_commit_callbacks
):
    settings.UPLOADS = tmp_path
    for name, text in (("theirs", f"email\n{EMAIL.upper()}\n"), ("another", "email\nsome@example.com\n")):
        (tmp_path / name).write_text(text, encoding=encoding)
        Import.objects.create(
            kind="people", file_name=name, path=str(tmp_path / name), encoding=encoding, source="x", created_at=NOW
        )
    with django_capture_on_commit_callbacks(execute=True):
        erased(world)
    assert [path.name for path in tmp_path.iterdir()] == ["another"]


def test_an_import_under_way_that_holds_them_comes_first(world, settings, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(f"email\n{EMAIL}\n")
    job = jobs.enqueue("import", {}, by=None, now=NOW, title="x")
    Import.objects.create(
        kind="people", file_name="leads.csv", path=str(path), source="x", created_at=NOW, encoding="utf-8", job=job
    )
    with pytest.raises(erasure.Refused, match="leads.csv"):
        erased(world)
    assert path.exists() and worlds.found(EMAIL.casefold())


# ---- who may, and how ----


def test_on_the_page_their_email_or_name_is_typed(world, client):
    client.force_login(world.by)
    address = f"/people/{world.person.pk}/erase/"
    page = client.get(address).content.decode()
    assert "It cannot be taken back" in page and "funnels" in page
    assert f'href="{address}"' in client.get(f"/people/{world.person.pk}/").content.decode()
    refused = client.post(address, {"confirm": "Somebody Else"})
    assert refused.status_code == 400 and b"neither the email nor the name" in refused.content
    assert client.post(address, {"confirm": f" {EMAIL.upper()} "}).status_code == 302
    page = client.get(f"/people/{world.person.pk}/").content.decode()
    assert f"Erased person #{world.person.pk}" in page and "Everything we hold" not in page
    assert client.get(address).status_code == client.post(address, {"confirm": EMAIL}).status_code == 404
    assert not [word for word in WORDS if word in client.get("/people/").content.decode().casefold()]
    [entry] = AuditEntry.objects.filter(action="person.erase")
    assert (entry.actor, entry.after) == (world.by.email, {"person": world.person.pk})


@pytest.mark.django_db(transaction=True)
def test_over_the_api_likewise_and_the_feed_tells_of_it(world):
    api = Api(world.by)
    page, pk = api.get("/changes/?kinds=person"), world.person.pk
    while page["more"]:
        page = api.get(f"/changes/?kinds=person&cursor={page['cursor']}")
    api.refused("post", f"/people/{pk}/erase/", {"confirm": "x"}, 400, "not_confirmed")
    assert api.post(f"/people/{pk}/erase/", {"confirm": NAME}) == {"id": pk, "job": None, "named_in": []}
    api.refused("post", f"/people/{pk}/erase/", {"confirm": NAME}, 404, "not_found")
    api.refused("get", f"/people/{pk}/", None, 404, "not_found")
    told = [each for each in api.get(f"/changes/?kinds=person&cursor={page['cursor']}")["results"] if each["id"] == pk]
    assert [(each["action"], each["data"]) for each in told] == [("erased", None)]


def test_in_a_large_database_it_is_long_work(world, client, monkeypatch):
    monkeypatch.setattr(erasure, "AT_ONCE", -1)
    told = Api(world.by).post(f"/people/{world.person.pk}/erase/", {"confirm": NAME}, 202)
    client.force_login(world.by)
    answer = client.post(f"/people/{world.person.pk}/erase/", {"confirm": EMAIL})
    assert "/jobs/" in answer.url
    assert jobs.run(told["job"], LATER) and worlds.found(*WORDS) == []
    assert client.get(answer.url).status_code == 200


def test_a_message_in_the_air_or_a_file_is_told_to_programs_as_a_conflict(world):
    message = queued(running("Third"), world.person)
    for state in ("claimed", "sending"):
        Message.objects.filter(pk=message.pk).update(state=state)
    Api(world.by).refused("post", f"/people/{world.person.pk}/erase/", {"confirm": NAME}, 409, "erase_refused")


@pytest.mark.parametrize("role", [User.Role.MARKETER, User.Role.SALES, User.Role.ANALYST, User.Role.VIEWER])
def test_without_the_right_nobody_is_erased_nor_offered(client, role):
    team = Team.objects.create(name="North")
    someone = person(email=EMAIL, owner=asking.user(role))
    client.force_login(someone.owner)
    assert client.post(f"/people/{someone.pk}/erase/", {"confirm": EMAIL}).status_code == 403
    assert "/erase/" not in client.get(f"/people/{someone.pk}/").content.decode()
    Api(someone.owner).refused("post", f"/people/{someone.pk}/erase/", {"confirm": EMAIL}, 403, "role_may_not")
    someone.refresh_from_db()
    assert (someone.email, team.pk > 0) == (EMAIL, True)


# ---- at the same time ----


def in_another_connection(work: Any) -> threading.Thread:
    def go() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=go)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
def test_of_two_who_erase_one_person_one_does():
    someone = person(email=EMAIL)
    done: list[Any] = []
    both = [in_another_connection(lambda: done.append(erasure.erase(someone, by=None, now=NOW))) for _each in range(2)]
    for each in both:
        each.join()
    assert sorted(map(str, done)) == ["None", "[]"]
    assert AuditEntry.objects.filter(action="person.erase").count() == 1


def test_what_was_written_meanwhile_is_found_in_the_night(world):
    erased(world)
    late = activity(world.person, LATER, properties={"said": "hello"})
    notes.add(world.person.pk, "Rang just now", by=world.by, now=LATER)
    erasure.look_again(LATER + timedelta(hours=9))
    late.refresh_from_db()
    assert late.properties == {} and worlds.found("rang just now") == []


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_has_just_claimed_the_message_does_not_send_it():
    """The worker holds the message, is about to send, and finds it cancelled."""
    ada = reader(email=EMAIL)
    message = queued(running(), ada)
    go_on, claimed = threading.Event(), threading.Event()

    def slowly(ids: Any, now: Any) -> Any:
        claimed.set()
        assert go_on.wait(20)
        return plainly(ids, now)

    worker = in_another_connection(lambda: sending.run_all(NOW, write=slowly))
    assert claimed.wait(20)
    erasure.erase(ada, by=None, now=NOW)
    go_on.set()
    worker.join()
    message.refresh_from_db()
    assert (message.state, Letter.objects.count()) == ("cancelled", 0)


@pytest.mark.django_db(transaction=True)
def test_erasing_waits_for_who_is_just_sending_and_then_says_so():
    ada = reader(email=EMAIL)
    message = queued(running(), ada)
    Message.objects.filter(pk=message.pk).update(state="claimed")
    refused: list[str] = []

    def erase() -> None:
        try:
            erasure.erase(ada, by=None, now=NOW)
        except erasure.Refused as why:
            refused.append(str(why))

    with transaction.atomic():
        Message.objects.filter(pk=message.pk).update(state="sending")
        eraser = in_another_connection(erase)
        eraser.join(1)
        assert eraser.is_alive()
    eraser.join(20)
    assert refused and Person.objects.get(pk=ada.pk).email == EMAIL


@pytest.mark.django_db(transaction=True)
def test_waiting_files_are_read_before_anybody_is_held_and_what_came_meanwhile_is_looked_at_too(
    settings, tmp_path, monkeypatch
):
    settings.UPLOADS = tmp_path
    someone, read = person(email=EMAIL), Path.open
    told = {"kind": "people", "file_name": "x.csv", "header": ["email"], "source": "crm", "created_at": NOW}
    files = [tmp_path / name for name in ("first.csv", "late.csv", "other.csv")]
    for file, who in zip(files, (EMAIL, EMAIL, "else@x.example"), strict=True):
        file.write_text(f"email\n{who}\n")
    for file in (files[0], files[2]):
        Import.objects.create(path=str(file), **told)
    free: list[bool] = []

    def others_can_write() -> None:
        with transaction.atomic():
            free.append(Person.objects.select_for_update(nowait=True).get(pk=someone.pk).email == EMAIL)
        if not Import.objects.filter(path=str(files[1])).exists():  # comes while the others are read
            Import.objects.create(path=str(files[1]), **told)

    def opened(path, *args, **given):
        if path in files:
            in_another_connection(others_can_write).join()
        return read(path, *args, **given)

    monkeypatch.setattr(Path, "open", opened)
    assert erasure.erase(someone, by=None, now=NOW) == []
    monkeypatch.undo()
    someone.refresh_from_db()
    assert len(free) > 3 and all(free)
    assert (someone.email, [each.exists() for each in files]) == ("", [False, False, True])

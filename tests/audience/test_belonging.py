"""Who belongs to an account: roles that are given and end, what a buying centre lacks, people of the account's domain."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from audience import merging
from audience.belonging import domains, roles
from audience.importing import rollback
from audience.models import AccountRole, FieldChange, Person
from audience.subjects import erasure, people
from audience.subjects.people import BadValue
from kit import holding, installation, jobs
from kit.models import AuditEntry, User
from tests.asking import Api
from tests.audience.importing.bringing import bring, counts
from tests.factories import NOW, account, person

pytestmark = pytest.mark.django_db
TODAY = NOW.date()


@pytest.fixture
def ada(client):
    made = User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER)
    client.force_login(made)
    return made


def give(whom, firm, role="champion", **more):
    return roles.give(whom, firm, role, source="x", by=None, now=NOW, today=TODAY, **more)


def end(role, on=TODAY):
    return roles.end(role, ends_on=on, by=None, now=NOW, today=TODAY)


def seats(firm, user):
    return {
        seat.role: ([str(each.person) for each in seat.held], seat.missing) for seat in roles.buying_centre(firm, user)
    }


# ---- roles ----


def test_a_buying_centre_tells_who_is_what_and_what_is_missing(ada):
    firm, ann = account(name="Acme"), person(first_name="Ann")
    give(ann, firm)
    give(ann, firm, "Astrologer")
    told = seats(firm, ada)
    assert told["champion"] == (["Ann"], False) and told["economic buyer"] == ([], True)
    assert told["influencer"] == ([], False) and told["Astrologer"] == (["Ann"], False)
    assert list(told)[-1] == "Astrologer"  # what the list does not name comes last


def test_the_first_role_of_somebody_without_an_account_makes_it_theirs_and_no_role_moves_them_later():
    first, other, ann = account(name="First"), account(name="Other"), person(first_name="Ann")
    give(ann, first)
    give(ann, other)
    ann.refresh_from_db()
    assert ann.account == first
    assert FieldChange.objects.get(person=ann, field="account").old is None
    role = AccountRole.objects.get(account=first)
    assert end(role) and not end(role)
    ann.refresh_from_db()
    assert ann.account == first and AccountRole.objects.count() == 2


def test_roles_have_two_clocks_and_once_ended_may_be_given_again():
    firm, ann = account(name="Acme"), person(first_name="Ann")
    role = give(ann, firm, starts_on=date(2025, 1, 1))
    with pytest.raises(BadValue):
        give(ann, firm, "Champion")
    end(role, date(2025, 3, 1))
    role.refresh_from_db()
    assert (role.ends_on, role.recorded_at, role.end_recorded_at) == (date(2025, 3, 1), NOW, NOW)
    give(ann, firm)
    assert AccountRole.objects.filter(ends_on=None).count() == 1 and AccountRole.objects.count() == 2


def test_days_that_cannot_be_are_refused():
    firm, ann = account(name="Acme"), person(first_name="Ann")
    with pytest.raises(BadValue):
        give(ann, firm, starts_on=TODAY + timedelta(days=1))
    role = give(ann, firm, starts_on=date(2025, 5, 1))
    for day in (date(2025, 4, 30), TODAY + timedelta(days=1)):
        with pytest.raises(BadValue):
            end(role, day)
    with pytest.raises(IntegrityError), transaction.atomic():
        AccountRole.objects.filter(pk=role.pk).update(ends_on=date(2025, 4, 1))


def test_roles_are_given_and_ended_on_the_page_and_stand_on_profiles(client, ada):
    firm, ann = account(name="Acme"), person(first_name="Ann", last_name="Bell", email="ann@acme.example")
    url = reverse("account_roles", args=[firm.pk])
    client.post(url, {"person": f"Ann Bell #{ann.pk}", "role": "blocker", "starts_on": "2025-01-02"})
    role = AccountRole.objects.get()
    assert (role.person, role.role, role.starts_on, role.source) == (ann, "blocker", date(2025, 1, 2), "by hand")
    for page in (url, firm.get_absolute_url(), ann.get_absolute_url()):
        assert b"blocker" in client.get(page).content
    for wrong in ({"person": "Nobody", "role": "x"}, {"person": "Ann", "role": ""}, {"person": "Ann", "role": "x\x00"},
                  {"person": "Ann", "role": "x", "starts_on": "31/31/31"}, {"person": "Ann", "role": "BLOCKER"}):  # fmt: skip
        assert client.post(url, wrong).status_code == 400, wrong
    client.post(url, {"end": "9" * 30})
    client.post(url, {"end": role.pk, "ends_on": "0001-01-01"})
    role.refresh_from_db()
    assert role.ends_on is None
    client.post(url, {"end": role.pk, "ends_on": "2025-02-01"})
    role.refresh_from_db()
    assert role.ends_on == date(2025, 2, 1) and "blocker" in client.get(url).content.decode()
    actions = AuditEntry.objects.filter(action__startswith="role.").values_list("action", flat=True)
    assert sorted(actions) == ["role.end", "role.give"]


def test_a_salesperson_is_told_that_others_hold_a_role_but_not_who(client):
    sal = User.objects.create_user("sal@example.com", "x", role=User.Role.SALES)
    client.force_login(sal)
    firm, hidden = account(name="Acme", owner=sal), person(first_name="Zzhidden", account=account(name="Other"))
    give(hidden, firm)
    assert seats(firm, sal)["champion"] == ([], False)
    for url in (reverse("account_roles", args=[firm.pk]), firm.get_absolute_url()):
        page = client.get(url).content.decode()
        assert "Zzhidden" not in page and "1 whom others look after" in page


def test_the_list_of_roles_is_changed_by_users(client, ada):
    url = reverse("account_settings")
    assert client.post(url, {"needed": "boss\n\n", "also": "friend"}).status_code == 302
    assert roles.kinds() == [{"name": "boss", "needed": True}, {"name": "friend", "needed": False}]
    for wrong in ({"needed": "", "also": ""}, {"needed": "a", "also": "A"}, {"needed": "x" * 101, "also": ""}):
        assert client.post(url, wrong).status_code == 400
    assert AuditEntry.objects.filter(action="buying_roles.change").count() == 1


def test_roles_are_told_to_whoever_asks_for_access_and_go_with_an_erasure():
    firm, ann = account(name="Acme"), person(first_name="Ann", email="ann@acme.example")
    give(ann, firm, "champion of Ann")
    told = next(part for part in holding.everything(ann) if part.label == "roles in accounts")
    assert "champion of Ann" in str(told.rows)
    erasure.erase(ann, by=None, now=NOW)
    assert not AccountRole.objects.exists()


# ---- domains ----


def come(email, **more):
    return people.create({"email": email} | more, source="crm", by=None, now=NOW)


def test_nobody_is_put_into_an_account_by_their_domain_unless_that_is_set():
    account(name="Acme", domain="acme.example")
    assert come("ann@acme.example").account is None


def test_new_people_go_into_the_one_account_of_their_domain_where_that_is_set():
    installation.put("account_by_domain", True)
    acme, other = account(name="Acme", domain="Acme.example"), account(name="Other")
    for name in ("One", "Two"):
        account(name=name, domain="shared.example")
    account(name="Free", domain="gmail.com")
    account(name="Gone", domain="gone.example", erased_at=NOW)
    assert come("ann@acme.example").account == acme
    assert come("bob@acme.example", account=other).account == other
    assert come("cy@acme.example", account=None).account is None  # that they have none was said
    for email in ("a@shared.example", "a@gmail.com", "a@gone.example", "a@sub.acme.example", "a@acme.example.org"):
        assert come(email).account is None, email
    known = come("old@new.example")
    account(name="New", domain="new.example")
    people.upsert({"email": "old@new.example", "phone": "1"}, source="crm", by=None, now=NOW)
    known.refresh_from_db()
    assert known.account is None  # only who is new


def test_a_file_puts_its_new_people_into_the_account_of_their_domain():
    acme = account(name="Acme", domain="acme.example")
    text = "email,phone,company\na@acme.example,1,\nb@acme.example,2,Brook\nc@gmail.com,3,\nd@nowhere.example,4,\n"
    known = person(email="known@acme.example")
    installation.put("account_by_domain", True)
    assert counts(bring(text + "known@acme.example,5,\n"))["created"] == 4
    told = dict(Person.objects.values_list("email", "account__name"))
    assert told == {
        "a@acme.example": "Acme", "b@acme.example": "Brook", "c@gmail.com": None, "d@nowhere.example": None,
        "known@acme.example": None,
    }  # fmt: skip
    assert FieldChange.objects.filter(field="account").count() == 0  # they came so: there was nothing before
    known.refresh_from_db()
    bring("email,kind,date\nnew@acme.example,call,2025-01-01\n", "activities")
    assert Person.objects.get(email="new@acme.example").account == acme
    bring("email,phone\nonly@acme.example,3\n")  # without a column for accounts
    assert Person.objects.get(email="only@acme.example").account == acme


def test_people_of_a_domain_are_proposed_and_put_in_by_whoever_agrees(client, ada):
    acme = account(name="Acme", domain="acme.example")
    ann, bob = person(email="ann@acme.example"), person(email="bob@acme.example")
    elsewhere = person(email="x@notacme.example")
    assert b"Put them there" in client.get(ann.get_absolute_url()).content
    client.post(reverse("person_claim", args=[ann.pk]))
    ann.refresh_from_db()
    assert ann.account == acme
    page = client.get(reverse("account_claim", args=[acme.pk]))
    assert [each.pk for each in page.context["people"]] == [bob.pk]
    client.post(reverse("account_claim", args=[acme.pk]))
    bob.refresh_from_db()
    elsewhere.refresh_from_db()
    assert bob.account == acme and elsewhere.account is None
    assert FieldChange.objects.filter(field="account", source="by hand").count() == 2
    assert AuditEntry.objects.filter(action="account.claim").count() == 2
    assert client.post(reverse("person_claim", args=[elsewhere.pk])).status_code == 302  # nothing is proposed


def test_a_domain_for_everybody_proposes_nobody(client, ada):
    firm = account(name="Mailer", domain="gmail.com")
    person(email="x@gmail.com")
    assert not domains.waiting(firm).exists()
    assert b"everybody may have an address" in client.get(reverse("account_claim", args=[firm.pk])).content


def test_a_salesperson_is_proposed_no_account_of_others(client):
    sal = User.objects.create_user("sal@example.com", "x", role=User.Role.SALES)
    client.force_login(sal)
    account(name="Zzhidden", domain="acme.example")
    mine = person(email="ann@acme.example", owner=sal)
    assert b"Zzhidden" not in client.get(mine.get_absolute_url()).content
    client.post(reverse("person_claim", args=[mine.pk]))
    mine.refresh_from_db()
    assert mine.account is None


def open_roles(someone):
    held = AccountRole.objects.filter(person=someone, ends_on=None).order_by("account__name")
    return [(row.account.name, row.role) for row in held]


def test_roles_end_when_their_holder_leaves_the_account_by_whatever_way(client, settings, tmp_path):
    settings.UPLOADS = tmp_path
    ada = User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER)
    client.force_login(ada)
    old, new = account(name="Old"), account(name="New")

    def there(email):
        someone = person(email=email, account=old)
        roles.give(someone, old, "buyer", source="x", by=None, now=NOW, today=NOW.date())
        return someone

    by_hand, by_api, by_file = (there(f"{way}@x.example") for way in ("hand", "api", "file"))
    client.post(
        reverse("person_edit", args=[by_hand.pk]),
        {
            "email": by_hand.email,
            "initial-email": by_hand.email,
            "account": f"New #{new.pk}",
            "initial-account": f"Old #{old.pk}",
        },
    )
    Api(ada, "people:read", "people:write").patch(f"/people/{by_api.pk}/", {"account": {"id": new.pk}})
    imported = bring("email,account\nfile@x.example,New\n", now=NOW)
    for someone in (by_hand, by_api, by_file):
        someone.refresh_from_db()
        assert (someone.account, open_roles(someone)) == (new, []), someone.email
        [ended] = AccountRole.objects.filter(person=someone)
        assert ended.ends_on and ended.end_recorded_at, "the role ended, and its row stays"
    jobs.run(rollback.begin(imported, by=None, now=NOW + timedelta(hours=1)).pk, NOW + timedelta(hours=1))
    by_file.refresh_from_db()
    assert (by_file.account, open_roles(by_file)) == (old, [("Old", "buyer")]), "back with the account"


def test_whoever_holds_roles_in_several_accounts_keeps_them_when_only_the_first_account_changes():
    one, two, three = (account(name=name) for name in ("One", "Two", "Three"))
    someone = person(account=one)
    for firm, role in ((one, "buyer"), (two, "user"), (three, "user")):
        roles.give(someone, firm, role, source="x", by=None, now=NOW, today=NOW.date())
    people.change(someone, {"account": two}, source="x", by=None, now=NOW)
    assert open_roles(someone) == [("One", "buyer"), ("Three", "user"), ("Two", "user")]
    people.change(someone, {"account": account(name="Four")}, source="x", by=None, now=NOW)
    assert open_roles(someone) == [("One", "buyer"), ("Three", "user")], "they left Two, and no other"


def test_a_merge_ends_roles_in_the_account_that_is_left_and_parting_opens_them_again():
    one, two = account(name="One"), account(name="Two")
    stays, goes = person(account=one), person(account=two)
    roles.give(stays, one, "buyer", source="x", by=None, now=NOW, today=NOW.date())
    later = NOW + timedelta(hours=1)
    made = merging.merge(stays, goes, chosen={"account": True}, by=None, now=later)
    stays.refresh_from_db()
    assert (stays.account, open_roles(stays)) == (two, [])
    merging.part(made, by=None, now=later + timedelta(hours=1))
    stays.refresh_from_db()
    assert (stays.account, open_roles(stays)) == (one, [("One", "buyer")])

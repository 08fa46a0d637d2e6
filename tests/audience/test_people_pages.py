"""Lists, profiles and search in the browser: what is found, shown and refused, and how many queries it takes."""

import csv
import re
from datetime import date

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audience.models import (
    Account,
    AccountRole,
    Case,
    Contract,
    DealRole,
    Field,
    FieldChange,
    Identity,
    Person,
    Product,
)
from audience.subjects import accounts, people, querysets
from kit import installation, notes, work
from kit.models import User
from lifecycle.ledger import stages
from tests.factories import NOW, SMALL, account, activity, days_ago, deal, person, published, purchase

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _forgotten():
    cache.clear()


@pytest.fixture
def browser(client):
    client.force_login(
        User.objects.create_user("ada@example.com", "secret", role=User.Role.MARKETER, zone="Asia/Shanghai")
    )
    return client


def page(browser, url, **asked):
    response = browser.get(url, asked)
    assert response.status_code == 200, response.content[:500]
    return response.content.decode()


def names_on(browser, **asked):
    response = browser.get(reverse("people"), asked)
    return [row.first_name for row in response.context["page"].rows]


def exported(browser, url, **asked):
    response = browser.get(url, {"export": "csv"} | asked)
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


# ---- lists ----


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ann", ["Anna", "Joan"]),  # begins the first name; begins a word within the last
        ("ANNA berg", ["Anna"]),
        ("@acme", ["Zoë"]),
        ("zo@acme.ex", ["Zoë"]),
        ("northw", ["Joan"]),  # the account's name
        ("logistics", ["Joan"]),
        ("northwind.exa", ["Joan"]),
        ("crm-77", ["Åsa"]),  # an id of another system
        ("åsa", ["Åsa"]),
        ("ÅSA", ["Åsa"]),
        ("zzz", []),
        ("50%", []),
        ("_", []),
    ],
)
def test_a_search_finds_people_by_the_beginning_of_any_word_of_theirs(browser, text, found):
    northwind = account(name="Northwind Logistics", domain="northwind.example")
    person(first_name="Anna", last_name="Berg", email="a.berg@other.example")
    person(first_name="Joan", last_name="De Anneau", account=northwind)
    person(first_name="Zoë", email="zo@acme.example")
    asa = person(first_name="Åsa")
    Identity.objects.create(person=asa, system="crm", kind="person", external_id="crm-77")
    assert sorted(names_on(browser, q=text)) == sorted(found)


def test_empty_is_a_choice_of_its_own_and_the_choices_add_up(browser):
    berlin = account(name="A", industry="Rail")
    person(first_name="a", country="DE", source="unknown", account=berlin)
    person(first_name="b", country="SE", source="", account=account(name="B"))
    person(first_name="c", country="", source="")
    assert names_on(browser, country="(empty)") == ["c"]
    assert names_on(browser, source="(empty)") == ["c", "b"]
    assert names_on(browser, source="unknown") == ["a"]
    assert names_on(browser, industry="(empty)") == ["c", "b"]
    assert names_on(browser, industry="Rail") == ["a"]
    assert names_on(browser, account="(empty)") == ["c"]
    assert names_on(browser, account=f"#{berlin.pk}") == ["a"]
    offered = ["(empty)", "DE", "SE"]
    shown = browser.get(reverse("people")).context["filterset"].form.fields["country"].choices
    assert [value for value, _label in shown if value] == offered
    assert sum(len(names_on(browser, country=value)) for value in offered) == 3


def test_a_value_that_is_not_on_offer_may_be_asked_for_and_is_shown_as_the_filter(browser):
    person(country="DE")
    content = page(browser, reverse("people"), country="NO")
    assert '<option value="NO" selected>NO</option>' in content
    assert "Nothing matches" in content


def test_the_stage_now_is_a_column_and_a_filter(browser):
    version = published()
    first, second, nowhere = person(first_name="a"), person(first_name="b"), person(first_name="c")
    for someone, slug in ((first, "known"), (second, "lead")):
        stages.place(someone.pk, version, to=version.stages.get(slug=slug), reason="", by=None, at=NOW, now=NOW)
    assert names_on(browser, stage="small:known") == ["a"]
    assert names_on(browser, stage="(empty)") == [nowhere.first_name]
    rows = exported(browser, reverse("people"))
    assert [row["Stage now"] for row in rows] == ["", "Small: Lead", "Small: Known"]
    content = page(browser, reverse("people"))
    assert "species--net_new" in content
    assert "is no filter" in page(browser, reverse("people"), stag="x")
    assert "was left out" in page(browser, reverse("people"), stage="small:nowhere")


def test_only_the_newest_pass_counts_as_the_stage_now(browser):
    version = published()
    someone = person(first_name="a")
    stage = {each.slug: each for each in version.stages.all()}
    stages.place(someone.pk, version, to=stage["won"], reason="", by=None, at=days_ago(9), now=NOW)
    assert names_on(browser, stage="small:won") == ["a"]
    stages.place(someone.pk, version, to=stage["known"], reason="", by=None, at=days_ago(5), now=NOW)
    assert names_on(browser, stage="small:won") == []
    assert names_on(browser, stage="small:known") == ["a"]


def test_rows_sort_by_name_with_the_nameless_last_and_every_page_holds_each_row_once(browser):
    for number in range(120):
        person(first_name="", last_name=f"N{number % 40:02}" if number % 3 else "", email="")
    seen, url = [], reverse("people") + "?sort=by_name"
    while url:
        context = browser.get(url).context
        seen += [(row.last_name == "", row.last_name, row.pk) for row in context["page"].rows]
        url = context["after_view"]
    assert len(seen) == 120
    assert seen == sorted(seen)


def test_left_out_people_are_shown_with_a_badge_and_can_be_filtered(browser):
    person(first_name="Tester", is_excluded=True)
    person(first_name="Real")
    assert page(browser, reverse("people")).count("Left out of figures</span>") == 1
    assert names_on(browser, left_out="yes") == ["Tester"]
    assert names_on(browser, left_out="no") == ["Real"]


def test_the_export_holds_every_value_of_the_rows_that_the_filters_leave(browser):
    Field.objects.create(of="person", slug="tier", label="Tier", created_at=NOW)
    acme = account(name="Acme", domain="acme.example")
    kept = person(first_name="=1+1", email="a@b.example", country="DE", account=acme, custom={"tier": "gold"})
    Identity.objects.create(person=kept, system="crm", kind="person", external_id="77")
    person(country="SE")
    (row,) = exported(browser, reverse("people"), country="DE")
    assert (row["First name"], row["Email"], row["Account name"], row["Account domain"]) == (
        "'=1+1",
        "a@b.example",
        "Acme",
        "acme.example",
    )
    assert (row["External id"], row["Tier"], row["Number"]) == ("77", "gold", str(kept.pk))
    assert row["First seen"].startswith("2025-03-07 18:00")  # 10:00 UTC is 18:00 in the reader's zone


def test_accounts_filter_by_size_and_count_their_people_as_the_list_behind_the_count_does(browser):
    small, big = account(name="Small", employees=9), account(name="Big", employees=5000)
    account(name="Unknown")
    member, guest = person(account=big), person(account=small)
    person(account=big, erased_at=NOW)
    AccountRole.objects.create(person=guest, account=big, role="user")
    AccountRole.objects.create(person=guest, account=big, role="champion")
    AccountRole.objects.create(person=member, account=big, role="buyer")
    AccountRole.objects.create(person=member, account=small, role="former", ends_on=date(2024, 1, 1))
    rows = {row.name: row.people_count for row in browser.get(reverse("accounts")).context["page"].rows}
    assert rows == {"Small": 1, "Big": 2, "Unknown": 0}
    listed = browser.get(reverse("account_people", args=[big.pk])).context["page"].rows
    assert {row.pk: sorted(row.roles) for row in listed} == {member.pk: ["buyer"], guest.pk: ["champion", "user"]}
    for size, names in (("1", ["Small"]), ("5000", ["Big"]), ("(empty)", ["Unknown"])):
        assert [row.name for row in browser.get(reverse("accounts"), {"size": size}).context["page"].rows] == names


@pytest.mark.parametrize(
    "query",
    [
        "?sort=password&size=7&after=x&before=y",
        "?q=%00&country=%00&account=%00",
        "?account=%23999999999999999999&q=" + "x" * 5000,
        "?q=" + "%20a" * 400,
        "?size=-1&stage=a%3Ab%3Ac&left_out=maybe&export=pdf",
        "?q=%25%5F%5C%27%22%3B--",
    ],
)
@pytest.mark.parametrize("name", ["people", "accounts"])
def test_parameters_that_make_no_sense_are_left_out_and_never_an_error(browser, name, query):
    person(first_name="a")
    account(name="a")
    assert browser.get(reverse(name) + query).status_code == 200


# ---- profiles ----


def test_a_profile_shows_every_value_with_its_source_its_date_and_the_values_before(browser):
    Field.objects.create(of="person", slug="tier", label="Loyalty tier", created_at=NOW)
    old, new = account(name="Old Employer"), account(name="New Employer")
    someone = person(
        first_name="Ada", title="CTO", account=new, created_source="import crm", custom={"tier": "gold"}, country=""
    )
    for field, before, source, days in (
        ("title", "", "import crm", 50),
        ("title", "Engineer", "call notes", 20),
        ("account", str(old.pk), "import hr", 30),
        ("country", "FR", "import hr", 30),
        ("custom.tier", "silver", "billing", 10),
    ):
        at = days_ago(days)
        FieldChange.objects.create(
            person=someone, field=field, old=before, source=source, occurred_at=at, recorded_at=at
        )
    lines = {line.name: line for line in browser.get(reverse("person", args=[someone.pk])).context["lines"]}
    title = lines["title"]
    assert (title.now.text, title.now.source, title.now.since) == ("CTO", "call notes", days_ago(20))
    assert [(each.text, each.source, each.since, each.until) for each in title.before] == [
        ("Engineer", "import crm", days_ago(50), days_ago(20)),
        ("", "import crm", days_ago(100), days_ago(50)),
    ]
    assert (lines["account"].now.link, lines["account"].before[0].link) == (new, old)
    assert (lines["country"].now.text, lines["country"].before[0].text) == ("", "FR")
    assert (lines["custom.tier"].label, lines["custom.tier"].now.text) == ("Loyalty tier", "gold")
    content = page(browser, reverse("person", args=[someone.pk]))
    for text in ("Old Employer", "Engineer", "2 earlier values", "(empty)", "call notes"):
        assert text in content


def test_a_profile_shows_what_was_bought_what_runs_what_is_open_and_ids_elsewhere(browser):
    someone = person(first_name="Ada")
    product = Product.objects.create(name="Perimeter", source="t", external_id="p", recorded_at=NOW)
    purchase(someone, days_ago(5), product=product, amount=1050, currency="EUR", quantity="2.5")
    purchase(someone, days_ago(3), product=product, amount=100, currency="EUR")
    purchase(someone, days_ago(2), product=product, amount=7000, currency="JPY")
    deal(someone, days_ago(9), name="Big deal", amount=123456, currency="KWD")
    Contract.objects.create(
        person=someone, name="Support", starts_on=date(2025, 1, 1), renews_on=date(2031, 1, 1), annual_value=100000,
        currency="USD", source="t", external_id="c", recorded_at=NOW,
    )  # fmt: skip
    Case.objects.create(person=someone, title="Broken", opened_at=NOW, source="t", external_id="k", recorded_at=NOW)
    Identity.objects.create(person=someone, system="hubspot", kind="person", external_id="hs-1")
    content = page(browser, reverse("person", args=[someone.pk])).replace("\xa0", " ")
    for text in (
        "11.50 EUR",
        "3.5",
        "7,000 JPY",
        "123.456 KWD",
        "1,000.00 USD",
        "Support",
        "Broken",
        "hs-1",
        "Big deal",
    ):
        assert text in content, text


def test_an_account_shows_its_people_its_children_and_what_they_hold(browser):
    parent = account(name="Parent")
    child = account(name="Child", parent=parent)
    member = person(first_name="Mia", account=parent)
    AccountRole.objects.create(person=member, account=parent, role="decision maker")
    purchase(member, days_ago(3), amount=5000, currency="EUR")
    deal(parent, days_ago(9), name="Frame deal")
    content = page(browser, reverse("account", args=[parent.pk])).replace("\xa0", " ")
    for text in ("Mia", "decision maker", "Child", "50.00 EUR", "Frame deal"):
        assert text in content, text
    assert "Parent" in page(browser, reverse("account", args=[child.pk]))


def test_the_strip_tells_every_lifecycle_its_stage_the_days_and_why(browser):
    version = published()
    onboarding = published(
        SMALL.replace("lifecycle: small", "lifecycle: on")
        .replace("name: Small", "name: Onboarding")
        .replace("net_new", "customer")
    )
    someone = person(first_name="Ada")
    for each in (version, onboarding):
        stages.place(
            someone.pk, each, to=each.stages.get(slug="known"), reason="First seen", by=None, at=days_ago(12), now=NOW
        )
    content = page(browser, reverse("person", args=[someone.pk]))
    for text in ("Onboarding", "Small", "Because: First seen", 'aria-current="step"', "Move by hand"):
        assert text in content, text
    assert content.count("stay__head") == 2


def test_times_are_shown_in_the_zone_of_the_reader_else_of_the_installation(browser, client):
    someone = person(first_name="Ada")
    activity(someone, days_ago(0))
    assert "18:00" in page(browser, reverse("person", args=[someone.pk]))
    installation.put("zone", "America/New_York")
    User.objects.update(zone="")
    assert "06:00" in page(browser, reverse("person", args=[someone.pk]))
    User.objects.update(zone="Mars/Olympus")
    assert "06:00" in page(browser, reverse("person", args=[someone.pk]))


def test_the_erased_are_shown_as_erased_and_nothing_else(browser):
    gone = person(country="DE", erased_at=NOW)
    activity(gone, days_ago(4), kind="secret_visit")
    content = page(browser, reverse("person", args=[gone.pk]))
    assert f"Erased person #{gone.pk}" in content
    assert "Secret visit" not in content
    assert "What is known" not in content
    assert browser.get(reverse("person_timeline", args=[gone.pk])).status_code == 404
    assert names_on(browser) == []


@pytest.mark.parametrize("pk", [0, 4242, 10**18, 10**30])
@pytest.mark.parametrize("name", ["person", "account", "person_timeline", "account_timeline", "account_people"])
def test_an_unknown_number_is_a_page_that_says_so(browser, name, pk):
    response = browser.get(reverse(name, args=[pk]))
    assert response.status_code == 404
    assert "There is no such page" in response.content.decode()


def test_an_account_is_no_person(browser):
    assert browser.get(reverse("person", args=[account(name="A").pk])).status_code == 404


def test_who_is_not_signed_in_sees_nothing(client):
    someone = person(first_name="Ada")
    for url in (reverse("people"), reverse("person", args=[someone.pk]), reverse("search") + "?q=ada"):
        assert client.get(url).status_code == 302


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7|add:7 }}{% load x %}"


def test_hostile_content_is_shown_as_text_everywhere(browser):
    company = account(name=HOSTILE[:300], domain=HOSTILE[:200], industry=HOSTILE[:200])
    someone = person(first_name=HOSTILE, last_name=HOSTILE, email=HOSTILE, title=HOSTILE, country=HOSTILE[:100],
                     account=company, custom={"x": HOSTILE}, is_excluded=True, excluded_reason=HOSTILE)  # fmt: skip
    Field.objects.create(of="person", slug="x", label=HOSTILE, created_at=NOW)
    FieldChange.objects.create(
        person=someone, field="title", old=HOSTILE, source=HOSTILE[:100], occurred_at=NOW, recorded_at=NOW
    )
    Identity.objects.create(person=someone, system=HOSTILE[:64], kind=HOSTILE[:32], external_id=HOSTILE)
    AccountRole.objects.create(person=someone, account=company, role=HOSTILE[:100])
    activity(someone, days_ago(1), properties={HOSTILE: HOSTILE}, channel=HOSTILE[:32], platform=HOSTILE[:32])
    sale = deal(company, days_ago(2), name=HOSTILE, stage=HOSTILE[:100], reason=HOSTILE)
    DealRole.objects.create(deal=sale, person=someone, role=HOSTILE[:100])
    version = published()
    known = version.stages.get(slug="known")
    stages.place(someone.pk, version, to=known, reason=HOSTILE, by=None, at=days_ago(3), now=NOW)
    for url in (
        reverse("people"),
        reverse("accounts"),
        reverse("person", args=[someone.pk]),
        reverse("account", args=[company.pk]),
        reverse("account_people", args=[company.pk]),
        reverse("person_timeline", args=[someone.pk]) + "?channel=%3Cscript%3Ealert(1)&before=%3Cscript%3E",
        reverse("search") + "?q=%3Cscript%3Ealert(1)%3C/script%3E",
        reverse("people") + "?country=%3Cscript%3Ealert(1)&%3Cscript%3Ealert(1)=1",
    ):
        content = page(browser, url)
        assert "<script>alert" not in content, url
        assert "<img src=x" not in content, url
        assert "alert(1)" in content, url  # it is there, as text


# ---- search ----


def test_three_letters_find_people_accounts_and_lifecycles(browser):
    published()
    acme = account(name="Smallville Ltd")
    by_name, by_mail = person(last_name="Smallwood"), person(email="smallfry@x.example", first_name="Bo")
    of_acme = person(first_name="Other", account=acme)
    gone = person(last_name="Smallgone", erased_at=NOW)
    response = browser.get(reverse("search"), {"q": "sma"})
    assert {each.pk for each in response.context["people"]} == {by_name.pk, by_mail.pk}
    assert response.context["accounts"] == [acme]
    content = response.content.decode()
    assert "/lifecycles/small/" in content
    assert str(gone.pk) not in [str(each.pk) for each in response.context["people"]]
    both = browser.get(reverse("search"), {"q": "other small"}).context["people"]
    assert [each.pk for each in both] == [of_acme.pk]


def test_a_search_without_words_or_without_hits_says_what_to_do(browser):
    assert "begins like that" in page(browser, reverse("search"), q="zzz")
    assert "begins like that" not in page(browser, reverse("search"), q="  \x00 ")
    assert page(browser, reverse("search"))


def test_a_search_with_many_hits_leads_to_the_list_of_all(browser):
    for _ in range(12):
        person(first_name="Anna")
    response = browser.get(reverse("search"), {"q": "ann"})
    assert len(response.context["people"]) == 10
    assert len(names_on(browser, q="ann")) == 12
    assert reverse("people") + "?q=ann" in response.content.decode()


def test_the_beginning_of_an_email_and_of_an_account_is_found_by_its_index():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # a table of none is not worth an index
    assert "person_by_email" in Person.objects.filter(querysets.begins_email("ann")).explain()
    assert "account_by_name" in Account.objects.filter(querysets.begins("ann", "name")).explain()


def test_whose_an_address_is_its_index_tells_to_whoever_asks():
    ann, acme = person(email="ann@acme.test"), account(name="Acme", domain="acme.test")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
    assert "person_by_email" in Person.objects.filter(people.has_email("ann@acme.test")).explain()
    assert "account_by_domain" in Account.objects.filter(accounts.has_domain("acme.test")).explain()
    with CaptureQueriesContext(connection) as asked:
        assert people.find(email="ann@acme.test") == ann
        assert accounts.find(domain="acme.test") == acme
        people.upsert({"email": "ann@acme.test", "last_name": "Bell"}, source="x", by=None, now=NOW)
        people.upsert({"email": "bea@acme.test"}, source="x", by=None, now=NOW)
    told = " ".join(each["sql"] for each in asked)
    assert 'lower("audience_person"."email" COLLATE "C") =' in told
    assert not re.search(r""""audience_person"."email" = '[^']""", told)
    assert 'lower("audience_account"."domain" COLLATE "C") =' in told


def test_a_search_looks_into_indexes_alone():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    people = querysets.find_people(Person.objects.order_by(), "ann 42").explain()
    accounts = querysets.find_accounts(Account.objects.order_by(), "ann 42").explain()
    # Which of an account's indexes serves a search for people depends on what was counted of its table before.
    assert {"person_by_word", "identity_by_beginning"} <= set(re.findall(r"\w+_by_\w+", people))
    assert {"account_by_word", "identity_by_beginning"} <= set(re.findall(r"\w+_by_\w+", accounts))
    assert "Seq Scan" not in people + accounts


def test_a_list_by_name_is_read_in_the_order_of_an_index():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off")
    for of, model in (("person", Person), ("account", Account)):
        rows = model.objects.annotate(by_name=querysets.in_order(of)).filter(by_name__isnull=False)
        plan = rows.order_by("by_name", "pk")[:51].explain()
        assert f"{of}_in_order" in plan and "Sort" not in plan, plan


@pytest.mark.parametrize("word", ["o'brien", "back\\slash", "a:*", "(a&b)|!c", "<->", "'", "\\", "';--", "Ä:ö"])
def test_a_search_takes_any_sign_for_what_it_is(browser, word):
    sought = person(first_name=f"Ann {word}x")
    person(first_name="Ann")
    assert names_on(browser, q=word) == [sought.first_name]


def test_nobody_waits_again_for_values_that_took_long_to_find(browser, monkeypatch):
    later = []
    monkeypatch.setattr(querysets, "_beside", later.append)
    monkeypatch.setattr(querysets, "LONG", -1)
    person(country="DE")
    with monkeypatch.context() as for_no_time:
        for_no_time.setattr(querysets, "REMEMBERED", -1)
        assert querysets.values_in_use(Person, "country") == ["DE"]
    person(country="FR")
    with CaptureQueriesContext(connection) as asked:
        assert querysets.values_in_use(Person, "country") == querysets.values_in_use(Person, "country") == ["DE"]
    assert not asked and len(later) == 1, "once for all who ask meanwhile"
    later[0]()
    assert querysets.values_in_use(Person, "country") == ["DE", "FR"]


def test_what_a_list_is_narrowed_by_is_asked_for_its_keys_and_not_again_for_its_rows(browser):
    sought = person(first_name="Ann", country="DE")
    person(first_name="Bea", country="DE")
    with CaptureQueriesContext(connection) as asked:
        assert names_on(browser, q="ann", country="DE") == [sought.first_name]
    looking = [each["sql"] for each in asked if "array_to_tsvector" in each["sql"]]
    assert len(looking) == 2, "the keys, and how many there are"


# ---- how many queries ----


def test_a_list_takes_the_same_few_queries_however_many_rows_it_shows(browser, django_assert_num_queries):
    version = published()
    known = version.stages.get(slug="known")
    for number in range(30):
        someone = person(first_name="a", account=account(name=f"A{number}"), country="DE")
        stages.place(someone.pk, version, to=known, reason="", by=None, at=days_ago(3), now=NOW)
    # session, user; keys, rows, count; on offer: countries, sources, industries, seniorities, title groups, stages,
    # owners, tags, searchable fields; and for many at once: tags to put on, tags to take off, users, fixed lists to put into, to take out of
    with django_assert_num_queries(21):
        page(browser, reverse("people"))
    # session, user; keys, rows, count; on offer: industries (remembered), countries, ownerships, stages, searchable fields
    with django_assert_num_queries(16):
        page(browser, reverse("accounts"))


def test_a_profile_takes_the_same_queries_however_much_there_is(browser, django_assert_num_queries):
    version = published()
    someone = person(first_name="Ada", account=account(name="Acme"))
    known = version.stages.get(slug="known")
    stages.place(someone.pk, version, to=known, reason="", by=None, at=days_ago(90), now=NOW)

    def live(days):
        activity(someone, days_ago(days), kind=f"kind_{days}")
        deal(someone, days_ago(days), days_ago(days))
        purchase(someone, days_ago(days))
        FieldChange.objects.create(
            person=someone, field="title", old=str(days), source="t", occurred_at=NOW, recorded_at=NOW
        )

        notes.add(someone.pk, f"after {days} days", by=None, now=NOW)
        work.add("Call", by=None, now=NOW, subject_id=someone.pk)

    live(1)
    # session, user; person; deals, contracts, cases; changes, custom fields; holdings; identities, merges;
    # tasks, done, whom a task can be for; notes; segments that it is in, all of them; tags; whom it can be given to; roles; holdings by family;
    # strip: memberships, those of the account, stages, movements, undo, zone; scores; timeline: choices, kinds, keys, activities, purchases, deals;
    # trail: who was merged, entries
    with django_assert_num_queries(41):
        page(browser, reverse("person", args=[someone.pk]))
    for days in range(2, 7):
        live(days)
    with django_assert_num_queries(41):
        page(browser, reverse("person", args=[someone.pk]))


@pytest.mark.parametrize("name", ["people", "accounts"])
def test_an_empty_list_says_how_to_fill_it_and_leads_there(browser, name):
    content = page(browser, reverse(name))
    assert "come with a file" in content
    assert f'href="{reverse("import_new")}"' in content


def test_a_column_that_gives_way_stays_while_the_list_is_sorted_by_it(browser):
    person()
    page = browser.get(reverse("people")).content.decode()
    gives_way = r'<td role="cell" data-label="First seen" class="is-aside">'
    assert re.search(gives_way, page) and 'href="/people/?sort=-first_seen_at"' in page.split('id="list-sort"')[1]
    assert re.search(r'data-label="Recorded" class="is-aside"', page)  # the order it has by itself
    assert not re.search(gives_way, browser.get(reverse("people") + "?sort=-first_seen_at").content.decode())

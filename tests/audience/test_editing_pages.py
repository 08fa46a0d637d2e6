"""People and accounts by hand: what is written, who wins when two write, and that no input breaks or runs."""

import json
import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from audience.models import Account, Field, FieldChange, Person
from audience.subjects import people
from kit import installation
from kit.models import AuditEntry, User
from tests.factories import NOW, account, person

pytestmark = pytest.mark.django_db

NASTY = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}{% load x %}", "'; DROP TABLE audience_person; --",
    "=cmd|' /C calc'!A0", "Ω≈ç√∫˜µ≤≥÷", "田中さんにあげて下さい", "‮test‮", "Ṱ̺̺̕o͞ ̷i̲̬͇̪͙n̝̗͕v̟̜̘̦͟o̶̙̰̠kè͚̮̺̪̹̱̤", "👾 🙇 💁", "\u200b\ufeff",
    "../../../../etc/passwd", "%00%0a", "NULL", "0", "a\x00b", "\\x00", "-1", "1e400", "NaN", "Infinity", "x" * 5000,
]  # fmt: skip


@pytest.fixture
def browser(client):
    client.force_login(User.objects.create_user("ada@example.com", "x", name="Ada", role=User.Role.MARKETER))
    return client


def shown(browser, url):
    """The form as a browser would send it back untouched."""
    form = browser.get(url).context["form"]
    data = {}
    for bound in form:
        value = bound.field.prepare_value(bound.value())
        for name in (bound.html_name, bound.html_initial_name):
            if name == bound.html_name and value is False:
                continue
            data[name] = "" if value is None else str(value)
    return data


def save(browser, url, data, **changes):
    return browser.post(url, data | changes)


def history(subject):
    return dict(FieldChange.objects.filter(subject_id=subject.pk).values_list("field", "old"))


def test_a_new_person_has_what_was_filled_and_belongs_to_whoever_made_it(browser):
    acme = account(name="Acme Rail", domain="acme.example")
    Field.objects.create(of="person", slug="tier", label="Tier", type="choice", choices=["gold"], created_at=NOW)
    url = reverse("person_new")
    page = browser.get(url + f"?account={acme.pk}")
    assert page.context["form"]["account"].value() == f"Acme Rail #{acme.pk}"
    answer = browser.post(url, {
        "first_name": " Zoë ", "last_name": "Okafor", "email": "ZOE@acme.example", "title": "Head of Sales",
        "account": f"Acme Rail #{acme.pk}", "custom-tier": "gold", "owner": page.context["user"].pk,
    })  # fmt: skip
    made = Person.objects.get()
    assert answer.url == made.get_absolute_url()
    assert (made.first_name, made.email, made.account, made.seniority) == ("Zoë", "zoe@acme.example", acme, "director")
    assert (made.custom, made.created_source, made.owner.name) == ({"tier": "gold"}, "by hand", "Ada")
    assert AuditEntry.objects.filter(action="person.create", actor="ada@example.com").exists()


def test_only_what_was_changed_is_written_and_the_profile_says_that_it_was_by_hand(browser):
    found = person(first_name="Ann", title="CEO", title_group="management", city="Berlin", created_source="crm")
    url = reverse("person_edit", args=[found.pk])
    assert save(browser, url, shown(browser, url), city="Bonn").url == found.get_absolute_url()
    found.refresh_from_db()
    assert (found.city, found.title_group, history(found)) == ("Bonn", "management", {"city": "Berlin"})
    content = browser.get(found.get_absolute_url()).content.decode()
    assert "by hand" in content and "Berlin" in content
    assert save(browser, url, shown(browser, url)).status_code == 302
    assert FieldChange.objects.count() == 1


def test_custom_fields_are_written_by_their_type(browser):
    for slug, kind in (("n", "number"), ("d", "date"), ("y", "yes_no"), ("m", "money"), ("t", "text")):
        Field.objects.create(of="person", slug=slug, label=slug.upper(), type=kind, created_at=NOW)
    installation.put("currency", "JPY")
    found = person(custom={"t": "as it was"})
    url = reverse("person_edit", args=[found.pk])
    told = {"custom-n": "7.5", "custom-d": "2025-02-28", "custom-y": "false", "custom-m": "1200", "custom-t": ""}
    assert save(browser, url, shown(browser, url), **told).status_code == 302
    found.refresh_from_db()
    assert found.custom == {"n": 7.5, "d": "2025-02-28", "y": False, "m": 1200}
    assert shown(browser, url)["custom-m"] == "1200"
    assert history(found)["custom.t"] == "as it was"


def test_what_an_import_brought_and_no_user_could_write_is_left_alone_while_something_else_is_changed(browser):
    Field.objects.create(of="person", slug="n", label="N", type="number", created_at=NOW)
    found = person(custom={"n": "about seven"}, zone="Nowhere/Land", first_name="a\nb")
    url = reverse("person_edit", args=[found.pk])
    assert save(browser, url, shown(browser, url), city="Bonn").status_code == 302
    found.refresh_from_db()
    assert (found.custom, found.zone, found.city) == ({"n": "about seven"}, "Nowhere/Land", "Bonn")
    assert set(history(found)) == {"city"}
    answer = save(browser, url, shown(browser, url), **{"custom-n": "about eight"})
    assert answer.status_code == 400 and "about eight" in answer.content.decode()


def test_money_of_an_account_is_kept_in_minor_units_of_its_currency(browser):
    url = reverse("account_new")
    browser.post(
        url, {"name": "Acme", "domain": "https://www.Bücher.example/x", "annual_revenue": "1234.5", "currency": "eur"}
    )
    made = Account.objects.get()
    assert (made.annual_revenue, made.currency, made.domain) == (123450, "EUR", "xn--bcher-kva.example")
    url = reverse("account_edit", args=[made.pk])
    save(browser, url, shown(browser, url), currency="JPY")
    made.refresh_from_db()
    assert (made.annual_revenue, made.currency) == (1235, "JPY")
    assert save(browser, url, shown(browser, url), currency="1").status_code == 400


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("Acme", "Several accounts are called so"),
        ("Nobody", "No account is called"),
        ("acme freight", ""),
        ("ACME.EXAMPLE", ""),
    ],
)
def test_without_scripts_an_account_is_found_by_what_was_typed(browser, typed, said):
    account(name="Acme Rail", domain="acme.example")
    account(name="Acme Freight")
    answer = browser.post(reverse("person_new"), {"first_name": "A", "account": typed})
    if said:
        assert answer.status_code == 400 and said in answer.content.decode()
    else:
        assert Person.objects.get().account.name.startswith("Acme")


def test_the_chooser_suggests_accounts_with_their_number(browser):
    acme = account(name="Acme <b>Rail</b>", domain="acme.example")
    content = browser.get(reverse("account_choose"), {"account": "acme"}).content.decode()
    assert f'value="Acme &lt;b&gt;Rail&lt;/b&gt; #{acme.pk}"' in content


def test_an_error_stands_at_its_field_and_nothing_typed_is_lost(browser):
    person(email="taken@x.example")
    told = {"first_name": "Ann", "email": "taken@x.example", "city": "Bonn"}
    answer = browser.post(reverse("person_new"), told)
    form = answer.context["form"]
    assert answer.status_code == 400 and "is there already" in str(form.errors["email"])
    assert form["city"].value() == "Bonn"
    assert "no email address" in browser.post(reverse("person_new"), {"email": "nope"}).content.decode()


def test_an_account_cannot_belong_to_itself_however_far_away(browser):
    top = account(name="Top")
    middle = account(name="Middle", parent=top)
    low = account(name="Low", parent=middle)
    url = reverse("account_edit", args=[top.pk])
    for each in (top, low):
        answer = save(browser, url, shown(browser, url), parent=f"x #{each.pk}")
        assert "cannot belong to itself" in str(answer.context["form"].errors["parent"])
    assert Account.objects.get(pk=top.pk).parent is None


# ---- two users at once ----


def test_of_two_who_change_the_same_field_the_second_sees_both_values_and_decides(browser):
    found = person(city="Berlin", country="DE")
    url = reverse("person_edit", args=[found.pk])
    mine, theirs = shown(browser, url), shown(browser, url)
    assert save(browser, url, theirs, city="Bonn", country="AT").status_code == 302
    answer = save(browser, url, mine, city="Köln")
    form = answer.context["form"]
    assert answer.status_code == 400
    assert "Bonn" in str(form.errors["city"]) and form["city"].value() == "Köln"
    assert "country" not in form.errors and form["country"].value() == "AT"
    found.refresh_from_db()
    assert found.city == "Bonn"
    again = {name: value for name, value in form.data.items() if name != "csrfmiddlewaretoken"}
    assert browser.post(url, again).status_code == 302
    found.refresh_from_db()
    assert (found.city, found.country) == ("Köln", "AT")
    assert list(FieldChange.objects.filter(field="city").order_by("pk").values_list("old", flat=True)) == [
        "Berlin",
        "Bonn",
    ]


def test_of_two_who_change_different_fields_both_are_kept(browser):
    found = person(city="Berlin", country="DE")
    url = reverse("person_edit", args=[found.pk])
    mine, theirs = shown(browser, url), shown(browser, url)
    save(browser, url, theirs, country="AT")
    assert save(browser, url, mine, city="Bonn").status_code == 302
    found.refresh_from_db()
    assert (found.city, found.country) == ("Bonn", "AT")


def test_a_person_who_is_erased_meanwhile_is_not_found(browser):
    found = person(city="Berlin")
    url = reverse("person_edit", args=[found.pk])
    data = shown(browser, url)
    Person.objects.filter(pk=found.pk).update(erased_at=timezone.now())
    assert save(browser, url, data, city="Bonn").status_code == 404


# ---- left out of figures ----


def test_leaving_out_takes_a_reason_and_is_kept_in_the_history(browser):
    found = person()
    url = reverse("person_edit", args=[found.pk])
    assert "Say why" in save(browser, url, shown(browser, url), is_excluded="on").content.decode()
    save(browser, url, shown(browser, url), is_excluded="on", excluded_reason="competitor")
    found.refresh_from_db()
    assert (found.is_excluded, found.excluded_reason) == (True, "competitor")
    assert history(found) == {"is_excluded": "false", "excluded_reason": ""}
    data = shown(browser, url)
    del data["is_excluded"]
    save(browser, url, data)
    found.refresh_from_db()
    assert (found.is_excluded, found.excluded_reason) == (False, "")


def test_whom_the_rule_of_own_domains_left_out_is_taken_in_by_the_rule_alone(browser):
    found = person(is_excluded=True, excluded_reason="own domain")
    url = reverse("person_edit", args=[found.pk])
    data = shown(browser, url)
    del data["is_excluded"]
    assert "A list leaves them out" in save(browser, url, data).content.decode()
    assert (
        "in other words"
        in save(
            browser, reverse("person_new"), {"first_name": "A", "is_excluded": "on", "excluded_reason": "own domain"}
        ).content.decode()
    )


def test_sales_write_people_but_do_not_touch_figures(client):
    sal = User.objects.create_user("sal@example.com", "x", role=User.Role.SALES)
    client.force_login(sal)
    found = person(city="Berlin", owner=sal)
    url = reverse("person_edit", args=[found.pk])
    assert save(client, url, shown(client, url), city="Bonn", is_excluded="on", excluded_reason="x").status_code == 302
    found.refresh_from_db()
    assert (found.city, found.is_excluded) == ("Bonn", False)


# ---- hostile input ----


@pytest.mark.parametrize("of", ["person", "account"])
@pytest.mark.parametrize("nasty", NASTY)
def test_whatever_is_typed_anywhere_is_kept_as_text_or_refused_at_its_field(browser, of, nasty):
    for kind in Field.Type.values:
        Field.objects.create(of=of, slug=kind, label=f"<i>{kind}</i>", type=kind, created_at=NOW)
    url = reverse(f"{of}_new")
    names = [name for name in browser.get(url).context["form"].fields if name != "is_excluded"]
    whole = dict.fromkeys(names, nasty) | {"is_excluded": "on"}
    answer = browser.post(url, whole)
    assert answer.status_code in (302, 400)
    if answer.status_code == 400:
        form = answer.context["form"]
        assert form.errors and all(form[name].value() == nasty for name in names)
        rest = {name: value for name, value in whole.items() if name not in form.errors}
        answer = browser.post(url, {"first_name": "A", "name": "A", "excluded_reason": "x"} | rest)
        assert answer.status_code == 302 or answer.context["form"].errors
    for subject in (Person if of == "person" else Account).objects.all():
        content = browser.get(subject.get_absolute_url()).content.decode()
        edit = browser.get(reverse(f"{of}_edit", args=[subject.pk])).content.decode()
        for text in (content, edit):
            assert not re.search(r"<script>alert|<img src=x|<i>", text)
            assert "49{" not in text


def test_a_version_or_a_shown_value_that_somebody_forged_writes_nothing_unseen(browser):
    found = person(city="Berlin", updated_at=NOW + timedelta(days=1))
    url = reverse("person_edit", args=[found.pk])
    data = shown(browser, url) | {"seen": "yesterday", "initial-city": "Rome"}
    answer = save(browser, url, data, city="Bonn")
    assert answer.status_code == 400 and "Berlin" in str(answer.context["form"].errors["city"])
    assert browser.post(url, {"seen": json.dumps(None)}).status_code in (302, 400)
    with pytest.raises(people.BadValue):
        people.change(found, {"nonsense": 1}, source="x", by=None, now=NOW)

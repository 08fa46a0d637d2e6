"""Accounts that belong to accounts: the tree with its figures, everything below, and no circles whoever writes."""

import threading
from datetime import date

import pytest
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from audience.belonging import families
from audience.commerce import contracts
from audience.models import Account
from audience.subjects import accounts
from audience.subjects.people import BadValue
from kit.models import User
from kit.sql import rows
from tests.audience.importing.bringing import bring, counts
from tests.factories import NOW, account, deal, person

TODAY = NOW.date()


@pytest.fixture
def ada(db, client):
    made = User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER)
    client.force_login(made)
    return made


def under(parent, **values):
    return account(parent=parent, **values)


def give(child, parent, by=None):
    return accounts.change(child, {"parent": parent}, source="test", by=by, now=NOW)


@pytest.mark.django_db
def test_a_family_is_told_from_its_top_with_the_sums_of_all_of_it(ada):
    top = account(name="Top")
    child = under(top, name="Child")
    grandchild = under(child, name="Grandchild")
    account(name="Stranger")
    for firm in (top, child, child):
        person(account=firm)
    deal(child, NOW, amount=100_00, currency="EUR")
    deal(grandchild, NOW, amount=50_00, currency="USD")
    deal(child, NOW, NOW, amount=999_00, currency="EUR")  # won: not open any more
    made = contracts.make(
        {"name": "C", "starts_on": date(2025, 1, 1), "annual_value": 1000_00, "currency": "EUR"}, subject=grandchild,
        source="x", by=None, now=NOW,
    )  # fmt: skip
    contracts.amend(made, valid_from=date(2025, 3, 1), annual_value=1500_00, by=None, now=NOW)
    for seen_from in (top, child, grandchild):
        tree = families.tree(seen_from, ada, TODAY)
        assert [(node.account.name, node.depth) for node in tree.nodes] == [("Top", 0), ("Child", 1), ("Grandchild", 2)]
        assert (tree.count, tree.people, tree.deals) == (3, 3, 2)
        assert (tree.open, tree.value) == ({"EUR": 100_00, "USD": 50_00}, {"EUR": 1500_00})
    assert families.tree(Account.objects.get(name="Stranger"), ada, TODAY) is None


@pytest.mark.django_db
def test_lists_are_narrowed_to_an_account_with_everything_below_it(client, ada):
    top = account(name="Top")
    child = under(top, name="Child")
    grandchild = under(child, name="Grandchild")
    account(name="Stranger")
    whom = person(first_name="Deep", account=grandchild)
    person(first_name="Elsewhere")
    found = client.get(reverse("accounts"), {"within": child.pk}).context["page"].rows
    assert {each.pk for each in found} == {child.pk, grandchild.pk}
    assert [each.pk for each in client.get(reverse("people"), {"within": top.pk}).context["page"].rows] == [whom.pk]
    assert {pk for (pk,) in rows(families.below(top.pk))} == {top.pk, child.pk, grandchild.pk}
    for nonsense in ("x", "9" * 30, "'"):
        assert client.get(reverse("accounts"), {"within": nonsense}).status_code == 200


@pytest.mark.django_db
def test_a_salesperson_sees_of_a_family_what_is_theirs(client):
    sal = User.objects.create_user("sal@example.com", "x", role=User.Role.SALES)
    top = account(name="Top", owner=sal)
    under(under(top, name="Hidden"), name="Mine", owner=sal)
    tree = families.tree(top, sal, TODAY)
    assert [node.account.name for node in tree.nodes] == ["Top", "Mine"] and tree.count == 2
    client.force_login(sal)
    assert b"Hidden" not in client.get(top.get_absolute_url()).content


@pytest.mark.django_db
def test_an_account_belongs_neither_to_itself_nor_to_what_is_below_it():
    top = account(name="Top")
    child = under(top, name="Child")
    for wrong in (top, child):
        with pytest.raises(BadValue):
            give(top, wrong)
    with pytest.raises(IntegrityError), transaction.atomic():  # and the database holds it too
        Account.objects.filter(pk=top.pk).update(parent=child)
    top.refresh_from_db()
    assert top.parent is None


@pytest.mark.django_db
def test_a_file_that_would_close_a_circle_is_told_so_and_the_rest_of_it_is_kept():
    text = "id,name,parent\n1,A,B\n2,B,C\n3,C,A\n4,D,A\n5,E,E\n"
    assert counts(bring(text, "accounts")) == {
        "rows": 5, "created": 5, "parents_circular": 4,
    }  # fmt: skip
    parents = dict(Account.objects.values_list("name", "parent__name"))
    assert parents == {"A": None, "B": None, "C": None, "D": "A", "E": None}
    # With a link that is there already, only the row that closes the circle is left out.
    bring("id,name,parent\n1,A,B\n", "accounts")
    assert counts(bring("id,name,parent\n2,B,A\n", "accounts"))["parents_circular"] == 1
    parents = dict(Account.objects.values_list("name", "parent__name"))
    assert (parents["A"], parents["B"]) == ("B", None)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_make_each_the_parent_of_the_other_at_once_one_is_refused():
    one, other = account(name="One"), account(name="Other")
    first_has_written, outcome = threading.Event(), []

    def second():
        first_has_written.wait(10)
        try:
            give(other, one)
            outcome.append("written")
        except BadValue:
            outcome.append("refused")
        finally:
            connection.close()

    thread = threading.Thread(target=second)
    with transaction.atomic():
        thread.start()
        give(one, other)
        first_has_written.set()
        thread.join(0.5)
        assert thread.is_alive() and outcome == []  # the second waits for the first
    thread.join(10)
    assert outcome == ["refused"]
    assert dict(Account.objects.values_list("name", "parent__name")) == {"One": "Other", "Other": None}

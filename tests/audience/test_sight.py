"""Whose people a salesperson sees: the rule on rows, statements and ids, and that it reads indexes, not everybody."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.http import Http404

from audience.models import Account, Deal, DealRole, Person
from audience.subjects import sight
from kit.models import Note, Team, User
from kit.sql import Sql, rows, run, sql
from tests.factories import NOW, account, deal, person

pytestmark = pytest.mark.django_db


def user(name, role=User.Role.SALES, **values):
    return User.objects.create_user(f"{name}@example.com", "x", name=name, role=role, **values)


@pytest.fixture
def north():
    return Team.objects.create(name="North")


@pytest.fixture
def sal(north):
    return user("Sal", team=north)


def names(found):
    return sorted(str(each) for each in found)


def seen(of, by):
    narrow = {Person: sight.people, Account: sight.accounts, Deal: sight.deals}[of]
    return names(narrow(of.objects.all(), by))


def test_a_salesperson_sees_the_people_that_they_or_a_member_of_their_team_own(sal, north):
    mate, stranger = user("Mate", team=north), user("Stranger", team=Team.objects.create(name="South"))
    for owner, name in ((sal, "Mine"), (mate, "Ours"), (stranger, "Theirs"), (None, "Nobodys")):
        person(first_name=name, owner=owner)
        account(name=name, owner=owner)
    assert seen(Person, sal) == ["Mine", "Ours"] == seen(Account, sal)
    assert seen(Person, stranger) == ["Theirs"] == seen(Account, stranger)


def test_without_a_team_they_see_only_their_own(north):
    alone, other = user("Alone"), user("Other")
    person(first_name="Mine", owner=alone)
    person(first_name="Of another without a team", owner=other)
    assert seen(Person, alone) == ["Mine"]


def test_whoever_looks_after_an_account_sees_its_people_but_not_the_other_way_round(sal):
    theirs = user("Them")
    acme, foreign = account(name="Acme", owner=sal), account(name="Foreign", owner=theirs)
    person(first_name="Of my account", account=acme, owner=theirs)
    person(first_name="Mine elsewhere", account=foreign, owner=sal)
    person(first_name="Colleague of mine elsewhere", account=foreign)
    assert seen(Person, sal) == ["Mine elsewhere", "Of my account"]
    assert seen(Account, sal) == ["Acme"]


def test_a_deal_is_seen_by_its_owner_and_by_whoever_sees_an_account_or_a_person_of_it(sal):
    foreign = account(name="Foreign")
    deal(foreign, NOW, name="Mine", owner=sal)
    deal(account(owner=sal), NOW, name="Of my account")
    deal(foreign, NOW, name="Through my partner", partner=account(owner=sal))
    deal(person(owner=sal), NOW, name="With my contact")
    DealRole.objects.create(deal=deal(foreign, NOW, name="With a contact of my account"),
                            person=person(account=account(owner=sal)))  # fmt: skip
    deal(foreign, NOW, name="Foreign")
    deal(person(), NOW, name="With somebody else’s contact")
    assert seen(Deal, sal) == [
        "Mine", "Of my account", "Through my partner", "With a contact of my account", "With my contact",
    ]  # fmt: skip


@pytest.mark.parametrize("role", [role for role in User.Role if role != User.Role.SALES])
def test_every_other_role_sees_everybody_by_the_very_same_query(role):
    other = user("Other", role=role)
    person(first_name="Nobodys")
    for narrow, of in ((sight.people, Person), (sight.accounts, Account), (sight.deals, Deal)):
        whole = of.objects.all()
        assert narrow(whole, other) is whole
    assert sight.everything(other) and sight.clause(other, Sql("id")) == sight.ALL and sight.sees(other, {7}) == {7}


def test_nobody_and_whose_access_was_closed_sees_nothing():
    gone = user("Gone", role=User.Role.ADMIN)
    mine = person(owner=gone)
    gone.is_active = False
    for nobody in (gone, AnonymousUser(), None):
        assert not sight.everything(nobody)
        assert seen(Person, nobody) == [] and sight.sees(nobody, {mine.pk}) == set()
        assert not sight.is_seen(nobody, mine)


def test_ids_statements_and_rows_that_were_read_say_the_same(sal, django_assert_num_queries):
    theirs = user("Them")
    mine, acme = person(owner=sal), account(owner=sal)
    hers, of_mine, foreign = person(owner=theirs), person(account=acme), account(owner=theirs)
    everybody = {mine.pk, acme.pk, hers.pk, of_mine.pk, foreign.pk}
    assert sight.sees(sal, everybody | {10**15}) == {mine.pk, acme.pk, of_mine.pk}
    asked = sql("SELECT id FROM audience_person person WHERE {}", sight.clause(sal, Sql("person.id")))
    assert {pk for (pk,) in rows(asked)} == {mine.pk, of_mine.pk}
    for each in (mine, acme, hers, of_mine, foreign):
        assert sight.is_seen(sal, each) == (each.pk in sight.sees(sal, everybody))
    with django_assert_num_queries(1):
        sight.sees(sal, everybody)  # the team is known by now


def test_a_foreign_one_is_answered_like_one_that_does_not_exist(sal):
    foreign = person(owner=user("Them"))
    for pk in (foreign.pk, 10**15):
        with pytest.raises(Http404) as refused:
            sight.get(Person.objects.all(), sal, pk=pk)
        assert str(refused.value) == ""
    assert sight.get(Person.objects.all(), user("Ada", role=User.Role.MARKETER), pk=foreign.pk) == foreign


def test_whoever_changes_teams_sees_the_new_team_s_people_at_once(sal):
    south = Team.objects.create(name="South")
    person(first_name="Of the south", owner=user("Sue", team=south))
    assert seen(Person, sal) == []
    sal.team = south
    sal.save()
    assert seen(Person, User.objects.get(pk=sal.pk)) == ["Of the south"]


def plan_of(found):
    query, params = found.query.sql_with_params()
    return "\n".join(line for (line,) in rows(sql("EXPLAIN {}", Sql(query, tuple(params)))))


def test_a_list_of_a_salesperson_s_people_reads_indexes_and_not_everybody(sal):
    others = user("Them")
    run(
        sql(
            """INSERT INTO audience_account (name, owner_id, first_seen_at)
               SELECT 'A' || n, CASE WHEN n %% 500 = 0 THEN {} ELSE {} END, now() FROM generate_series(1, 5000) n""",
            sal.pk, others.pk,
        )
    )  # fmt: skip
    run(
        sql(
            """INSERT INTO audience_person (first_name, owner_id, account_id, first_seen_at)
               SELECT 'P' || n, CASE WHEN n %% 1000 = 0 THEN {} ELSE {} END,
                      (SELECT min(id) FROM audience_account) + n %% 5000, now() FROM generate_series(1, 20000) n""",
            sal.pk, others.pk,
        )
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE audience_person, audience_account, kit_user")
    for found in (
        sight.people(Person.objects.order_by("-pk"), sal)[:51],
        sight.people(Person.objects.filter(email__startswith="a"), sal),
        sight.accounts(Account.objects.all(), sal),
        sight.subjects(Person.objects.all(), sal, "pk"),
    ):
        plan = plan_of(found)
        assert "Seq Scan" not in plan, plan


def test_whoever_sees_many_sees_the_same_by_looking_row_by_row(sal):
    """Beyond what a list counts another statement is asked: it gives the same people, and stops when a page is full."""
    theirs = user("Them")
    acme = account(owner=sal)
    mix = [person(owner=sal), person(account=acme), person(owner=theirs), person(), acme, account(owner=theirs)]
    for each in mix:
        Note.objects.create(subject_id=each.pk, body="x", created_at=NOW)
    few = {each.pk for each in mix if sight.is_seen(sal, each)}
    assert len(few) == 3
    for many in (False, True):
        if many:
            run(
                sql(
                    """INSERT INTO audience_person (first_name, owner_id, first_seen_at)
                       SELECT 'P' || n, {}, now() FROM generate_series(1, {}) n""",
                    sal.pk, sight.MANY + 1,
                )
            )  # fmt: skip
        asked = User.objects.get(pk=sal.pk)  # as the next request reads them
        ids = {each.pk for each in mix}
        assert set(sight.subjects(Note.objects.all(), asked).values_list("subject_id", flat=True)) == few
        assert set(sight.people(Person.objects.filter(pk__in=ids), asked).values_list("pk", flat=True)) == few - {
            acme.pk
        }
        assert list(sight.accounts(Account.objects.all(), asked)) == [acme]
        notes = sql("SELECT subject_id FROM kit_note n WHERE {}", sight.clause(asked, Sql("n.subject_id")))
        assert {pk for (pk,) in rows(notes)} == few == sight.sees(asked, ids)
        assert ("OR" in sight.clause(asked, Sql("id")).text) == many
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE audience_person, audience_account")
    assert "Sort" not in plan_of(sight.people(Person.objects.order_by("-pk"), asked)[:51])

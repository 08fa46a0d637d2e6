"""Renewals by the dates of contracts: each term a pass, live and in a replay alike, whoever changes the dates."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from audience import live as judged
from audience.commerce import contracts
from audience.conditions import compile, tree
from audience.models import Contract, ContractChange
from kit import installation
from kit.sql import rows
from lifecycle.editions import documents, versions
from lifecycle.engine import passes, replay, rules
from lifecycle.models import Membership, Movement, Version
from tests.factories import account

pytestmark = pytest.mark.django_db
FIRST, LAST = date(2024, 1, 1), date(2026, 9, 1)


def noon(day):
    return installation.midnight(day, installation.zone()) + timedelta(hours=12)


def held(number, **dates):
    firm = account(name=f"Firm {number}", first_seen_at=noon(FIRST))
    return contract_of(firm, number, **dates)


def contract_of(firm, number, **dates):
    return Contract.objects.create(
        account=firm, source="tests", external_id=str(number), recorded_at=noon(FIRST), **dates
    )  # fmt: skip


def draft(slug):
    document = documents.playbooks()["renewal"]
    text = documents.yamlfiles.write(document)
    return versions.draft(documents.parse(text.replace("renewal\n", f"{slug}\n", 1).replace("stage.renewal", f"stage.{slug}")),
                          by=None, now=noon(FIRST))  # fmt: skip


def ledger(slug):
    return list(
        Movement.objects.filter(membership__lifecycle__slug=slug)
        .order_by("membership__subject_id", "membership__pass_number", "seq")
        .values_list("membership__subject_id", "membership__pass_number", "seq", "to_stage__slug", "occurred_at",
                     "evidence_at")
    )  # fmt: skip


def ways(slug):
    found = {}
    for subject, number, _seq, stage, at, _evidence in ledger(slug):
        found.setdefault(subject, {}).setdefault(number, []).append((stage, at.astimezone(installation.zone()).date()))
    return found


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_a_replay_of_renewals_equals_living_through_them_day_by_day(zone):
    installation.put("zone", zone)
    year = {"starts_on": date(2024, 2, 29), "renews_on": date(2025, 2, 28)}
    moved, given, lapsing, early = (held(number, **year, notice_on=date(2025, 1, 15)) for number in range(4))
    alone = held(4, **year, auto_renew=True)
    replaced = held(5, starts_on=date(2024, 5, 1), ends_on=date(2025, 5, 1))
    contract_of(replaced.account, 6, starts_on=date(2025, 5, 1), renews_on=date(2026, 5, 1))
    changes = {
        date(2025, 2, 20): (moved, {"renews_on": date(2026, 2, 28), "notice_on": date(2026, 1, 15)}),
        date(2025, 1, 10): (given, {"ends_on": date(2025, 2, 28)}),
        date(2024, 10, 1): (early, {"renews_on": date(2026, 2, 28), "notice_on": None}),
    }
    version = draft("lived")
    Version.objects.filter(pk=version.pk).update(state=Version.State.PUBLISHED)
    version.refresh_from_db()
    asked, day = rules.read(version), FIRST
    while day <= LAST:
        if day in changes:
            contract, dates = changes[day]
            contracts.change(contract, dates, by=None, now=noon(day))
        ends = installation.midnight(day + timedelta(days=1), asked.zone)
        with judged.without_marks():
            passes.apply(asked, among=None, at=ends, now=ends)
        day += timedelta(days=1)
    replayed = draft("replayed")
    replay.run(replayed, now=noon(LAST), until=installation.midnight(LAST + timedelta(days=1), asked.zone))
    assert ledger("lived") == ledger("replayed") != []
    found = ways("lived")
    # Ninety days before 2025-02-28; the notice date of 2025-01-15 is later than that less thirty.
    opens, again = ("coming", date(2024, 11, 30)), ("coming", date(2025, 11, 30))
    assert found[moved.account_id] == {
        1: [opens, ("renewed", date(2025, 2, 20))],
        2: [again, ("lost", date(2026, 3, 30))],
    }
    notice = ("at_risk", date(2025, 1, 11))  # at the midnight that ends the day on which it was given
    assert found[given.account_id] == {1: [opens, notice, ("lost", date(2025, 2, 28))]}
    assert found[lapsing.account_id] == {1: [opens, ("lost", date(2025, 3, 30))]}
    assert found[early.account_id] == {1: [again, ("lost", date(2026, 3, 30))]}
    assert found[alone.account_id] == {
        1: [opens, ("renewed", date(2025, 2, 28))], 2: [again, ("renewed", date(2026, 2, 28))],
    }  # fmt: skip
    assert [stages[0][0] for stages in found[replaced.account_id].values()] == ["coming", "coming"]
    assert found[replaced.account_id][1][-1] == ("renewed", date(2025, 5, 1))


def test_of_what_renewed_by_itself_before_it_was_brought_every_term_is_known():
    """Brought with its present dates, as every export of a contract system has them."""
    told = {"starts_on": date(2023, 5, 10), "renews_on": date(2026, 5, 10), "notice_on": date(2026, 4, 10)}
    alone, by_hand = held(1, **told, auto_renew=True), held(2, **told)
    ended = held(
        3, starts_on=date(2023, 5, 10), renews_on=date(2025, 5, 10), ends_on=date(2025, 5, 10), auto_renew=True
    )
    version = draft("replayed")
    replay.run(version, now=noon(LAST), until=noon(date(2026, 3, 1)))
    found = ways("replayed")
    assert [stages for _number, stages in sorted(found[alone.account_id].items())] == [
        [("coming", date(2024, 2, 10)), ("renewed", date(2024, 5, 10))],
        [("coming", date(2025, 2, 9)), ("renewed", date(2025, 5, 10))],
        [("coming", date(2026, 2, 9))],
    ]
    assert [stages[0] for stages in found[by_hand.account_id].values()] == [("coming", date(2026, 2, 9))]
    first, last = (stages for _number, stages in sorted(found[ended.account_id].items()))
    assert (first[-1], last[-1]) == (("renewed", date(2024, 5, 10)), ("lost", date(2025, 5, 10)))


def test_a_renewal_that_was_told_is_not_counted_as_one_by_itself_too():
    contract = held(1, starts_on=date(2023, 5, 10), renews_on=date(2025, 5, 10), auto_renew=True)
    contracts.change(contract, {"renews_on": date(2026, 5, 10)}, by=None, now=noon(date(2025, 4, 20)))

    def renewed(times, day):
        asked = tree.parse({"field": "contract.renewed", "op": "equals", "value": times}, of="account")
        return rows(compile.members(asked, of="account", at=noon(day))) != []

    assert renewed(1, date(2025, 4, 1))  # by itself in 2024, before anything was told
    assert renewed(2, date(2025, 6, 1)) and renewed(3, date(2026, 6, 1))


def test_what_a_date_was_is_kept_whoever_changes_it_and_goes_with_the_contract():
    contract = held(1, starts_on=date(2024, 2, 1), renews_on=date(2025, 2, 1))
    Contract.objects.filter(pk=contract.pk).update(name="Another name")
    assert not ContractChange.objects.exists()
    Contract.objects.filter(pk=contract.pk).update(renews_on=date(2026, 2, 1))
    [kept] = ContractChange.objects.all()
    assert kept.renews_on == date(2025, 2, 1)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM audience_contract WHERE id = %s", [contract.pk])
    assert not ContractChange.objects.exists()
    with pytest.raises(IntegrityError), transaction.atomic():
        ContractChange.objects.create(contract_id=0, auto_renew=False, changed_at=noon(FIRST))
        connection.check_constraints()


def test_a_renewal_that_was_taken_back_has_never_been():
    contract = held(1, starts_on=date(2024, 2, 1), renews_on=date(2025, 2, 1))
    contracts.change(contract, {"renews_on": date(2026, 2, 1)}, by=None, now=noon(date(2025, 1, 10)))
    asked = tree.parse({"field": "contract.renewed", "days": 30, "op": "at_least", "value": 1}, of="account")

    def holds(day):
        return rows(compile.members(asked, of="account", at=noon(day))) != []

    assert (holds(date(2025, 1, 9)), holds(date(2025, 1, 11))) == (False, True)
    contracts.change(contract, {"renews_on": date(2025, 2, 1)}, by=None, now=noon(date(2025, 1, 12)))
    assert (holds(date(2025, 1, 11)), holds(date(2025, 1, 13))) == (True, False)


def test_an_end_told_late_counts_from_its_own_day_and_one_told_before_from_then():
    late = held(1, starts_on=date(2024, 2, 1))
    before = held(2, starts_on=date(2024, 2, 1))
    contracts.change(late, {"ends_on": date(2025, 2, 1)}, by=None, now=noon(date(2025, 3, 1)))
    contracts.change(before, {"ends_on": date(2025, 6, 1)}, by=None, now=noon(date(2025, 3, 1)))
    asked = {"in force": {"field": "contract.count", "op": "equals", "value": 1},
             "ending": {"field": "contract.ending", "op": "not_empty"}}  # fmt: skip

    def whose(key, day):
        node = tree.parse(asked[key], of="account")
        return {row[0] for row in rows(compile.members(node, of="account", at=noon(day)))}

    assert whose("in force", date(2025, 2, 10)) == {before.account_id}
    assert whose("ending", date(2025, 2, 10)) == set()
    assert whose("ending", date(2025, 3, 2)) == {before.account_id}
    assert whose("in force", date(2025, 6, 2)) == set()


def test_a_case_in_a_file_may_not_end_before_it_begins():
    text = documents.yamlfiles.write(documents.playbooks()["renewal"])
    for wrong, words in (
        ("renews: 2024-05-01", "before the day on which the contract starts"),
        ("renews: soon", "is not a day"),
        ("changed: [{on: 2025-01-01, renews: 2026-01-01}, {on: 2025-01-01, ends: 2026-01-01}]", "not behind the one"),
        ("renewed: 2025-06-01", "is not known here"),
    ):
        case = (
            f"- {{name: X, contracts: [{{starts: 2024-06-01, {wrong}}}], expect: {{on: 2025-03-02, stage: nowhere}}}}"
        )
        with pytest.raises(documents.DocumentError, match=words):
            documents.parse(text.rstrip("\n") + "\n" + case + "\n")
    matter = "{opened: 2024-06-01, closed: 2024-05-01}"
    case = f"- {{name: X, service_cases: [{matter}], expect: {{on: 2025-03-02, stage: nowhere}}}}"
    with pytest.raises(documents.DocumentError, match="before the day on which it was opened"):
        documents.parse(text.rstrip("\n") + "\n" + case + "\n")


def test_members_of_a_lifecycle_of_renewals_are_in_one_open_pass_at_most():
    contract = held(1, starts_on=date(2024, 2, 1), renews_on=date(2025, 2, 1))
    contract_of(contract.account, 2, starts_on=date(2024, 3, 1), renews_on=date(2025, 3, 1))
    contracts.change(contract, {"renews_on": date(2026, 2, 1)}, by=None, now=noon(date(2025, 1, 20)))
    replay.run(draft("replayed"), now=noon(date(2025, 2, 20)))
    [open_one] = Membership.objects.filter(ended_at=None)
    assert open_one.pass_number == 1 and open_one.stage.slug == "coming"

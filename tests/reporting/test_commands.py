"""The commands: what they print, what they refuse, and how they end."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from lifecycle.models import Membership
from tests.reporting.ledger import lifecycle, walk
from tests.reporting.test_funnel import january

pytestmark = pytest.mark.django_db


def printed(*words):
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_the_funnel_is_filled_and_printed_as_json():
    january()
    told = json.loads(
        printed("funnel", "sales", "--from", "2025-01-01", "--to", "2025-02-01", "--split", "country", "--json")
    )
    assert (told["entered"], told["won"]) == (6, 1)
    assert [bucket["entered"] for bucket in told["split"]["buckets"]] == [2, 2, 1, 1]


def test_the_funnel_is_all_time_unless_said_otherwise():
    january()
    assert json.loads(printed("funnel", "sales", "--json"))["from"] == "2024-12-22"


def test_the_funnel_is_printed_as_a_table():
    sales = january()
    walk(sales, ("lead", 10), ("won", 8))
    told = printed("funnel", "sales")
    assert "Lead" in told
    assert "of which 1 are dated the other way round" in told


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("funnel", "nothing"), "There is no lifecycle “nothing”. Published lifecycles: sales."),
        (("funnel", "sales", "--from", "tomorrow"), "“tomorrow” is no day"),
        (("funnel", "sales", "--within", "0"), "a number of days from 1 to 3650"),
        (("funnel", "sales", "--split", "shoes"), "no field “shoes”"),
        (("funnel", "sales", "--from", "2025-02-01", "--to", "2025-01-01"), "ends after it starts"),
        (("funnel", "draft"), "draft was never published"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(words, reason):
    january()
    lifecycle("draft").versions.update(state="draft")
    with pytest.raises(CommandError, match=reason):
        printed(*words)


def test_a_sound_ledger_ends_well():
    january()
    assert json.loads(printed("check_ledger", "--json"))["found"] == 0
    assert "all of it agrees" in printed("check_ledger")


def test_a_wrong_ledger_ends_with_one_and_names_what_is_wrong(capsys):
    sales = january()
    member = sales.membership_set.first()
    Membership.objects.filter(pk=member.pk).update(seq=99)
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("check_ledger", "--json", stdout=out)
    assert ended.value.code == 1
    finding = json.loads(out.getvalue())["lifecycles"]["sales"]["findings"][0]
    assert (finding["kind"], finding["membership"]) == ("membership", member.pk)


def test_reports_are_filled_by_command():
    january()
    assert json.loads(printed("fill_reports", "--json")) == {"sales": {"memberships": 8, "days": 18}}


def test_without_a_lifecycle_the_commands_say_so():
    assert "no lifecycle yet" in printed("fill_reports")
    assert "no lifecycle yet" in printed("check_ledger")

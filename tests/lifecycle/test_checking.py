"""What is wrong with a version, in words, and only what is certain; and what is different between two."""

import pytest

from audience.conditions import contradictions, tree
from lifecycle.editions import checking, differing, documents, versions
from tests.factories import NOW, SMALL, draft

pytestmark = pytest.mark.django_db

GATE = "  - {from: checked, to: resting, when: {}, reason: From elsewhere}\n"


def found(text: str) -> dict[str, str]:
    return {each.code: each.words for each in checking.findings(draft(text))}


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ((GATE, GATE.replace("{}", "{}, delay: {days: 1}")), "gate_without_exit", "gate “Checked” has no default exit"),
        (
            ("  - {from: known, to: engaged", "  - {from: known, to: lead, when: {}}\n  - {from: known, to: engaged"),
            "never_tried",
            "Rule 2 (Known → Lead) moves everybody, so rule 3 (Known → Engaged) behind it is never tried",
        ),
        (
            (GATE, GATE + "  - {from: lead, to: known, when: {}}\n  - {from: known, to: lead, when: {}}\n"),
            "loop",
            "ask for nothing and send people round in a circle: Known → Lead → Known",
        ),
        (
            ("op: at_least, value: 3}", "op: between, value: [5, 3]}"),
            None,
            "",
        ),
        (
            ("when: {field: person.country, op: is, value: DE}",
             "when: {all: [{field: person.country, op: is, value: DE}, {field: person.country, op: is, value: FR}]}"),
            "never_holds",
            "rule 4 (Checked → Lead) can never hold: “country is “DE”” and “country is “FR”” exclude one another",
        ),
        (
            ("entry: {}", "entry: {all: [{field: activity.count, op: more_than, value: 2}, "
             "{field: activity.count, op: less_than, value: 3}]}"),
            "entry_never_holds",
            "so nobody enters",
        ),
        (
            ("to: resting, by_hand: true", "to: checked, by_hand: true"),
            "by_hand_to_gate",
            "leads by hand to a gate",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_place(change, code, words):
    assert change[0] in SMALL
    if code is None:  # refused before it is a draft at all
        with pytest.raises(documents.DocumentError):
            documents.parse(SMALL.replace(*change))
        return
    told = found(SMALL.replace(*change))
    assert words in told[code], told


def test_of_the_small_lifecycle_and_the_playbooks_nothing_is_said():
    assert found(SMALL) == {}
    for document in documents.playbooks().values():
        assert checking.findings(versions.draft(document, by=None, now=NOW)) == []


HANDED = """
lifecycle: handed
name: Handed
species: net_new
stages:
  - {slug: known, name: Known}
  - {slug: mql, name: MQL, kind: sla, limit_hours: 16, hand_off: {accept: sal, reject: rejected, later: later}}
  - {slug: sal, name: SAL}
  - {slug: won, name: Won, kind: terminal}
  - {slug: rejected, name: Rejected, path: detour, kind: terminal}
  - {slug: later, name: Later, path: detour}
transitions:
  - {from: known, to: mql, when: {field: activity.count, op: at_least, value: 1}}
  - {from: sal, to: won, by_hand: true}
"""


def test_what_sales_answers_leads_in_and_out_of_a_stage():
    assert found(HANDED) == {}
    told = found(HANDED.replace(", hand_off: {accept: sal, reject: rejected, later: later}", ""))
    assert set(told) == {"unreachable", "dead_end", "never_won"}
    told = found(HANDED.replace(", later: later}", "}"))  # where the pass ends nobody waits
    assert told == {"unreachable": "Nothing leads to “Later”.",
                    "dead_end": "Nothing leads out of “Later”, and it is not terminal."}  # fmt: skip


def test_a_limit_that_nobody_is_judged_by_is_a_warning():
    version = draft(SMALL.replace("{slug: lead, name: Lead}", "{slug: lead, name: Lead, limit_hours: 16}"))
    [finding] = checking.findings(version)
    assert (finding.code, finding.stage, finding.severity) == ("idle_limit", "lead", "warning")
    assert "“Lead” has a limit that nobody is judged by" in finding.words and not checking.errors(version)


ACTIVE = "{field: activity.count, days: 30, op: at_least, value: 3}"
GERMAN = "{field: person.country, op: is, value: DE}"


@pytest.mark.parametrize(
    ("first", "second", "never"),
    [
        (ACTIVE, ACTIVE, True),
        (GERMAN, f"{{all: [{ACTIVE}, {GERMAN}]}}", True),
        (f"{{all: [{GERMAN}, {ACTIVE}]}}", f"{{all: [{ACTIVE}, {GERMAN}]}}", True),
        (f"{{any: [{ACTIVE}, {GERMAN}]}}", GERMAN, True),
        (ACTIVE, ACTIVE.replace("value: 3", "value: 4"), True),
        (f"{ACTIVE}, delay: {{days: 1}}", ACTIVE, False),
        (ACTIVE, f"{ACTIVE}, delay: {{days: 1}}", True),
        (f"{{all: [{ACTIVE}, {GERMAN}]}}", GERMAN, False),
        (ACTIVE, ACTIVE.replace("value: 3", "value: 2"), False),
        (ACTIVE, ACTIVE.replace("days: 30", "days: 31"), False),
        (GERMAN, GERMAN.replace("DE", "FR"), False),
    ],
)
def test_a_rule_that_asks_what_one_before_it_takes_already_is_never_tried(first, second, never):
    text = SMALL + f"  - {{from: lead, to: known, when: {first}}}\n  - {{from: lead, to: resting, when: {second}}}\n"
    text = text.replace("from: checked, to: lead,", "from: checked, to: won,")  # nobody comes back to it by a rule
    text = text.replace("to: resting, by_hand: true", "to: lead, by_hand: true")
    told = found(text)
    assert ("never_tried" in told) is never
    if never:
        assert (
            "Rule 9 (Lead → Known) moves all for whom rule 10 (Lead → Resting) behind it holds" in told["never_tried"]
        )
    away = text.replace("from: lead, to: known,", "from: known, to: lead,")
    assert "never_tried" not in found(away), "another stage"


def test_a_rule_is_tried_where_somebody_may_come_back_within_one_pass_from_where_the_other_leads():
    """A pass sends nobody back: who was in Resting and comes to Engaged is moved by the second rule alone."""
    known = "{field: activity.count, days: 90, op: at_least, value: 1}"
    text = SMALL.replace("days: 30, op: equals, value: 0}", "days: 7, op: at_least, value: 1}")
    text = text.replace("from: resting, to: engaged", "from: resting, to: known")
    text += "  - {from: engaged, to: lead, when: {field: activity.count, days: 7, op: at_least, value: 1}}\n"
    assert "never_tried" not in found(text)
    # What asks for days in the stage is the first that a pass does, or nothing of it.
    slow = f"{{all: [{known}, {{field: stage.small.days_in, op: at_least, value: 1}}]}}"
    assert "Engaged → Resting" in found(text.replace(known, slow))["never_tried"]


def test_a_stage_of_the_success_path_from_which_nobody_can_win_is_a_dead_end():
    text = SMALL.replace("from: any,", "from: lead,").replace(
        "  - {slug: won,", "  - {slug: aside, name: Aside}\n  - {slug: won,"
    )
    text += "  - {from: lead, to: aside, by_hand: true}\n  - {from: aside, to: lost, by_hand: true}\n"
    text = text.replace(
        "  - {slug: resting,", "  - {slug: lost, name: Lost, path: detour, kind: terminal}\n  - {slug: resting,"
    )
    assert "From “Aside”, on the success path, no rule leads on to its end" in found(text)["never_won"]


def test_whoever_fulfils_one_condition_and_would_go_round_is_a_warning_only():
    round_ = "when: {field: person.country, op: is, value: FR}, reason: Round}\n"
    version = draft(SMALL + f"  - {{from: lead, to: known, {round_}  - {{from: known, to: lead, {round_}")
    [finding] = checking.findings(version)
    assert (finding.code, finding.severity) == ("circle", "warning") and "Known → Lead → Known" in finding.words
    assert checking.errors(version) == []


def test_a_condition_that_asks_what_is_not_there_any_more_is_named():
    version = draft()
    version.transitions.filter(priority=2).update(condition={"field": "score.gone", "op": "at_least", "value": 1})
    [finding] = checking.findings(version)
    assert (finding.code, finding.rule) == ("condition", 2)
    assert "score.gone" in finding.words and finding.words.startswith("rule 2 (Known → Engaged)")


COUNTRY, SIZE = "person.country", "account.employees"


@pytest.mark.parametrize(
    ("parts", "never"),
    [
        ([(SIZE, "more_than", 5), (SIZE, "less_than", 3)], True),
        ([(SIZE, "more_than", 5), (SIZE, "less_than", 6)], False),  # 5.5
        ([("activity.count", "more_than", 5), ("activity.count", "less_than", 6)], True),  # whole numbers
        ([("activity.count", "less_than", 0)], True),
        ([(SIZE, "at_least", 5), (SIZE, "at_most", 5)], False),
        ([(SIZE, "at_least", 5), (SIZE, "less_than", 5)], True),
        ([(SIZE, "equals", 5), (SIZE, "between", [6, 9])], True),
        ([(COUNTRY, "is", "DE"), (COUNTRY, "is", "de")], False),
        ([(COUNTRY, "is", "DE"), (COUNTRY, "is_not", "DE")], True),
        ([(COUNTRY, "in", ["DE", "FR"]), (COUNTRY, "not_in", ["FR", "DE"])], True),
        ([(COUNTRY, "in", ["DE", "FR"]), (COUNTRY, "starts_with", "f")], False),
        ([(COUNTRY, "empty", None), (COUNTRY, "is_not", "DE")], True),
        ([(COUNTRY, "is_not", "DE"), (COUNTRY, "is_not", "FR")], False),
        ([("contract.renews", "before", "2025-01-01"), ("contract.renews", "on_or_after", "2025-01-01")], True),
        ([("contract.renews", "days_ago_at_least", 9), ("contract.renews", "days_ago_at_most", 8)], True),
        ([("contract.renews", "days_ago_at_least", 1), ("contract.renews", "within_next_days", 8)], True),
    ],
)
def test_what_excludes_one_another_in_one_value_is_found_and_nothing_else(parts, never):
    told = [{"field": field, "op": op} | ({} if value is None else {"value": value}) for field, op, value in parts]
    assert bool(contradictions.why_never(tree.parse({"all": told}))) is never
    if never:
        either = {"any": [{"all": told}, {"field": "person.city", "op": "is", "value": "Rome"}]}
        assert not contradictions.why_never(tree.parse(either))
        assert contradictions.why_never(tree.parse({"all": [either, {"all": told}]}))
    windows = [
        each | {"days": days} for each, days in zip(told, (7, 30), strict=False) if each["field"] == "activity.count"
    ]
    if len(windows) == 2:
        assert not contradictions.why_never(tree.parse({"all": windows})), "not the same value"


@pytest.mark.parametrize(
    ("one", "other", "is_so"),
    [
        ((SIZE, "at_least", 5), (SIZE, "at_least", 4), True),
        ((SIZE, "more_than", 5), (SIZE, "at_least", 5), True),
        ((SIZE, "at_least", 5), (SIZE, "more_than", 5), False),
        ((SIZE, "equals", 5), (SIZE, "between", [5, 9]), True),
        ((SIZE, "between", [5, 9]), (SIZE, "less_than", 9), False),
        ((SIZE, "empty", None), (SIZE, "at_most", 9), False),
        ((SIZE, "at_least", 5), ("activity.count", "at_least", 5), False),
        (("activity.count", "at_most", 2), ("activity.count", "at_least", 0), True),
        ((COUNTRY, "is", "DE"), (COUNTRY, "in", ["FR", "DE"]), True),
        ((COUNTRY, "in", ["FR", "DE"]), (COUNTRY, "is", "DE"), False),
        ((COUNTRY, "is", "DE"), (COUNTRY, "is_not", "FR"), False),
    ],
)
def test_one_condition_holds_only_where_another_does_and_nothing_uncertain_is_said(one, other, is_so):
    one, other = (
        {"field": field, "op": op} | ({} if value is None else {"value": value}) for field, op, value in (one, other)
    )
    rome = {"field": "person.city", "op": "is", "value": "Rome"}

    def implies(left, right):
        return contradictions.implies(tree.parse(left), tree.parse(right))

    assert implies(one, other) is is_so
    assert implies({"all": [rome, one]}, {"any": [other, rome]})
    assert implies({"all": [rome, {"any": [one]}]}, {"all": [{"any": [other]}]}) is is_so
    assert not implies(one, {"all": [rome, other]}) and not implies({"any": [one, rome]}, other)
    assert implies({"not": one}, {"not": one}) and not implies({"not": one}, {"not": rome})
    assert implies(one, {}) and not implies({}, one)


def test_another_hand_off_is_a_difference_in_words():
    handed = "{accept: sal, reject: rejected, later: later}"
    before = draft(HANDED)
    [change] = differing.between(
        before, draft(HANDED.replace(handed, handed.replace(", later: later", ", missed: pass_on")))
    )
    assert (change.words, change.before, change.after) == (
        "The hand-off of “MQL” to sales has changed.",
        "Accepted: to “SAL”. Rejected: to “Rejected”. Not now: waits in “Later” and comes back on the day that was said. "
        "Nobody answers within 16 working hours of the arrival: counts as missed, and waits on.",
        "Accepted: to “SAL”. Rejected: to “Rejected”. Not now: cannot be answered, because a pass ends where the rejected "
        "go. Nobody answers within 16 working hours of the arrival: counts as missed, and the next colleague is asked.",
    )
    [gone] = differing.between(before, draft(HANDED.replace(f", hand_off: {handed}", "")))
    assert gone.after == "Nobody is handed to sales."


def test_the_difference_between_two_versions_reads_in_words():
    before = draft()
    after = draft(
        SMALL.replace("{slug: engaged, name: Engaged}", "{slug: engaged, name: Warm, card: {goal: More}}")
        .replace("  - {slug: lead, name: Lead}\n", "")
        .replace("  - {slug: known, name: Known}\n", "  - {slug: known, name: Known}\n  - {slug: lead, name: Lead}\n")
        .replace(
            "name: Won, kind: terminal}\n",
            "name: Won, kind: terminal}\n  - {slug: lost, name: Lost, path: detour, kind: terminal}\n",
        )
        .replace(
            "activity.count, days: 30, op: at_least, value: 3}", "activity.count, days: 30, op: at_least, value: 4}"
        )
        + "  - {from: any, to: lost, by_hand: true, guard: {field: person.country, op: is, value: DE}}\n"
    )
    told = {change.words: (change.kind, change.before, change.after) for change in differing.between(before, after)}
    assert told == {
        "Stage “Engaged” is called “Warm”.": ("changed", "Engaged", "Warm"),
        "The card of “Warm” says something else under “Goal”.": ("changed", "", "More"),
        "Stage “Lost” is new.": ("added", "", "Lost"),
        "Stage “Lead” comes after “Known” now.": ("moved", "", ""),
        "Warm → Checked has changed.": (
            "changed",
            "at least 3 activities in the last 30 days (Did a lot)",
            "at least 4 activities in the last 30 days (Did a lot)",
        ),
        "any stage → Lost is new.": ("added", "", "by hand, if country is “DE”"),
    }
    assert differing.between(before, draft()) == []


def test_a_document_with_delays_guards_and_missed_limits_comes_back_unchanged():
    text = SMALL.replace(
        "{slug: lead, name: Lead}", "{slug: lead, name: Lead, kind: sla, limit_hours: 8, when_missed: resting}"
    )
    text = text.replace("reason: Silent}", "reason: Silent, delay: {days: 3}}")
    text = text.replace("reason: Not now}", "reason: Not now, guard: {field: person.country, op: is, value: DE}}")
    version = draft(text)
    again = versions.again(version, by=None, now=NOW)
    assert differing.between(version, again) == [] and documents.dump(again) == documents.dump(version)
    assert "3 days after this came to hold" in str([change.before for change in differing.between(version, draft())])

"""A model as a file: written and read back unchanged, and every fault named with its place."""

import pytest

from kit.yamlfiles import DocumentError
from scoring import documents
from tests.scoring.making import LEAD, draft

pytestmark = pytest.mark.django_db


def test_written_and_read_back_it_is_the_same():
    text = LEAD + "\neffective_from: 2025-03-01\n"
    first = documents.dump(draft(text))
    assert documents.parse(first) == documents.parse(text)
    assert documents.dump(draft(first)) == first


def test_a_file_needs_no_more_than_a_name_and_a_rule():
    version = draft("model: lead\nname: Lead\nrules: [{name: Visit, points: 1, did: {}}]")
    assert (version.limit, version.grades, version.caps, version.effective_from) == (None, {}, {}, None)
    assert version.rules.get().where == {}


RULE = "  - {name: Director, points: 20, fit: {field: person.title, op: contains, value: director}}"


@pytest.mark.parametrize(
    ("old", "new", "place", "word"),
    [
        ("model: lead", "model: Lead!", "model", "short name"),
        ("name: Lead score", "", "name", "missing"),
        ("species: net_new", "species: whale", "species", "net_new"),
        ("limit: 60", "limit: sixty", "limit", "whole number"),
        ("limit: 60", "limt: 60", "", "limt"),
        ("grades: {A: 30, B: 20, C: 10}", "grades: {A: 30, B: 30, C: 10}", "grades", "less"),
        ("grades: {A: 30, B: 20, C: 10}", "grades: {A: 30}", "grades", "A, B, C"),
        ("levels: {1: 40, 2: 20, 3: 5}", "levels: [1]", "levels", "1, 2, 3"),
        ("caps: {content: 12}", "caps: {content: -1}", "caps › content", "more than nothing"),
        ("points: 40", "points: much", "rules › 1 › points", "number of points"),
        ("points: 40", "points: 1001", "rules › 1 › points", "1000"),
        ("points: 40", "points: 0.0000001", "rules › 1 › points", "six places"),
        ("points: 40", "points: 0", "rules › 1 › points", "nothing"),
        ("points: 40", "points: .nan", "rules › 1 › points", "number"),
        ("half_life: 30", "half_life: 0", "rules › 1 › half_life", "days"),
        ("half_life: 30", "half_life: 1.5", "rules › 1 › half_life", "days"),
        ("expires: 90", "expires: 99999", "rules › 2 › expires", "3650"),
        ("cap: 10", "cap: -10", "rules › 2 › cap", "more than nothing"),
        ("did: {kind: demo_requested}", "did: {sort: demo_requested}", "rules › 1 › did", "sort"),
        ("did: {kind: demo_requested}", "did: {direction: up}", "rules › 1 › did", "inbound"),
        ("did: {kind: demo_requested}", "does: {}", "rules › 1", "does"),
        (RULE, "  - {name: All, points: 20, fit: {}}", "rules › 5 › fit", "everybody"),
        (RULE, "  - {name: All, points: 20}", "rules › 5", "did"),
        (RULE, RULE.replace("person.title", "person.titel"), "rules › 5 › fit", "person.title"),
        (RULE, RULE.replace("}}", "}, once: true}"), "rules › 5 › once", "activities only"),
        ("name: Unsubscribed", "name: ''", "rules › 4 › name", "letters"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(old, new, place, word):
    assert old in LEAD
    with pytest.raises(DocumentError) as caught:
        documents.parse(LEAD.replace(old, new, 1))
    assert caught.value.place == place
    assert word in str(caught.value)


def test_a_score_is_not_made_of_scores():
    draft()
    text = LEAD.replace("model: lead", "model: other").replace("field: person.title, op: contains, value: director", "field: score.lead, op: at_least, value: 3")  # fmt: skip
    with pytest.raises(DocumentError, match="not of scores"):
        documents.parse(text)

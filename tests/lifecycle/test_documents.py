"""Lifecycle files: the playbooks pass their own test cases, files survive a round trip, errors name the place."""

import pytest

from lifecycle.editions import cases, documents, versions
from tests.factories import NOW, SMALL, draft

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", sorted(path.stem for path in documents.PLAYBOOKS.glob("*.yaml")))
def test_each_playbook_is_publishable_and_gets_its_test_cases_right(name):
    version = versions.draft(documents.playbooks()[name], by=None, now=NOW)
    assert versions.problems(version) == []
    outcomes = cases.run(version, now=NOW)
    assert len(outcomes) >= 4
    assert [str(outcome) for outcome in outcomes if not outcome.passed] == []


@pytest.mark.parametrize("text", [SMALL, *[path.read_text() for path in documents.PLAYBOOKS.glob("*.yaml")]])
def test_writing_a_version_and_reading_it_gives_the_same_version(text):
    first = documents.dump(draft(text))
    second = documents.dump(draft(first))
    assert first == second


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("slug: lead,", "slug: Lead!,"), "stages › 4 › slug: is not a short name"),
        (("slug: lead,", "slug: known,"), "stages › 4 › slug: “known” is there twice"),
        (("to: won,", "to: wonn,"), "transitions › 1 › to: there is no stage “wonn”"),
        (("field: person.country", "field: person.contry"), "person.country"),
        (("species: net_new", "species: newt"), "species: is “newt”, but can be net_new, customer, partner"),
        (("kind: gate", "kind: door"), "stages › 3 › kind"),
        (("name: Small", "nome: Small"), "“nome” is not known here"),
        (("entry: {}", "entry: {field: ["), "line"),
        (("entry: {}", "entry: &a {all: [*a]}"), "not supported"),
        (("entry: {}", "entry: !!python/object/apply:os.system [ls]"), "could not determine a constructor"),
        (("reason: Silent", "wehn: {}, reason: Silent"), "transitions › 6: “wehn” is not known here"),
    ],
)
def test_what_is_wrong_with_a_document_is_said_with_its_place(change, words):
    assert change[0] in SMALL
    with pytest.raises(documents.DocumentError) as caught:
        documents.parse(SMALL.replace(*change, 1))
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "just words", "\x00", "a: " + "[" * 5000, "x" * 600_000])
def test_a_file_that_is_no_lifecycle_is_refused(text):
    with pytest.raises(documents.DocumentError):
        documents.parse(text)

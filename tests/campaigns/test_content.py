"""Content is kept in editions that have been tried; what cannot be sent is not kept; doubts are told."""

import pytest

from campaigns import content
from campaigns.models import Content, ContentVersion
from campaigns.rendering import ContentError
from kit import installation
from kit.models import AuditEntry
from tests.factories import NOW, account, person, published

pytestmark = pytest.mark.django_db

HELLO = content.Draft(subject="Hello", source="<p>Hello {{ person.first_name }}</p>")


def made(draft=HELLO, **values):
    return content.create("Welcome", draft, by=None, now=NOW, **values)


def test_what_is_kept_is_an_edition_with_everything_that_sending_needs():
    version = made(content.Draft(subject="Hi", source='<p><a href="https://x.example/">x</a></p>')).versions.get()
    assert version.number == 1 and version.links == ["https://x.example/"]
    assert "https://x.example/" not in version.html and "x (" in version.text


def test_each_change_of_words_is_a_new_edition_and_none_is_one_without_change():
    of = made()
    assert content.write(of, HELLO, by=None, now=NOW).number == 1
    assert content.write(of, content.Draft(subject="Hi", source="<p>x</p>"), by=None, now=NOW).number == 2
    assert [each.subject for each in of.versions.order_by("number")] == ["Hello", "Hi"]
    assert content.draft_of(content.latest(of)).source == "<p>x</p>"
    assert set(AuditEntry.objects.values_list("action", flat=True)) == {"content.create", "content.write"}


@pytest.mark.parametrize(
    "draft",
    [
        content.Draft(subject="", source="<p>x</p>"),
        content.Draft(subject="x", source="  "),
        content.Draft(subject="x", source="{{ x | nofilter }}"),
        content.Draft(subject="x", source="<p>{{ (1..100000000) | sum }}</p>"),
        content.Draft(subject="x", source="{% for i in (1..1000000) %}{% endfor %}"),
        content.Draft(subject="a\nBcc: b@example.com", source="<p>x</p>"),
    ],
)
def test_what_cannot_be_sent_is_not_kept(draft):
    with pytest.raises(ContentError):
        made(draft)
    assert not Content.objects.exists() and not ContentVersion.objects.exists()


def test_it_is_tried_on_people_who_differ():
    person(email="bare@example.com")
    person(email="ada@example.com", first_name="Ada", account=account(name="Acme"))
    with pytest.raises(ContentError) as error:
        made(
            content.Draft(subject="x", source="{% unless person.first_name %}{{ (1..100000000) | sum }}{% endunless %}")
        )
    assert "takes too long" in str(error.value)


def test_a_copy_has_the_words_and_tags_and_an_address_of_its_own():
    lifecycle = published().lifecycle
    of = made(style="education", lifecycle=lifecycle, stage="known")
    copy = content.clone(of, by=None, now=NOW)
    assert (copy.slug, copy.style, copy.stage) == ("welcome_copy", "education", "known")
    assert copy.versions.get().html == of.versions.get().html


def test_a_stage_without_its_lifecycle_is_no_tag():
    of = made(style="engagement", stage="known")
    assert (of.lifecycle, of.stage) == (None, "")


def test_what_is_not_tagged_is_told():
    installation.put("postal_address", "1 Weir Lane")
    assert len(content.warnings(made().versions.get())) == 2
    tagged = made(style="education", lifecycle=published().lifecycle, stage="known")
    assert content.warnings(tagged.versions.get()) == []


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("<p>{{ person.frist_name }}</p>", "person.frist_name"),
        ("<p>{% if account.custom.tear == 'person.x' %}x{% endif %}</p>", "account.custom.tear"),
        ('<img src="https://x.example/a.png">', "alt"),
        ("<p>" + "long " * 25_000 + "</p>", "Gmail"),
        ('<a href="https://www.example.com/start">x</a>', "example.com"),
    ],
)
def test_what_is_doubtful_is_told(source, says):
    installation.put("postal_address", "1 Weir Lane")
    told = content.doubts(content.compiled(content.Draft(subject="x", source=source)))
    assert len(told) == 1 and says in told[0]


def test_a_preview_is_written_for_the_person_and_names_what_is_missing():
    ada = person(email="ada@example.com", first_name="<Ada>")
    version = content.compiled(
        content.Draft(subject="{{ person.first_name }}", source="<p>{{ person.first_name }} {{ person.title }}</p>")
    )
    shown = content.preview(version, ada, now=NOW)
    assert shown.subject == "<Ada>" and "&lt;Ada&gt;" in shown.html and shown.missing == ("person.title",)
    assert content.preview(version, None, now=NOW).subject == "Ada"


@pytest.mark.parametrize("starter", content.starters(), ids=lambda each: each.slug)
def test_each_starter_can_be_kept_as_it_is_and_brings_its_own_footer(starter):
    installation.put("postal_address", "1 Weir Lane")
    installation.put("company", "Marlow Creek")
    version = made(starter.draft, style=starter.style).versions.get()
    assert "unsubscribe_url" in starter.draft.source and version.html.count("unsubscribe_url") == 1
    assert content.doubts(version) == ["A link still leads to example.com."]
    shown = content.preview(version, None, now=NOW)
    assert shown.missing == () and "1 Weir Lane" in shown.text and "(max-width: 0)" in shown.html
    assert "(min-width: 0)" in content.preview(version, None, now=NOW, dark=True).html

"""Pages of content and senders: writing, previews as a person, editions, copies, a test to oneself."""

import html
import re

import pytest

from campaigns import content
from campaigns.models import Content, Message, Sender
from kit.models import User
from tests.campaigns import making
from tests.factories import NOW, account, person, published

pytestmark = pytest.mark.django_db

HELLO = content.Draft(subject="Hello", source="<p>Hello {{ person.first_name }} {{ person.title }}</p>")


@pytest.fixture
def user(client):
    user = User.objects.create_user("ada@perennial.example", "x", role=User.Role.MARKETER)
    client.force_login(user)
    return user


@pytest.fixture
def welcome():
    return content.create("Welcome", HELLO, by=None, now=NOW)


def typed(**values):
    told = {"name": "Welcome", "style": "", "stage": "", "subject": "Hello", "preheader": "", "format": "html",
            "source": "<p>Hello</p>", "text_source": "", "missing": "default"}  # fmt: skip
    return told | values


def frame(answer):
    """The document in the sandboxed frame of a page."""
    found = re.search(r'<iframe class="mail-frame[^"]*"([^>]*)srcdoc="([^"]*)"', answer.content.decode(), re.DOTALL)
    assert found and 'sandbox="' in found[1] and "allow-scripts" not in found[1] and "allow-same-origin" not in found[1]
    return html.unescape(found[2])


def test_a_new_content_begins_with_a_starter_or_with_nothing(client, user):
    assert [each.name in client.get("/content/new/").content.decode() for each in content.starters()] == [True] * 3
    assert "See it with your own numbers" in frame(client.get("/content/new/?from=offer"))
    assert client.get("/content/new/?from=blank").status_code == 200


def test_what_is_written_for_a_step_leads_back_to_it_and_is_chosen_there(client, user):
    draft = making.campaign(version=published(), stage="engaged")
    step = f"/campaigns/{draft.campaign.slug}/steps/new/send/?position=1"
    link = html.unescape(re.search(r'href="(/content/new/[^"]*)"', client.get(step).content.decode())[1])
    starters = client.get(link).content.decode()
    editor = "/content/new/" + html.unescape(re.search(r'href="(\?[^"]*from=offer[^"]*)"', starters)[1])
    assert 'value="small/engaged" selected' in client.get(editor).content.decode()
    answer = client.post(editor, typed())
    assert answer.url == f"{step}&content=welcome"
    kept = Content.objects.get(slug="welcome")
    assert f'value="{kept.pk}" selected' in client.get(answer.url).content.decode()


def test_content_leads_nowhere_outside(client, user):
    answer = client.post("/content/new/?from=blank&next=https://elsewhere.example/", typed())
    assert answer.url == "/content/welcome/"


def test_what_is_written_is_kept_with_its_tags(client, user):
    published()
    answer = client.post("/content/new/", typed(style="education", stage="small/engaged"))
    kept = Content.objects.get()
    assert answer.url == "/content/welcome/" and (kept.style, kept.stage) == ("education", "engaged")
    client.post("/content/welcome/", typed(name="Hi", source="<p>Other</p>"))
    kept.refresh_from_db()
    assert (kept.name, kept.style, kept.versions.count()) == ("Hi", "", 2)
    assert content.latest(kept).created_by == user


def test_what_is_wrong_is_told_at_its_field_with_its_place_and_nothing_typed_is_lost(client, user, welcome):
    answer = client.post("/content/welcome/", typed(source="<p>\n{{ x | nofilter }}</p>"))
    page = html.unescape(answer.content.decode())
    assert answer.status_code == 400 and "Line 2, column 8" in page and "{{ x | nofilter }}" in page
    assert welcome.versions.count() == 1


def test_the_preview_follows_the_person_and_names_what_is_missing(client, user):
    person(email="a@example.com", first_name="Ada", title="Countess", account=account(name="Acme"))
    bob = person(email="bob@example.com", first_name="Bob")
    shown = client.post("/content/preview/", typed(source=HELLO.source, person="bob@example.com"))
    assert "Hello Bob" in frame(shown) and "person.title" in shown.content.decode()
    by_number = client.post("/content/preview/", typed(source=HELLO.source, person=f"Bob · #{bob.pk}"))
    assert "Hello Bob" in frame(by_number)
    first = client.post("/content/preview/", typed(source=HELLO.source))
    assert "Hello Ada Countess" in frame(first) and "data-preview-missing" not in first.content.decode()
    nobody = client.post("/content/preview/", typed(source=HELLO.source, person="zzz"))
    assert "Nobody is called like this" in nobody.content.decode()


def test_the_preview_tells_a_fault_in_words_instead_of_failing(client, user):
    for source, says in (("{{ x", "Liquid"), ("", "Write something"), ("{{ (1..100000000) | sum }}", "takes too long")):
        answer = client.post("/content/preview/", typed(source=source))
        assert answer.status_code == 200 and says in html.unescape(answer.content.decode())


def test_without_scripts_the_page_itself_shows_what_is_typed(client, user, welcome):
    answer = client.post("/content/welcome/", typed(source="<p>Typed</p>", show="1"))
    assert answer.status_code == 200 and "Typed" in frame(answer) and welcome.versions.count() == 1


def test_a_mail_by_night_goes_by_its_own_dark_styles(client, user):
    css = "<style>@media (prefers-color-scheme: dark){p{color:#fff}}</style><p>x</p>"
    assert "(max-width: 0)" in frame(client.post("/content/preview/", typed(source=css)))
    assert "(min-width: 0)" in frame(client.post("/content/preview/", typed(source=css, dark="on")))


def test_editions_are_listed_shown_and_written_on_from(client, user, welcome):
    content.write(welcome, content.Draft(subject="Second", source="<p>Second</p>"), by=user, now=NOW)
    assert client.get("/content/welcome/versions/").content.decode().count("/content/welcome/versions/") >= 2
    first = client.get("/content/welcome/versions/1/")
    assert "Hello" in frame(first) and "?from=1" in first.content.decode()
    assert HELLO.source in html.unescape(client.get("/content/welcome/?from=1").content.decode())
    assert client.get("/content/welcome/versions/9/").status_code == 404


def test_a_copy_is_opened(client, user, welcome):
    assert client.post("/content/welcome/copy/").url == "/content/welcome_copy/"


def test_a_test_is_a_message_to_oneself_written_as_for_the_person(client, user, welcome):
    ada = person(email="a@example.com", first_name="Ada")
    client.post("/content/welcome/test/", {"person": ada.pk})
    assert not Message.objects.exists()  # no sender yet, which is said
    making.sender()
    client.post("/content/welcome/test/", {"person": ada.pk})
    sent = Message.objects.get()
    assert (sent.purpose, sent.to_user, sent.person, sent.content_version) == (
        "test",
        user,
        ada,
        welcome.versions.get(),
    )


def test_the_search_for_a_person_offers_who_fits(client, user):
    person(email="ada@example.com", first_name="Ada", last_name="Lovelace")
    assert "Ada Lovelace · ada@example.com · #" in client.get("/content/people/?person=lovel").content.decode()
    assert client.get("/content/people/?person=\x00").status_code == 200


CANARY = "\"'><script>window.canary=1</script><img src=x onerror=window.canary=1>"


def test_nothing_that_was_stored_becomes_markup_of_a_page(client, user):
    ada = person(email="a@example.com", first_name=CANARY, title=CANARY)
    making.sender(name="Eve <script>", address="eve@example.com")
    kept = content.create(
        CANARY, content.Draft(subject=CANARY, source="<p>{{ person.first_name }}</p>"), by=user, now=NOW
    )
    pages = ["/content/", kept.get_absolute_url(), f"{kept.get_absolute_url()}versions/", f"{kept.get_absolute_url()}versions/1/",
             f"/content/people/?person=a@example.com&x={ada.pk}", "/senders/"]  # fmt: skip
    for address in pages:
        shown = client.get(address).content.decode()
        assert "<script>window" not in shown and "<img src=x" not in shown, address
        assert "<script>window" not in html.unescape(re.sub(r'srcdoc="[^"]*"', "", shown)) or "&lt;script" in shown
    assert "<script>" not in frame(client.get(kept.get_absolute_url()))


def test_whoever_may_only_look_sees_the_words_but_no_buttons(client, welcome):
    client.force_login(User.objects.create_user("v@perennial.example", "x", role=User.Role.VIEWER))
    shown = client.get("/content/welcome/").content.decode()
    assert '<fieldset class="content-write" disabled>' in shown and "Send a test" not in shown


def test_the_list_takes_as_many_queries_for_many_as_for_few(client, user, welcome, django_assert_max_num_queries):
    for _copy in range(5):
        content.clone(welcome, by=user, now=NOW)
    with django_assert_max_num_queries(9):
        shown = client.get("/content/?q=welcome&style=(none)").content.decode()
    assert shown.count("Not tagged") == 6


# ---- senders ----


def test_senders_are_made_changed_and_retired(client, user):
    client.post("/senders/new/", {"name": "Ada", "address": "ada@marlowcreek.example", "reply_to": ""})
    client.post("/senders/new/", {"name": "Bob", "address": "bob@marlowcreek.example", "reply_to": ""})
    ada, bob = Sender.objects.order_by("pk")
    assert ada.is_default and "Bob" in client.get("/senders/").content.decode()
    assert client.post(f"/senders/{bob.pk}/", {"name": "Bob B", "address": bob.address}).url == "/senders/"
    assert client.post("/senders/new/", {"name": "Eve", "address": "a..b@c.example"}).status_code == 400
    client.post(f"/senders/{ada.pk}/retire/")
    client.post(f"/senders/{bob.pk}/retire/")
    assert list(Sender.objects.filter(retired_at=None)) == [ada]

"""The pages on which forms are made: a draft is edited without scripts, published in editions, previewed, closed."""

from __future__ import annotations

import io
import json
import re
import zipfile
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.utils import timezone

from audience import consent
from audience.models import Form, FormEdition, FormFile, Person, Submission, Topic
from audience.webforms import asking, editing, files
from audience.webforms.asking import Box, Question
from kit import installation
from kit.models import AuditEntry, Notice, User
from tests.asking import Api
from tests.audience.webforms.making import BROWSER, WORDING, address, published, send, text, topic
from tests.campaigns.making import sender
from tests.factories import NOW, person

pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.7 a guide"
CANARY = "\"'><script>canary()</script><img src=x onerror=canary()>{{ 7|add:7 }}"


@pytest.fixture(autouse=True)
def uploads(settings, tmp_path):
    settings.UPLOADS = tmp_path


def rows(*questions):
    """The rows of questions as the page sends them."""
    told = {"q-TOTAL_FORMS": len(questions), "q-INITIAL_FORMS": 0, "q-MIN_NUM_FORMS": 0, "q-MAX_NUM_FORMS": 40}
    for number, each in enumerate(questions):
        told |= {f"q-{number}-{name}": value for name, value in ({"when": "always"} | each).items()}
    return told


def filled(*questions, **values):
    """The page of a draft as somebody filled it in."""
    pk = topic().pk
    told = {"name": "Guide", "title": "Get the guide", "button": "Get it", "thanks": "Enjoy.", "at_once": 2,
            "double_opt_in": "on", "remembers": "on", f"topic_{pk}": "on", f"wording_{pk}": WORDING}  # fmt: skip
    return told | rows(*(questions or ({"field": "email", "required": "on"}, {"field": "first_name"}))) | values


def test_from_nothing_to_a_page_that_takes_what_is_sent(admin_client, client):
    made = admin_client.post("/forms/new/", {"name": "Guide"})
    assert made.url == "/forms/guide/edit/" and Form.objects.get().state == "draft"
    kept = admin_client.post(made.url, filled({"field": "email", "label": "Your email"}, {"field": "city"}))
    assert kept.url == made.url
    assert admin_client.post(made.url, filled(do="publish")).url == "/forms/guide/"
    form = Form.objects.get()
    assert form.state == "published" and form.edition.number == 1
    page = client.get(address(form), headers=BROWSER)
    assert "Get the guide" in text(page) and WORDING in text(page) and b"checked" not in page.content
    assert send(client, form, email="ada@example.com", topic__news="on").status_code == 303
    shown = admin_client.get("/forms/guide/")
    assert "ada@example.com" in text(shown) and "waits for the mail" in text(shown) and "100.0%" in text(shown)
    listed = text(admin_client.get("/forms/guide/submissions/"))
    assert "1 submission" in listed and "ada@example.com" in listed
    actions = [each.action for each in AuditEntry.objects.filter(action__startswith="form.").order_by("pk")]
    assert actions == ["form.create", "form.change", "form.change", "form.publish", "form.submit"]


def asked(form):
    form.refresh_from_db()
    return [each.field for each in asking.read(form.draft).questions]


def test_questions_are_added_moved_and_dropped_by_buttons(admin_client):
    form = editing.create("Guide", by=None, now=NOW)
    three = ({"field": "email"}, {"field": "city"}, {"field": "phone"})
    url = "/forms/guide/edit/"
    admin_client.post(url, filled(*three, do="up:2"))
    assert asked(form) == ["email", "phone", "city"]
    admin_client.post(url, filled(*three, do="down:0"))
    assert asked(form) == ["city", "email", "phone"]
    admin_client.post(url, filled(*three, do="drop:1"))
    assert asked(form) == ["email", "phone"]
    for odd in ("up:99", "drop:-1", "up:", "x", "up:" + "9" * 5000, "down:2", "up:0"):
        admin_client.post(url, filled(*three, do=odd))
        assert asked(form) == ["email", "city", "phone"], odd
    more = admin_client.get(admin_client.post(url, filled(*three, do="add")).url)
    assert more.content.count(b'class="question"') == 4


def test_a_question_shows_no_more_than_its_field_and_its_words_until_more_is_said_of_it(admin_client):
    editing.create("Guide", by=None, now=NOW)
    url = "/forms/guide/edit/"

    def opened(*questions, **more):
        answer = admin_client.post(url, filled(*questions, **more), follow=True)
        return [
            "open" in each
            for each in re.findall(r'<details class="disclosure question__more"([^>]*)>', answer.content.decode())
        ]

    assert opened({"field": "email", "label": "Your email", "required": "on"}) == [False]
    assert opened({"field": "email"}, {"field": "city", "help": "Where you work"}) == [False, True]
    assert opened({"field": "email"}, {"field": "city", "when": "later"}) == [False, True]
    assert opened({"field": "email"}, {"field": "city", "after": "email"}) == [False, True]
    assert opened({"field": "email"}, {"field": "source", "when": "hidden"}) == [False, True], "where the error stands"


def test_what_is_published_stays_until_the_draft_is_published_too(admin_client, client):
    form = published()
    admin_client.post("/forms/newsletter/edit/", filled(title="Anew"))
    assert "Stay in touch" in text(client.get(address(form)))
    assert "The draft has changes" in text(admin_client.get("/forms/newsletter/"))
    admin_client.post("/forms/newsletter/publish/")
    assert "Anew" in text(client.get(address(form)))
    admin_client.post("/forms/newsletter/publish/")
    assert FormEdition.objects.count() == 2, "the same again is no edition"
    with pytest.raises(Exception, match="append-only"), transaction.atomic():
        FormEdition.objects.update(asked={})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"questions": (Question("first_name"),)}, "Ask everybody for the email"),
        ({"questions": (Question("email", when="later"),)}, "Ask everybody for the email"),
        ({"questions": (Question("email"), Question("email"))}, "asked twice"),
        ({"questions": (Question("email"), Question("custom.gone"))}, "no field “custom.gone” any more"),
        ({"questions": (Question("email"), Question("source", when="hidden", value="x" * 300))}, "cannot be set"),
        ({"title": " "}, "Give the page a heading"),
        ({"boxes": (Box("gone", "Yes"),)}, "topic “gone” is not offered"),
        ({"boxes": (Box("news", " "),)}, "Say in words"),
        ({"after_confirming": True}, "no file to hand out"),
    ],
)
def test_what_cannot_be_asked_is_not_published_and_said(admin_client, change, why):
    form = editing.create("Guide", by=None, now=NOW)
    topic()
    base = asking.read(form.draft)
    editing.change(form, name="Guide", asked=asking.read(base.as_json() | asking.Asked(**{**vars(base), **change}).as_json()),
                   by=None, now=NOW)  # fmt: skip
    answer = admin_client.post("/forms/guide/publish/", follow=True)
    assert why in text(answer) and Form.objects.get().state == "draft"


@pytest.mark.parametrize(
    "bad",
    [
        {"title": ""}, {"title": "x" * 201}, {"intro": "x" * 1_000_000}, {"at_once": 0}, {"at_once": "9" * 5000},
        {"name": "a\0b"}, {"q-0-field": "owner"}, {"q-0-when": "never"}, {"q-0-when": "hidden"}, {"q-TOTAL_FORMS": "x"},
        {"q-TOTAL_FORMS": 10**9}, {"q-0-label": "x" * 1_000_000},
    ],
)  # fmt: skip
def test_a_draft_that_makes_no_sense_is_shown_again_and_not_kept(admin_client, bad):
    form = editing.create("Guide", by=None, now=NOW)
    before = Form.objects.values().get()
    answer = admin_client.post("/forms/guide/edit/", filled() | bad)
    assert answer.status_code == 400 and "Nothing that you typed is lost" in text(answer)
    assert Form.objects.values().get() == before and form.slug == "guide"


def test_a_box_without_words_is_refused(admin_client):
    editing.create("Guide", by=None, now=NOW)
    answer = admin_client.post("/forms/guide/edit/", filled() | {f"wording_{topic().pk}": " "})
    assert answer.status_code == 400 and "kept as the proof" in text(answer)


def test_the_preview_tries_it_out_and_keeps_nothing(admin_client):
    editing.create("Guide", by=None, now=NOW)
    admin_client.post("/forms/guide/edit/", filled())
    assert "keeps nothing" in text(admin_client.get("/forms/guide/preview/"))
    assert admin_client.post("/forms/guide/preview/", {"email": "none"}).status_code == 400
    assert "Nothing was kept" in text(admin_client.post("/forms/guide/preview/", {"email": "ada@example.com"}))
    assert not Person.objects.exists()


def test_closed_it_takes_nothing_and_is_opened_again(admin_client, client):
    form = published()
    admin_client.post("/forms/newsletter/close/")
    assert client.get(address(form)).status_code == 410
    admin_client.post("/forms/newsletter/publish/")
    assert client.get(address(form)).status_code == 200


# ---- the file ----


def with_file(admin_client, **values):
    form = published()
    upload = SimpleUploadedFile("The guide.pdf", PDF)
    admin_client.post("/forms/newsletter/edit/", filled(upload=upload, do="publish", **values))
    return Form.objects.get(pk=form.pk)


def link(answer):
    found = re.search(r'href="(/f/file/[^"]+)"', answer.content.decode())
    return found[1] if found else None


def test_the_file_is_handed_out_by_a_link_that_grows_old(admin_client, client):
    form = with_file(admin_client)
    done = client.get(send(client, form, email="ada@example.com").url)
    answer = client.get(link(done))
    assert b"".join(answer.streaming_content) == PDF
    assert answer["Content-Disposition"] == 'attachment; filename="The guide.pdf"'
    assert answer["Content-Type"] == "application/octet-stream" and answer["X-Content-Type-Options"] == "nosniff"
    token = link(done).split("/")[-2]
    assert files.opened(token, now=timezone.now() + files.LASTS * 0.9)
    assert files.opened(token, now=timezone.now() + files.LASTS * 1.1) is None
    assert not client.get("/f/file/..%2f..%2fetc%2fpasswd/").has_header("Content-Disposition")


def test_after_confirming_alone_when_the_form_says_so(admin_client, client):
    form = with_file(admin_client, after_confirming="on")
    answer = client.get(send(client, form, email="ada@example.com").url)
    assert link(answer) is None and "sent you an email" in text(answer)
    confirmation = Notice.objects.get().link
    assert link(client.get(confirmation)) is None
    assert b"".join(client.get(link(client.post(confirmation))).streaming_content) == PDF


def test_a_machine_that_was_thanked_gets_no_file(admin_client, client):
    form = with_file(admin_client)
    assert link(client.get(send(client, form, email="eve@example.com", remark="x").url)) is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("guide.html", b"<script>"), ("guide.svg", b"<svg>"), ("guide.exe", b"MZ"), ("guide", PDF), ("guide.pdf", b"MZ"),
        ("guide.docx", b"PK\x03\x04 and no more"), ("guide.png", PDF), ("guide.pdf.js", PDF),
    ],
)  # fmt: skip
def test_what_is_no_document_is_not_kept(admin_client, name, content, tmp_path):
    published()
    answer = admin_client.post("/forms/newsletter/edit/", filled(upload=SimpleUploadedFile(name, content)))
    assert answer.status_code == 400 and not FormFile.objects.exists() and not list(tmp_path.rglob("*.*"))


def test_a_file_lies_under_a_generated_name_whatever_it_is_called(admin_client, tmp_path):
    form = published()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", "b")
    file = files.keep(form, SimpleUploadedFile("x.zip", packed.getvalue()), now=NOW)
    assert [path.name for path in (tmp_path / "forms").iterdir()] == [file.stored] and len(file.stored) == 32
    for name in ("../../evil.pdf", "..\\..\\evil.pdf", "/etc/evil.pdf"):
        upload = SimpleUploadedFile("x.pdf", PDF)
        upload._name = name
        kept = files.keep(form, upload, now=NOW)
        assert kept.name == "evil.pdf" and (Path(tmp_path) / "forms" / kept.stored).is_file()


# ---- on other pages ----


class Fields(HTMLParser):
    """The names of what a form of HTML sends."""

    def __init__(self, html):
        super().__init__()
        self.names, self.action = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        if tag in ("input", "select", "textarea"):
            self.names.append(told["name"])
        if tag == "form":
            self.action = told["action"]


def test_the_code_to_paste_is_plain_html_that_the_form_takes(admin_client, client):
    installation.put("site_domains", ["marlow.example"])
    form = published(questions=(Question("email"), Question("city"), Question("source", when="hidden", value="site"),
                                Question("phone", when="later")))  # fmt: skip
    page = admin_client.get("/forms/newsletter/").content.decode()
    code = re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)[1]
    told = Fields(unescape(code))
    assert told.names == ["edition", "remark", "email", "city", "topic.news"]
    assert told.action.endswith(address(form)) and "<script" not in unescape(code) and "style=" not in unescape(code)
    sent = {"edition": 1, "remark": "", "email": "ada@example.com", "city": "Pécs", "topic.news": "on"}
    answer = client.post(address(form), sent, headers=BROWSER | {"Origin": "https://marlow.example"})
    assert answer.status_code == 303 and Person.objects.get().source == "site"
    assert "100.0%" not in text(admin_client.get("/forms/")), (
        "what came from elsewhere says nothing of the page's views"
    )


# ---- who may, what is shown, what conditions ask ----


def test_a_salesperson_sees_who_is_theirs_and_of_the_refused_nothing(client):
    sal = User.objects.create_user("sal@example.com", "x", role=User.Role.SALES)
    form = published()
    person(email="mine@example.com", owner=sal)
    for email in ("mine@example.com", "other@example.com"):
        send(Client(), form, email=email)
    send(Client(), form, email="bot@example.com", remark="x")
    client.force_login(sal)
    for url in ("/forms/newsletter/", "/forms/newsletter/submissions/", "/forms/newsletter/submissions/?export=csv",
                "/forms/newsletter/refused/"):  # fmt: skip
        answer = client.get(url)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        assert b"other@" not in body and b"bot@" not in body, url
    assert "mine@example.com" in text(client.get("/forms/newsletter/"))
    told = Api(sal).get("/forms/newsletter/submissions/")["results"]
    assert [each["answers"]["email"] for each in told] == ["mine@example.com"]


def test_over_the_api_forms_are_read_with_what_was_sent(client):
    form = published()
    send(client, form, email="ada@example.com", topic__news="on", utm_campaign="spring")
    api = Api(User.objects.create_user("m@example.com", "x", role=User.Role.MARKETER))
    told = api.get("/forms/newsletter/")
    assert told["address"].endswith(address(form)) and told["submissions"] == 1 and told["edition"] == 1
    assert told["questions"][0]["field"] == "email" and told["boxes"] == [{"topic": "news", "wording": WORDING}]
    assert [each["slug"] for each in api.get("/forms/")["results"]] == ["newsletter"]
    [sent] = api.get("/forms/newsletter/submissions/")["results"]
    assert sent["origin"] == {"utm_campaign": "spring"} and sent["asks_confirmation"] and not sent["confirmed_at"]
    api.refused("get", "/forms/nothing/submissions/", None, 404, "not_found")


def test_conditions_are_offered_the_kind_and_the_form(client):
    send(client, published(), email="ada@example.com")
    page = Client()
    page.force_login(User.objects.create_user("m@example.com", "x", role=User.Role.MARKETER))
    for key, value in (("kind", "form_submitted"), ("properties", "form"), ("properties.form", "newsletter")):
        answer = page.get("/conditions/values/", {"of": "person", "field": "activity.count", "key": key})
        assert value in json.dumps(json.loads(answer.content)["values"]), key


def test_nothing_that_a_stranger_or_a_user_writes_runs_anywhere(admin_client, client):
    Topic.objects.get_or_create(slug="news", defaults={"label": CANARY})
    form = published(CANARY, title=CANARY, intro=CANARY, button=CANARY[:60], thanks=CANARY, boxes=(Box("news", CANARY),),
                     questions=(Question("email"), Question("first_name", label=CANARY, help=CANARY), Question("city")))  # fmt: skip
    told = {"email": "ada@example.com", "first_name": CANARY, "city": CANARY, "topic__news": "on"}
    told |= {"utm_source": CANARY, "page": CANARY, "referrer": CANARY}
    done = send(client, form, **told).url
    send(Client(), form, **told, remark=CANARY)
    bad = send(Client(), form, **(told | {"email": CANARY}))
    submission = Submission.objects.get()
    base = form.get_absolute_url()
    pages = [bad, client.get(address(form)), client.get(done), client.get(Notice.objects.get().link),
             client.post(Notice.objects.get().link)]  # fmt: skip
    pages += [admin_client.get(url) for url in (
        "/forms/", base, f"{base}edit/", f"{base}preview/", f"{base}submissions/", f"{base}refused/",
        submission.person.get_absolute_url(), "/audit/", "/outbox/", "/people/")]  # fmt: skip
    for page in pages:
        body = page.content.decode()
        assert (
            "<script>canary" not in body and "<img src=x" not in body and "14" not in re.findall(r"add:7 (\d+)", body)
        )
        assert "unsafe-inline" not in page.headers["Content-Security-Policy"]
    assert consent.history(submission.person)[0].wording == CANARY


def test_a_megabyte_in_a_field_is_refused_and_kept_short(client):
    form = published()
    answer = send(client, form, email="ada@example.com", first_name="x" * 1_000_000)
    assert answer.status_code == 400 and not Person.objects.exists()
    send(client, form, email="e@example.com", first_name="x" * 1_000_000, remark="y" * 1_000_000)
    refused = form.refused.get()
    assert max(map(len, refused.answers.values())) <= 200


@pytest.mark.parametrize(
    "email", ["", " ", "a", "a@b", "a..b@c.de", "ä@example.com", "a@b\0.de", "a@example.com\r\nBcc: e@example.com", "@",
              "x" * 65 + "@example.com", "a@" + "x" * 300 + ".de", "<a@example.com>", "a@example.com,b@example.com",
              "a@[127.0.0.1]", "\u202ea@example.com", "😀@example.com", "\u212a@example.com", "a@exa mple.com"],
)  # fmt: skip
def test_what_is_no_email_is_refused_in_words(client, email):
    answer = send(client, published(), email=email)
    assert answer.status_code == 400 and b"asks__error" in answer.content and not Person.objects.exists()


def test_that_nobody_is_there_in_whose_name_to_confirm_is_said_on_the_page(admin_client):
    published()
    assert "nobody is there in whose name" in text(admin_client.get("/forms/newsletter/"))
    sender()
    assert "nobody is there in whose name" not in text(admin_client.get("/forms/newsletter/"))

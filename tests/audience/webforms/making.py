"""Forms for tests, made and published by the verbs that pages call, and what a browser would send to them."""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timedelta
from html import unescape
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audience.models import Form, Topic
from audience.views.hosted import BEGAN
from audience.webforms import asking, editing
from audience.webforms.asking import Asked, Box, Question
from kit import tokens
from tests.factories import NOW

WORDING = "Yes, write to me about news."
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}


def topic() -> Topic:
    """The topic that forms ask for."""
    return Topic.objects.get_or_create(slug="news", defaults={"label": "News"})[0]


def asked(**values: Any) -> Asked:
    """A form that asks for the email, a name, and consent to news."""
    topic()
    told: dict[str, Any] = {
        "title": "Stay in touch", "button": "Send", "thanks": "Thank you.",
        "questions": (Question("email", required=True), Question("first_name")),
        "boxes": (Box("news", WORDING),),
    }  # fmt: skip
    return Asked(**told | values)


def published(name: str = "Newsletter", *, now: datetime = NOW, **values: Any) -> Form:
    """A form that takes what is sent."""
    form = editing.create(name, by=None, now=now)
    return republished(form, now=now, **values)


def republished(form: Form, *, now: datetime = NOW, **values: Any) -> Form:
    """Another edition of it."""
    editing.change(form, name=form.name, asked=asked(**values), by=None, now=now)
    editing.publish(form, by=None, now=now)
    return Form.objects.get(pk=form.pk)


def draft(**values: Any) -> dict[str, Any]:
    """A draft as it is kept."""
    return asking.read(asked(**values).as_json()).as_json()


def address(form: Form) -> str:
    """Of the form's page."""
    return reverse("form_page", args=[form.public_id])


def opened(form: Form, ago: timedelta = timedelta(seconds=30)) -> str:
    """What the page says of when it was opened, with every question."""
    told = {"key": uuid.uuid4().hex, "asked": [each["field"] for each in form.edition.asked["questions"]]}
    return tokens.made(BEGAN, told, now=timezone.now() - ago)


def send(client: Client, form: Form, /, *, headers: dict[str, str] | None = None, **answers: Any) -> Any:
    """What comes of sending the form's own page, filled in by somebody."""
    told = {"began": opened(form), "edition": form.edition.number, "remark": "", **answers}
    sent = {name.replace("__", "."): value for name, value in told.items()}
    return client.post(address(form), sent, headers=BROWSER | (headers or {}))


def text(answer: Any) -> str:
    """What a page says."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode())))

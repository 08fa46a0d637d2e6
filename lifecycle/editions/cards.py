"""Stage cards: what is asked of a stage beside its rules, how it is answered, and which answers are missing.

A published version never changes, but how people are treated in a stage does. So an answer that is given after
publication is a row of its own (CardAmendment), and the newest counts; the next draft begins with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kit import audit
from kit.models import User
from kit.yamlfiles import DocumentError
from lifecycle.models import CardAmendment, Stage, Version

MOST_LETTERS, MOST_ITEMS, LONGEST_ITEM = 2000, 30, 100
TEXT, LIST, STYLE = "text", "list", "style"


class Style(models.TextChoices):
    """How people in a stage are spoken to."""

    EDUCATION = "education", gettext_lazy("Education")
    ENGAGEMENT = "engagement", gettext_lazy("Engagement")


@dataclass(frozen=True)
class Question:
    """One thing that a card asks: its name in documents, its words, what an answer looks like, and where it matters.

    `of_all`: asked of every stage; else only of those in which somebody stays and is treated.
    """

    name: str
    label: Any
    help: Any
    kind: str = TEXT
    of_all: bool = False


QUESTIONS = (
    Question("goal", gettext_lazy("Goal"), gettext_lazy("What a stay in this stage is to achieve."), of_all=True),
    Question("behaviour", gettext_lazy("Buyer’s behaviour"), gettext_lazy("How you recognise somebody who is here.")),
    Question("owner", gettext_lazy("Owner"), gettext_lazy("The team that answers for this stage."), of_all=True),
    Question("style", gettext_lazy("Style"), gettext_lazy("Education explains; engagement asks for a step."), STYLE),
    Question("channels", gettext_lazy("Channels"), gettext_lazy("Such as email, webinar, phone."), LIST),
    Question("platforms", gettext_lazy("Platforms"), gettext_lazy("Such as desktop, mobile, kiosk."), LIST),
    Question("sources", gettext_lazy("Data sources"), gettext_lazy("Where you learn that somebody is here."), LIST),
    Question("notices", gettext_lazy("Notices"), gettext_lazy("Who is told what when somebody comes or stays long.")),
    Question("marketing", gettext_lazy("What marketing does"), gettext_lazy("While somebody is in this stage.")),
    Question("sales", gettext_lazy("What sales does"), gettext_lazy("While somebody is in this stage.")),
    Question("communication", gettext_lazy("Communication"), gettext_lazy("What is said, in which tone, how often.")),
    Question("reporting", gettext_lazy("Reporting"), gettext_lazy("Which figures are looked at, by whom, how often.")),
)
BY_NAME = {each.name: each for each in QUESTIONS}


def asked_of(kind: str) -> list[Question]:
    """What the card of a stage of this kind asks: nobody stays in a gate, and nobody is treated after the end."""
    passing = kind in (Stage.Kind.GATE, Stage.Kind.TERMINAL)
    return [each for each in QUESTIONS if each.of_all or not passing]


def missing(kind: str, card: dict[str, Any]) -> list[Question]:
    """The questions that nobody has answered."""
    return [each for each in asked_of(kind) if not card.get(each.name)]


def check(card: Any, place: str) -> None:
    """Refuse what is no card, in the words of the document it stands in. Raises DocumentError."""
    if not isinstance(card, dict):
        raise DocumentError(place, _("is not a mapping of names to values"))
    for name, answer in card.items():
        where = f"{place} › {name}"
        question = BY_NAME.get(name)
        if question is None:
            told = {"key": name, "known": ", ".join(BY_NAME)}
            raise DocumentError(place, _("“%(key)s” is not known here; known are %(known)s") % told)
        if question.kind == LIST:
            _check_list(answer, where)
        elif not isinstance(answer, str):
            raise DocumentError(where, _("is not a text"))
        elif question.kind == STYLE and answer and answer not in Style.values:
            told = {"value": answer[:40], "known": ", ".join(Style.values)}
            raise DocumentError(where, _("is “%(value)s”, but can be %(known)s") % told)
        elif len(answer) > MOST_LETTERS:
            raise DocumentError(where, _("is longer than %(most)s letters") % {"most": MOST_LETTERS})


def _check_list(answer: Any, place: str) -> None:
    if not isinstance(answer, list) or not all(isinstance(item, str) for item in answer):
        raise DocumentError(place, _("is not a list of texts"))
    if len(answer) > MOST_ITEMS:
        raise DocumentError(place, _("has more than %(most)s entries") % {"most": MOST_ITEMS})
    if any(len(item) > LONGEST_ITEM for item in answer):
        raise DocumentError(place, _("has an entry longer than %(most)s letters") % {"most": LONGEST_ITEM})


def as_amended(stages: Iterable[Stage]) -> list[Stage]:
    """The stages with their cards as they are now, whatever was answered since publication; one statement."""
    found = list(stages)
    newest = dict(
        CardAmendment.objects.filter(stage__in=[each.pk for each in found]).order_by("pk").values_list("stage", "card")
    )
    for each in found:
        each.card = newest.get(each.pk, each.card)
    return found


def answers(stage: Stage, elsewhere: Collection[str] = ()) -> Iterator[tuple[Question, Any]]:
    """What a stage's card asks with what is answered: text, or "" for what is missing."""
    for question in asked_of(stage.kind):
        answer = stage.card.get(question.name) or ""
        if question.kind == LIST:
            answer = ", ".join(answer)
        elif question.kind == STYLE and answer in Style.values:
            answer = Style(answer).label
        yield question, answer


class Stale(ValueError):
    """What was about to be changed is not what was read: somebody else changed it meanwhile."""

    def __init__(self) -> None:
        super().__init__(_("It was changed meanwhile. Read it again, and decide anew."))


def mark(part: Any) -> str:
    """A short sign of what a part looked like when it was read."""
    return hashlib.sha256(json.dumps(part, sort_keys=True, default=str).encode()).hexdigest()[:16]


@transaction.atomic
def amend(stage: Stage, card: dict[str, Any], *, seen: str | None = None, by: User | None, now: datetime) -> None:
    """Answer a published stage's card anew; the version itself stays as it is.

    `seen` is the mark of the card as it was read: raises Stale when it is another by now. Raises DocumentError for
    what is no card, and for a draft's stage, whose card is changed with the draft.
    """
    check(card, "card")
    version = Version.objects.select_for_update(no_key=True).get(pk=stage.version_id)
    if version.state == Version.State.DRAFT:
        raise DocumentError("card", _("The card of a draft is changed in the draft."))
    as_amended([stage])
    if seen is not None and seen != mark(stage.card):
        raise Stale
    if card == stage.card:
        return
    CardAmendment.objects.create(stage=stage, card=card, by=by, at=now)
    before = {name: stage.card.get(name) for name in card if card[name] != stage.card.get(name)}
    audit.record("lifecycle.card", f"{version} · {stage}", by=by, now=now,
                 before=before, after={name: card[name] for name in before})  # fmt: skip
    stage.card = card

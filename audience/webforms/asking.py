"""What a form asks: questions about a person, boxes of consent, and what is said around them; kept word for word."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.models import Field, Person

EMAIL, COMPANY = "email", "company"
ANY = ""  # the answer that is asked for where any will do
ALWAYS, LATER, HIDDEN = "always", "later", "hidden"  # when a question is asked
WHEN = {
    ALWAYS: gettext_lazy("Ask everybody"),
    LATER: gettext_lazy("Ask those who come back"),
    HIDDEN: gettext_lazy("Do not ask, set to"),
}
# What a form may ask of the columns of a person, each with what browsers fill it in by.
COLUMNS = {
    EMAIL: "email", "first_name": "given-name", "last_name": "family-name", "phone": "tel",
    "title": "organization-title", "country": "country-name", "region": "address-level1", "city": "address-level2",
}  # fmt: skip
YES_NO = {"yes": True, "true": True, "no": False, "false": False}  # how a box that is ticked or not is asked for
SET_ONLY = ("source",)  # what is only ever set
CUSTOM = "custom."
TYPES = (
    Field.Type.TEXT, Field.Type.NUMBER, Field.Type.DATE, Field.Type.CHOICE, Field.Type.SEVERAL, Field.Type.YES_NO,
)  # fmt: skip
MOST_QUESTIONS = 40


@dataclass(frozen=True)
class Question:
    """One value of a person, as it is asked for; or, hidden, the value that everybody who sends the form gets.

    With `after` it is put only to those who answer that earlier question with `answer`, or (ANY) answer it at all.
    """

    field: str
    label: str = ""
    help: str = ""
    required: bool = False
    when: str = ALWAYS
    value: str = ""
    after: str = ""
    answer: str = ANY

    def is_put(self, said: Mapping[str, Any]) -> bool:
        """Whether it is put to somebody who has answered the questions before so."""
        if not self.after:
            return True
        told = said.get(self.after)
        if self.answer == ANY:
            return told not in (None, "", [], False)
        if isinstance(told, bool) or (told is None and self.answer.casefold() in YES_NO):
            return YES_NO.get(self.answer.casefold()) is bool(told)
        several = told if isinstance(told, list) else [told]
        return self.answer.casefold() in {str(each).casefold() for each in several if each not in (None, "")}


@dataclass(frozen=True)
class Box:
    """A topic that can be agreed to, in these words. Nobody finds it ticked."""

    topic: str
    wording: str


@dataclass(frozen=True)
class Asked:
    """All that an edition says. `file` is the number of the file that is handed out, after confirming if it is so."""

    title: str = ""
    intro: str = ""
    button: str = ""
    thanks: str = ""
    questions: tuple[Question, ...] = ()
    boxes: tuple[Box, ...] = ()
    double_opt_in: bool = True
    remembers: bool = True
    at_once: int = 2
    file: int | None = None
    after_confirming: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def read(kept: Mapping[str, Any]) -> Asked:
    """What a draft or an edition says."""
    told = dict(kept)
    told["questions"] = tuple(Question(**each) for each in told.get("questions", ()))
    told["boxes"] = tuple(Box(**each) for each in told.get("boxes", ()))
    return Asked(**told)


def starter(name: str) -> Asked:
    """What a new form asks: email and name, to be changed."""
    return Asked(
        title=name,
        button=_("Send"),
        thanks=_("Thank you. We have received it."),
        questions=(
            Question(EMAIL, required=True),
            Question("first_name"),
            Question("last_name"),
        ),
    )


@dataclass(frozen=True)
class Offered:
    """A value of a person that a form may ask for."""

    name: str
    label: str
    custom: Field | None = None
    autocomplete: str = "off"


def offered() -> dict[str, Offered]:
    """All that a form may ask for, by name."""
    found = [Offered(name, _label(name), None, told) for name, told in COLUMNS.items()]
    found.append(Offered(COMPANY, _("Company"), None, "organization"))
    found += [Offered(name, _label(name)) for name in SET_ONLY]
    custom = Field.objects.filter(of=Field.Of.PERSON, type__in=TYPES, hidden=False).order_by("label")
    found += [Offered(f"{CUSTOM}{each.slug}", each.label, each) for each in custom]
    return {each.name: each for each in found}


def _label(column: str) -> str:
    field: Any = Person._meta.get_field(column)
    return capfirst(str(field.verbose_name))


def shown(asked: Asked, *, known: bool, answered: Collection[str]) -> Iterator[Question]:
    """The questions that are put to somebody, in order.

    Whoever is not known is asked what everybody is. Whoever is known is not asked again what they have answered, and of
    what is asked later the next few; the email is asked always, for by it we know whose answers these are. What hangs
    on the answer to a question is put where that one is.
    """
    left = asked.at_once if known else 0
    put: set[str] = set()
    for each in asked.questions:
        if each.after and each.after not in put:
            continue
        if each.when == HIDDEN or (known and each.field != EMAIL and each.field in answered):
            continue
        if each.when == LATER:
            if not left:
                continue
            left -= 1
        put.add(each.field)
        yield each

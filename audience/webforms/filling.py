"""What somebody typed into a form, read strictly: each value of its field's type and length, nothing else taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.activity import visitors
from audience.models import Account, Field, Person
from audience.models.fields import LARGEST, LONGEST_TEXT
from audience.webforms import asking
from audience.webforms.asking import COMPANY, CUSTOM, EMAIL, HIDDEN, Asked, Offered, Question
from kit import addresses
from kit.forms import Day

TOPIC = "topic."
LONGEST_ORIGIN = 200
MOST_KEPT, LONGEST_KEPT = 30, 200  # of what was refused


class _Email(forms.CharField):
    """An email address, as addresses are kept."""

    def __init__(self, **given: Any) -> None:
        super().__init__(max_length=addresses.LONGEST, widget=forms.EmailInput, **given)

    def clean(self, value: Any) -> str:
        told = addresses.email(super().clean(value))
        if told is None:
            raise forms.ValidationError(_("This is no email address."))
        return told


class Filled(forms.Form):
    """The questions that are put to somebody, and the boxes. `answers` and `ticked` are what was said."""

    def __init__(self, asked: Asked, questions: Sequence[Question], data: QueryDict | None = None) -> None:
        super().__init__(data, auto_id="f_%s", use_required_attribute=True)
        offered = asking.offered()
        self.asked = asked
        self.depending = [each for each in questions if each.after and each.field in offered]
        for each in questions:
            if each.field in offered:  # a custom field may have been removed since
                self.fields[each.field] = made = _field(offered[each.field], each)
                made.hangs_on = each if each.after else None  # type: ignore[attr-defined]
                if each.after:  # a browser that does not hide it must not want an answer
                    made.required = False
        for box in asked.boxes:
            self.fields[f"{TOPIC}{box.topic}"] = forms.BooleanField(label=box.wording, required=False)

    def clean(self) -> dict[str, Any]:
        """What is not put to somebody who has answered so is neither wanted nor kept, whatever was sent."""
        cleaned = super().clean() or {}
        for each in self.depending:
            if not each.is_put(cleaned):
                cleaned.pop(each.field, None)
                self.errors.pop(each.field, None)
            elif each.required and cleaned.get(each.field) in (None, "", [], False) and each.field not in self.errors:
                self.add_error(each.field, _("This field is required."))
        return cleaned

    @property
    def questions(self) -> list[Any]:
        """The fields of questions, bound."""
        return [bound for bound in self if not bound.name.startswith(TOPIC)]

    @property
    def boxes(self) -> list[Any]:
        """The boxes of consent, bound."""
        return [bound for bound in self if bound.name.startswith(TOPIC)]

    @property
    def answers(self) -> dict[str, Any]:
        """What was answered, by field, as it is kept; hidden values among it, whatever was sent in their place."""
        told = {name: _kept(value) for name, value in self.cleaned_data.items() if not name.startswith(TOPIC)}
        told = {name: value for name, value in told.items() if value not in (None, "", [])}
        offered = asking.offered()
        for each in self.asked.questions:
            if each.when == HIDDEN and each.field in offered and fits(offered[each.field], each.value):
                told[each.field] = _set(offered[each.field], each.value)
        return told

    @property
    def ticked(self) -> list[str]:
        """The topics whose box was ticked."""
        boxes = [name for name, value in self.cleaned_data.items() if name.startswith(TOPIC) and value]
        return [name.removeprefix(TOPIC) for name in boxes]


def values(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Answers as the values of a person; the company is a value of no column of theirs."""
    answers = {name: value for name, value in answers.items() if name != COMPANY}
    custom = {name.removeprefix(CUSTOM): value for name, value in answers.items() if name.startswith(CUSTOM)}
    columns = {name: value for name, value in answers.items() if not name.startswith(CUSTOM)}
    return columns | ({"custom": custom} if custom else {})


def origin(sent: QueryDict, *, came_from: str = "") -> dict[str, str]:
    """Where a visitor came from, as far as the address and the page say; of addresses nothing that may hold names."""
    told = {name: sent.get(name, "") for name in visitors.TAGS}
    referrer = sent.get("referrer", "")
    told["referrer"] = visitors.host_of(referrer) or referrer.partition("/")[0].partition("?")[0] or came_from
    told["page"] = sent.get("page", "").partition("?")[0]
    return {name: _plain(value)[:LONGEST_ORIGIN] for name, value in told.items() if _plain(value)}


def in_short(sent: QueryDict) -> dict[str, str]:
    """What was refused, cut short; not what our page says of itself and of the browser."""
    names = [name for name in sent if name not in ("began", "edition", "visitor")][:MOST_KEPT]
    return {_plain(name)[:64]: _plain(sent.get(name, ""))[:LONGEST_KEPT] for name in names}


def fits(offered: Offered, value: str) -> bool:
    """Whether a text can be set as the value of a field."""
    try:
        _field(offered, Question(offered.name, required=True)).clean(_to_clean(offered, value))
    except forms.ValidationError:
        return False
    return True


def _set(offered: Offered, value: str) -> Any:
    return _kept(_field(offered, Question(offered.name)).clean(_to_clean(offered, value)))


def _to_clean(offered: Offered, value: str) -> Any:
    if offered.custom is not None and offered.custom.type == Field.Type.YES_NO:
        return value.strip().lower() in ("yes", "true", "1", "on")
    if offered.custom is not None and offered.custom.type == Field.Type.SEVERAL:
        return [each.strip() for each in value.split(";") if each.strip()]
    return value


def _field(offered: Offered, question: Question) -> forms.Field:
    told: dict[str, Any] = {"label": question.label or offered.label, "help_text": question.help}
    told["required"] = question.required or question.field == EMAIL
    made = _of_column(offered, told) if offered.custom is None else _of_custom(offered.custom, told)
    made.widget.attrs.setdefault("autocomplete", offered.autocomplete)
    return made


def _of_column(offered: Offered, told: dict[str, Any]) -> forms.Field:
    if offered.name == EMAIL:
        return _Email(**told)
    if offered.name == COMPANY:
        return forms.CharField(max_length=Account._meta.get_field("name").max_length, **told)
    column: Any = Person._meta.get_field(offered.name)
    made = forms.CharField(max_length=column.max_length, **told)
    if offered.name == "phone":
        made.widget.input_type = "tel"
    return made


def _of_custom(custom: Field, told: dict[str, Any]) -> forms.Field:
    if custom.type == Field.Type.CHOICE:
        return forms.ChoiceField(choices=[("", gettext_lazy("Choose …")), *custom.labelled()], **told)
    if custom.type == Field.Type.SEVERAL:
        return forms.MultipleChoiceField(choices=custom.labelled(), widget=forms.CheckboxSelectMultiple, **told)
    if custom.type == Field.Type.YES_NO:
        return forms.BooleanField(**told)
    if custom.type == Field.Type.DATE:
        return Day(**told)
    if custom.type == Field.Type.NUMBER:
        return forms.DecimalField(
            max_digits=30, decimal_places=12, min_value=-LARGEST, max_value=LARGEST,
            widget=forms.TextInput(attrs={"inputmode": "decimal"}), **told,
        )  # fmt: skip
    return forms.CharField(max_length=LONGEST_TEXT, **told)


def _kept(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date):
        return value.isoformat()
    return None if value is False else value  # a box that is left empty says nothing


def _plain(text: str) -> str:
    return "".join(each for each in text if each.isprintable()).strip()

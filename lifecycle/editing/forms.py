"""Forms of the editor: the lifecycle as a whole, a stage, its card, a rule, a test case.

`values` of a valid form is the part as a document has it; `initial_of` is the way back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from audience.asked.builder import ConditionField
from audience.asked.fields import OF_ACCOUNT, OF_PERSON
from audience.models import Activity, ActivityKind, Deal
from audience.models import Field as Fields
from kit import calendars
from kit.forms import Day
from lifecycle.editing import known, parts
from lifecycle.editions import cards, documents, handing
from lifecycle.models import Lifecycle, Stage, Transition

PURCHASE = "purchase"
SOLD = ("amount", "product", "currency", "properties")
DEAL = "deal:"  # and the deal's status


class New(forms.Form):
    """A lifecycle from nothing."""

    name = forms.CharField(label=_("Name"), max_length=200, help_text=_("Such as “Net-new EMEA”."))
    species = forms.ChoiceField(label=_("Species"), choices=Lifecycle.Species.choices, widget=forms.RadioSelect)
    of = forms.ChoiceField(
        label=_("Who goes through it"), choices=Fields.Of.choices, widget=forms.RadioSelect, initial="person"
    )
    goal = forms.CharField(
        label=_("Goal"), max_length=5000, required=False, widget=forms.Textarea({"rows": 2}),
        help_text=_("What somebody has reached who has come to its end."),
    )  # fmt: skip


class Part(forms.Form):
    """A form of one part of a draft; `seen` is the mark of the part as it was read."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)

    def __init__(self, data: Any = None, *, document: parts.Document, part: Any = None) -> None:
        super().__init__(data, initial=None if part is None else self.initial_of(part) | {"seen": cards.mark(part)})
        self.document = document
        self.prepare()

    def prepare(self) -> None:
        """What is chosen from is known when the document is."""

    def initial_of(self, part: dict[str, Any]) -> dict[str, Any]:
        """The form's values of a part that there is."""
        return dict(part)

    @property
    def seen_mark(self) -> str:
        return str(self.cleaned_data["seen"])

    @property
    def values(self) -> dict[str, Any]:
        """The part as the document has it."""
        return {name: value for name, value in self.cleaned_data.items() if name != "seen"}


class Model(Part):
    """Name, goal, who enters."""

    name = forms.CharField(
        label=_("Name"), max_length=200, help_text=_("The same for all versions: a new name shows at once.")
    )
    goal = forms.CharField(label=_("Goal"), max_length=5000, required=False, widget=forms.Textarea({"rows": 2}))
    entry = ConditionField(label=_("Who enters"), help_text=_("Whoever it holds for comes into the first stage."))
    reentry = forms.BooleanField(
        label=_("Whoever has gone through may enter again"), required=False,
        help_text=_("When something happens after the last pass ended for which they enter."),
    )  # fmt: skip

    def prepare(self) -> None:
        _set_of(self.fields["entry"], self.document)


class StageForm(Part):
    """How a stage is called and works."""

    name = forms.CharField(label=_("Name"), max_length=200)
    slug = parts.ANY  # of a stage that is there; a new one has none yet, and no stage is called so
    missed: dict[str, Any] = {}  # noqa: RUF012 - what a file says of a missed limit beyond where it leads

    phase = forms.CharField(
        label=_("Phase"), max_length=100, required=False, help_text=_("Stages of one phase stand together.")
    )
    path = forms.ChoiceField(
        label=_("Path"), choices=Stage.Path.choices, widget=forms.RadioSelect, initial="success",
        help_text=_("The success path leads to the goal; a detour is where people wait or are lost."),
    )  # fmt: skip
    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=[
            ("inventory", _("Inventory: people stay here")),
            ("sla", _("SLA: people stay here, and somebody must act within a limit")),
            ("gate", _("Gate: nobody stays, rules send them on at once")),
            ("terminal", _("Terminal: here a pass ends")),
        ],
        initial="inventory",
    )
    limit_hours = forms.IntegerField(
        label=_("Limit in working hours"), min_value=1, max_value=99_999, required=False,
        help_text=_("Only an SLA stage is judged by it."),
    )  # fmt: skip
    calendar = forms.ChoiceField(
        label=_("Working calendar"), required=False,
        help_text=_("By it the limit counts, and what waits here for working hours."),
    )  # fmt: skip
    when_missed = forms.ChoiceField(
        label=_("When the limit is missed"), required=False,
        help_text=_("At that very moment, without anybody touching them."),
    )  # fmt: skip

    accept = forms.ChoiceField(
        label=_("When sales accepts"), required=False,
        help_text=_("Whoever comes here is then offered to sales, by the rules of “Hand-off routing”."),
    )  # fmt: skip
    reject = forms.ChoiceField(label=_("When sales rejects"), required=False)
    later = forms.ChoiceField(
        label=_("When sales says “not now”"), required=False,
        help_text=_("They come back from there by themselves, on the day that was said."),
    )  # fmt: skip
    unanswered = forms.ChoiceField(
        label=_("When nobody answers within the limit"), required=False, initial=handing.STAY,
        choices=[
            (handing.STAY, _("stays with whoever has it, and is told as missed")),
            (handing.PASS_ON, _("is told as missed, and the next colleague is asked")),
        ],
    )  # fmt: skip

    def prepare(self) -> None:
        stages = [
            (each["slug"], _t("goes to “%(stage)s”") % {"stage": each["name"]}) for each in self.document["stages"]
        ]
        self.fields["calendar"].choices = self._calendars  # type: ignore[attr-defined]
        self.fields["when_missed"].choices = [("", _("stays, and is told as missed")), *stages]  # type: ignore[attr-defined]
        for name, nothing, may in (
            (handing.ACCEPT, _t("nobody is handed to sales from here"), lambda to: to["path"] == Stage.Path.SUCCESS),
            (handing.REJECT, _t("choose a stage"), lambda to: True),
            (handing.LATER, _t("waits where the rejected go"), lambda to: to["kind"] != Stage.Kind.TERMINAL),
        ):
            to = [
                (slug, words)
                for (slug, words), each in zip(stages, self.document["stages"], strict=True)
                if slug != self.slug and each["kind"] != Stage.Kind.GATE and may(each)
            ]
            self.fields[name].choices = [("", nothing), *to]  # type: ignore[attr-defined]
            self.fields[name].depends = True  # type: ignore[attr-defined]  # on whether anybody is handed over
        waiting = [
            each["slug"] for each in self.document["stages"]
            if each["path"] == Stage.Path.DETOUR and each["kind"] not in handing.HOLDS_NOBODY
        ]  # fmt: skip
        self.fields[handing.REJECT].initial = waiting[0] if waiting else ""  # proposed to whoever chooses an acceptance
        phases = dict.fromkeys(each.get("phase", "") for each in self.document["stages"])
        self.phases = [each for each in phases if each]
        self.fields["phase"].widget.attrs["list"] = "phases"

    @property
    def _calendars(self) -> list[tuple[str, Any]]:
        """That of the settings, the named ones, and what the draft names though there is none of it."""
        known = calendars.every()
        named = next((each.get("calendar") for each in self.document["stages"] if each["slug"] == self.slug), None)
        gone = [(named, _t("“%(slug)s”, which is not there") % {"slug": named})] if named and named not in known else []
        there = [(slug, f"{each} ({each.zone})") for slug, each in known.items()]
        return [("", _("that of the settings")), *there, *gone]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("kind") == "sla" and not values.get("limit_hours") and "limit_hours" not in self.errors:
            self.add_error("limit_hours", _("Say within how many working hours somebody must act."))
        if not self.errors and (handed := self._hand_off):
            self._check(handed, values)
        return values

    def _check(self, handed: dict[str, Any], values: dict[str, Any]) -> None:
        """Say at an answer why it may not lead where it does."""
        if handing.REJECT not in handed:
            self.add_error(handing.REJECT, _("Say where whoever sales rejects goes."))
        elif wrong := handing.fault(self._stages_with(values | {"hand_off": handed}), self.slug):
            answer, words = wrong
            self.add_error(answer or None, _("%(why)s.") % {"why": words[:1].upper() + words[1:]})

    def _stages_with(self, values: dict[str, Any]) -> list[dict[str, Any]]:
        """The draft's stages as they would be with this one as it is typed."""
        document = {"stages": [dict(each) for each in self.document["stages"]]}
        if any(each["slug"] == self.slug for each in document["stages"]):
            parts.stage(document, self.slug).update(values)
        else:
            parts.add_stage(values, self.slug)(document)
        return document["stages"]

    @property
    def _hand_off(self) -> dict[str, Any] | None:
        """What the answers of sales do; None where nobody is handed over, whatever else is chosen."""
        told = self.cleaned_data
        if not told.get(handing.ACCEPT) or told.get("kind") in handing.HOLDS_NOBODY:
            return None
        return {key: told[key] for key in handing.ANSWERS if told.get(key)} | {
            "missed": told.get("unanswered") or handing.STAY
        }

    def initial_of(self, part: dict[str, Any]) -> dict[str, Any]:
        self.slug, self.missed = part["slug"], part.get("when_missed") or {}
        handed = part.get("hand_off") or {}
        return {**part, **handed, "when_missed": self.missed.get("to", ""), "unanswered": handed.get("missed")}

    @property
    def values(self) -> dict[str, Any]:
        """None stands for what a document leaves out."""
        told = {key: value for key, value in super().values.items() if key not in (*handing.ANSWERS, "unanswered")}
        to = told["when_missed"] if told["kind"] == Stage.Kind.SLA else ""
        return told | {
            "phase": told["phase"] or None,
            "calendar": told["calendar"] if told["kind"] == Stage.Kind.SLA and told["calendar"] else None,
            "when_missed": self.missed | {"to": to} if to else None,
            "hand_off": self._hand_off,
        }


class Items(forms.CharField):
    """Several short texts, written with commas between them."""

    def __init__(self, **given: Any) -> None:
        super().__init__(required=False, max_length=cards.MOST_ITEMS * (cards.LONGEST_ITEM + 2), **given)

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        found = dict.fromkeys(filter(None, (each.strip() for each in re.split("[,\n]", super().clean(value)))))
        if len(found) > cards.MOST_ITEMS or any(len(each) > cards.LONGEST_ITEM for each in found):
            told = {"most": cards.MOST_ITEMS, "longest": cards.LONGEST_ITEM}
            raise ValidationError(_t("At most %(most)s, each of at most %(longest)s letters.") % told)
        return list(found)


class CardForm(Part):
    """What is answered about a stage. It stands alone: the card of a published stage has no document."""

    def __init__(self, data: Any = None, *, kind: str, card: dict[str, Any]) -> None:
        self.kind = kind
        super().__init__(data, document={}, part=card)

    def prepare(self) -> None:
        for question in cards.asked_of(self.kind):
            told: dict[str, Any] = {"label": question.label, "help_text": question.help}
            if question.kind == cards.LIST:
                field: forms.Field = Items(**told)
            elif question.kind == cards.STYLE:
                choices = [("", _("not answered")), *cards.Style.choices]
                field = forms.ChoiceField(required=False, choices=choices, **told)
            else:
                rows = 1 if question.name == "owner" else 2
                box = forms.TextInput() if rows == 1 else forms.Textarea({"rows": rows})
                field = forms.CharField(required=False, max_length=cards.MOST_LETTERS, widget=box, **told)
            field.depends = True  # type: ignore[attr-defined]  # each answer is wanted, none is demanded
            self.fields[question.name] = field

    @property
    def values(self) -> dict[str, Any]:
        """The answers; questions that are left empty are not in it."""
        return {name: value for name, value in super().values.items() if value}


class Rule(Part):
    """From where to where, when, and why."""

    source = forms.ChoiceField(label=_("From"))
    target = forms.ChoiceField(label=_("To"))
    by_hand = forms.BooleanField(
        label=_("Only by hand"), required=False,
        help_text=_("Nobody is moved by it; it is offered to whoever moves somebody by hand."),
    )  # fmt: skip
    when = ConditionField(label=_("When"))
    delay = forms.IntegerField(
        label=_("Waits"), min_value=1, max_value=9_999, required=False,
        help_text=_("So long after it came to hold, if it still does. Empty: moves at once."),
    )  # fmt: skip
    unit = forms.ChoiceField(label=_("Unit"), choices=Transition.Unit.choices, required=False, initial="days")
    guard = ConditionField(
        label=_("Guard of moves by hand"), counts=False,
        help_text=_("What must hold of somebody who is moved this way by hand, unless a reason is given why not."),
    )  # fmt: skip
    reason = forms.CharField(
        label=_("Reason noted"), max_length=300, required=False, help_text=_("Stands in the history of whoever moves.")
    )
    name = forms.CharField(
        label=_("Name"), max_length=200, required=False, help_text=_("Shown instead of “from → to”.")
    )

    def prepare(self) -> None:
        stages = [(each["slug"], each["name"]) for each in self.document["stages"]]
        self.fields["source"].choices = [(parts.ANY, _("any stage")), *stages]  # type: ignore[attr-defined]
        self.fields["target"].choices = stages  # type: ignore[attr-defined]
        self.fields["when"].help_text = _("Empty: always, as soon as somebody is in the stage.")
        _set_of(self.fields["when"], self.document)
        _set_of(self.fields["guard"], self.document)

    def initial_of(self, part: dict[str, Any]) -> dict[str, Any]:
        unit, delay = next(iter((part.get("delay") or {}).items()), ("days", None))
        return {**part, "source": part["from"], "target": part["to"], "unit": unit, "delay": delay}

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("source") and values.get("source") == values.get("target"):
            self.add_error("target", _("A rule leads to another stage than it comes from."))
        if values.get("delay") and values.get("source") == parts.ANY and not values.get("by_hand"):
            self.add_error("delay", _("Only a rule from a stage can wait: choose from which."))
        return values

    @property
    def values(self) -> dict[str, Any]:
        """None stands for what a document leaves out."""
        told = self.cleaned_data
        by_hand = told["by_hand"]
        return {
            "from": told["source"],
            "to": told["target"],
            "by_hand": by_hand or None,
            "when": None if by_hand and not told["when"] else told["when"],
            "delay": {told["unit"] or "days": told["delay"]} if told["delay"] and not by_hand else None,
            "guard": told["guard"] or None if by_hand else None,
            "reason": told["reason"] or None,
            "name": told["name"] or None,
        }


# ---- test cases ----


class Case(Part):
    """A made-up subject that must be in a stage on a day."""

    name = forms.CharField(label=_("What it shows"), max_length=200, help_text=_("Such as “A demo request is an MQL”."))
    first_seen = Day(label=_("First seen"))
    stage = forms.ChoiceField(label=_("Is then in"))
    on = Day(label=_("On the evening of"))

    def __init__(self, data: Any = None, *, document: parts.Document, part: Any = None) -> None:
        super().__init__(data, document=document, part=part)
        of = document["of"]
        told = part or {}
        whose = {key: value for key, value in (told.get(of) or {}).items() if key != "first_seen"}
        columns = {column: label for _slug, label, _type, column in (OF_PERSON if of == "person" else OF_ACCOUNT)}
        custom = known.custom_fields(of, whose.get("custom") or {})
        self.expected = told.get("expect") or {}
        lines, self.rest = _facts(whose, columns, custom)
        self.facts = Facts(data, prefix="facts", initial=lines, form_kwargs={"columns": columns, "custom": custom})
        happened = sorted(_rows(told), key=lambda row: row["on"])
        self.happenings = Happenings(data, prefix="happened", initial=happened, form_kwargs={"kinds": _kinds(told)})
        agreed = [_agreed_row(entry) for entry in told.get("contracts", [])]
        self.agreements = Agreements(data, prefix="agreed", initial=agreed)
        troubles = [_trouble_row(entry) for entry in told.get("service_cases", [])]
        self.troubles = Troubles(data, prefix="troubles", initial=troubles)

    @property
    def lists(self) -> list[tuple[Any, str, str]]:
        """What is asked for less often, each with its title and a note."""
        contracts = _t("A line without a beginning counts as nothing. Values are in cents.")
        return [
            (self.agreements, _t("Contracts"), contracts),
            (self.troubles, _t("Service cases"), _t("A line without a day of opening counts as nothing.")),
        ]

    def prepare(self) -> None:
        choices = [(each["slug"], each["name"]) for each in self.document["stages"]]
        self.fields["stage"].choices = [*choices, (parts.NOWHERE, _("nowhere"))]  # type: ignore[attr-defined]

    def initial_of(self, part: dict[str, Any]) -> dict[str, Any]:
        whose = part.get("person") or part.get("account") or {}
        expected = part["expect"]
        seen = whose.get("first_seen", expected["on"])
        return {"name": part.get("name", ""), "first_seen": seen, "stage": expected["stage"], "on": expected["on"]}

    def is_valid(self) -> bool:
        lists = (self.facts, self.happenings, self.agreements, self.troubles)
        return all([super().is_valid(), *(each.is_valid() for each in lists)])

    @property
    def values(self) -> dict[str, Any]:
        told, of = self.cleaned_data, self.document["of"]
        values: dict[str, Any] = {
            "name": told["name"],
            of: {"first_seen": told["first_seen"].isoformat()} | self._known,
            "expect": self.expected | {"on": told["on"].isoformat(), "stage": told["stage"]},
            "activities": None,
            "purchases": None,
            "deals": None,
            "contracts": [_contract(row) for row in self.agreements.cleaned_data if row.get("starts")] or None,
            "service_cases": [_service_case(row) for row in self.troubles.cleaned_data if row.get("opened")] or None,
        }
        for row in self.happenings.cleaned_data:
            if row.get("what"):
                part, entry = _entry(row)
                values[part] = [*(values[part] or []), entry]
        return values

    @property
    def _known(self) -> dict[str, Any]:
        """What is known of the subject, with what no line shows."""
        said = {
            row["field"]: row["value"] for row in self.facts.cleaned_data if row.get("field") and row["value"] != ""
        }
        custom = {name.removeprefix(known.CUSTOM): said.pop(name) for name in [*said] if name.startswith(known.CUSTOM)}
        custom = self.rest.get("custom", {}) | custom
        return self.rest | said | ({"custom": custom} if custom else {})


class Fact(forms.Form):
    """One thing that is known of the made-up subject."""

    field = forms.ChoiceField(label=_("Known of them"), required=False)
    value = forms.CharField(label=_("Value"), max_length=known.LONGEST, required=False)

    def __init__(self, *args: Any, columns: dict[str, Any], custom: dict[str, Fields], **given: Any) -> None:
        super().__init__(*args, **given)
        _wanted(self)
        self.custom = custom
        own = [(_t("Custom fields"), [(name, each.label) for name, each in custom.items()])] if custom else []
        self.fields["field"].choices = [("", "—"), *columns.items(), *own]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        name, text = values.get("field"), values.get("value")
        if not name or not text:
            return values
        if field := self.custom.get(name):
            values["value"] = known.read(field, text)
            if not field.takes(values["value"]):
                self.add_error("value", _t("“%(field)s” takes %(taken)s.") % {"field": field, "taken": field.taken()})
        elif len(text) > documents.LONGEST_VALUE:
            self.add_error("value", _t("At most %(most)s letters.") % {"most": documents.LONGEST_VALUE})
        elif name in documents.AMOUNTS:
            if not re.fullmatch("[0-9]{1,15}", text, re.ASCII):
                self.add_error("value", _("Write a whole number."))
            else:
                values["value"] = int(text)
        return values


class Line(forms.Form):
    """One line of a made-up history; `rest` carries along what a file said of it beyond what the line shows."""

    known: Collection[str] = ()
    rest = forms.CharField(widget=forms.HiddenInput, required=False, max_length=20_000)

    def clean_rest(self) -> dict[str, Any]:
        """The same, unless it is nothing that this form has sent."""
        try:
            found = json.loads(self.cleaned_data["rest"] or "{}")
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or set(found) - set(self.known):
            raise ValidationError(_t("This was changed on its way. Open the test case again."))
        return found


class Happening(Line):
    """One thing that happens to the made-up subject, on a day."""

    known = documents.HISTORY
    what = forms.ChoiceField(label=_("What happens"), required=False)
    on = Day(label=_("On"), required=False)
    direction = forms.ChoiceField(
        label=_("Direction"), required=False, choices=[("", "—"), *Activity.Direction.choices]
    )
    channel = forms.CharField(label=_("Channel"), max_length=32, required=False)
    amount = forms.IntegerField(label=_("Amount"), required=False, min_value=0, max_value=10**14)

    def __init__(self, *args: Any, kinds: dict[str, str], **given: Any) -> None:
        super().__init__(*args, **given)
        _wanted(self)
        deals = [(f"{DEAL}{status}", _deal_words(status)) for status in Deal.Status.values]
        self.fields["what"].choices = [  # type: ignore[attr-defined]
            ("", "—"), (_t("An activity"), list(kinds.items())),
            (_t("Commerce"), [(PURCHASE, _t("Purchase")), *deals]),
        ]  # fmt: skip

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("what") and not values.get("on") and "on" not in self.errors:
            self.add_error("on", _("Say on which day."))
        return values


class Agreement(Line):
    """One contract of the made-up subject, and when it was renewed or given notice."""

    known = documents.CONTRACT
    starts = Day(label=_("Begins"), required=False)
    renews = Day(label=_("Renews"), required=False)
    notice = Day(label=_("Notice by"), required=False)
    ends = Day(label=_("Ends"), required=False)
    auto_renew = forms.BooleanField(label=_("Renews by itself"), required=False)
    annual_value = forms.IntegerField(label=_("Annual value"), required=False, min_value=0, max_value=10**14)
    product = forms.CharField(label=_("Product"), max_length=200, required=False)
    on = Day(label=_("Its dates were changed on"), required=False)
    renews_then = Day(label=_("Renews from then on"), required=False)
    ends_then = Day(label=_("Ends from then on"), required=False)

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        _wanted(self)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        told = [key for key in self.fields if key not in ("rest", "starts") and values.get(key)]
        if told and not values.get("starts") and "starts" not in self.errors:
            self.add_error("starts", _("Say on which day it begins."))
        later = [key for key in ("renews_then", "ends_then") if values.get(key)]
        if later and not values.get("on") and "on" not in self.errors:
            self.add_error("on", _("Say on which day."))
        if values.get("on") and not later and not {"renews_then", "ends_then"} & set(self.errors):
            self.add_error("on", _("Say what it renews or ends on from then on."))
        for key in ("renews", "notice", "ends", "renews_then", "ends_then"):
            if values.get("starts") and values.get(key) and values[key] < values["starts"]:
                self.add_error(key, _("It would be before it begins."))
        return values


class Trouble(Line):
    """One service case of the made-up subject."""

    known = documents.SERVICE_CASE
    opened = Day(label=_("Opened"), required=False)
    closed = Day(label=_("Closed"), required=False)
    severity = forms.CharField(label=_("Severity"), max_length=30, required=False)

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        _wanted(self)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        told = values.get("closed") or values.get("severity")
        if told and not values.get("opened") and "opened" not in self.errors:
            self.add_error("opened", _("Say on which day."))
        if values.get("opened") and values.get("closed") and values["closed"] < values["opened"]:
            self.add_error("closed", _("It would be closed before it was opened."))
        return values


class Lines(forms.BaseFormSet):
    """Lines of which one that was kept while it was typed, and so is like what there is, is still no empty one."""

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        return super().get_form_kwargs(index) | ({} if index is None else {"empty_permitted": False})


Facts = forms.formset_factory(Fact, Lines, extra=1, max_num=20, absolute_max=30, validate_max=True)
Happenings = forms.formset_factory(Happening, Lines, extra=2, max_num=100, absolute_max=110, validate_max=True)
Agreements = forms.formset_factory(Agreement, Lines, extra=1, max_num=20, absolute_max=30, validate_max=True)
Troubles = forms.formset_factory(Trouble, Lines, extra=1, max_num=20, absolute_max=30, validate_max=True)


def _kinds(case: dict[str, Any]) -> dict[str, str]:
    """The activities to choose from: those that are known, and those that the case tells of."""
    known = dict(ActivityKind.objects.order_by("label").values_list("slug", "label"))
    told = [entry["kind"] for entry in case.get("activities", [])]
    return {kind: kind.replace("_", " ").capitalize() for kind in told if kind not in known} | known


def _deal_words(status: str) -> str:
    return {
        Deal.Status.OPEN: _t("Deal opened"), Deal.Status.WON: _t("Deal won"), Deal.Status.LOST: _t("Deal lost"),
    }[Deal.Status(status)]  # fmt: skip


def _facts(
    whose: dict[str, Any], columns: dict[str, Any], custom: dict[str, Fields]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What is known of a case's subject as lines, and what no line can show, such as a value of another type."""
    own = whose.get("custom") or {}
    said = {key: value for key, value in whose.items() if key in columns and value != ""}
    texts = {name: known.shown(each, own[each.slug]) for name, each in custom.items() if each.slug in own}
    rest = {key: value for key, value in whose.items() if key not in said and key != "custom"}
    if unshown := {key: value for key, value in own.items() if texts.get(known.CUSTOM + key) is None}:
        rest["custom"] = unshown
    said |= {name: text for name, text in texts.items() if text is not None}
    return [{"field": key, "value": value} for key, value in said.items()], rest


def _rows(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything that happens in a case, as the form has it."""
    rows = []
    for part in ("activities", "purchases", "deals"):
        for entry in case.get(part, []):
            what = {"activities": entry.get("kind", ""), "purchases": PURCHASE}.get(part, "")
            on = entry.get("on") or entry.get("closed") or entry.get("opened")
            shown = {"on", "amount", "direction", "channel", "kind", "status"}
            if part == "deals":
                what = f"{DEAL}{entry.get('status', 'open')}"
                shown |= {"closed" if entry.get("closed") == on else "opened"}
            row = {key: entry.get(key) for key in ("direction", "channel", "amount")}
            rest = {key: value for key, value in entry.items() if key not in shown}
            rows.append(row | {"what": what, "on": on, "rest": json.dumps(rest) if rest else ""})
    return rows


def _entry(row: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A row of the form as a document has it, and in which list."""
    day, what = row["on"].isoformat(), row["what"]
    told = row["rest"] | {key: row[key] for key in ("direction", "channel", "amount") if row.get(key) not in (None, "")}
    if what == PURCHASE:
        return "purchases", {"on": day, **{key: told[key] for key in SOLD if key in told}}
    if not what.startswith(DEAL):
        told.pop("amount", None)
        return "activities", {"kind": what, "on": day, **told}
    status = what.removeprefix(DEAL)
    dates = {"opened": day} if status == Deal.Status.OPEN else {"opened": told.get("opened", day), "closed": day}
    return "deals", {"status": status, **dates, **{key: told[key] for key in SOLD if key in told}}


CONTRACT_SHOWN = ("starts", "renews", "notice", "ends", "auto_renew", "annual_value", "product")


def _agreed_row(entry: dict[str, Any]) -> dict[str, Any]:
    """A contract as the form has it: the first change of its dates beside them, all else of its changes in the rest."""
    row = {key: entry[key] for key in CONTRACT_SHOWN if key in entry}
    rest = {key: value for key, value in entry.items() if key not in row}
    first = (entry.get("changed") or [{}])[0]
    if {"renews", "ends"} & {key for key, value in first.items() if value}:
        row |= {"on": first["on"], "renews_then": first.get("renews"), "ends_then": first.get("ends")}
    return row | {"rest": json.dumps(rest) if rest else ""}


def _contract(row: dict[str, Any]) -> dict[str, Any]:
    """A contract of the form as a document has it."""
    told = {key: _said(row[key]) for key in CONTRACT_SHOWN if row.get(key) not in (None, "", False)} | row["rest"]
    changed = list(told.get("changed", []))
    shown = bool(changed) and any(changed[0].get(key) for key in ("renews", "ends"))
    if row.get("on"):
        later = {"renews": row.get("renews_then"), "ends": row.get("ends_then")}
        first = {key: value for key, value in (changed.pop(0) if shown else {}).items() if key not in later}
        later = {key: _said(value) for key, value in later.items() if value}
        changed.insert(0, first | {"on": row["on"].isoformat()} | later)
    elif shown:
        changed.pop(0)
    return {key: value for key, value in (told | {"changed": changed}).items() if value not in ([], None)}


def _trouble_row(entry: dict[str, Any]) -> dict[str, Any]:
    row = {key: entry[key] for key in ("opened", "closed", "severity") if entry.get(key)}
    rest = {key: value for key, value in entry.items() if key not in row}
    return row | {"rest": json.dumps(rest) if rest else ""}


def _service_case(row: dict[str, Any]) -> dict[str, Any]:
    """A service case of the form as a document has it."""
    return {key: _said(row[key]) for key in ("opened", "closed", "severity") if row.get(key)} | row["rest"]


def _said(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _wanted(form: forms.Form) -> None:
    """A line that is filled in wants all that fits it; its fields are not called optional one by one."""
    for field in form.fields.values():
        field.depends = True  # type: ignore[attr-defined]


def _set_of(field: forms.Field, document: parts.Document) -> None:
    """A condition asks about the lifecycle's own subjects, and about its stages, though no version is live yet."""
    coming = documents.coming_fields(document)
    field.of = document["of"]  # type: ignore[attr-defined]
    field.coming = field.widget.coming = coming  # type: ignore[attr-defined]

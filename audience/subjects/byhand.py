"""The forms by which one person or account is written by hand, and what happens when two users write the same one.

Each field carries the value that its user saw. Only what the user changed is written; where somebody else has changed
the same field meanwhile, the later one is shown both values and decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.forms.boundfield import BoundField
from django.urls import reverse_lazy
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from audience.models import Account, Field, FieldChange, Person
from audience.subjects import known, names, querysets, sight
from audience.subjects.exclusions import RULES
from audience.subjects.people import has_email
from kit import addresses, installation, money, pages, rights, users, writing
from kit.forms import Day

CUSTOM = "custom-"  # begins the names of the inputs of custom fields
NUMBERED = re.compile(r"(.*?)\s*#(\d{1,18})", re.ASCII | re.DOTALL)
SEVERAL = 5  # accounts that an error names
LARGEST = Decimal(10) ** 13  # of an amount in major units: what minor units hold safely
IN_USE = (
    "country",
    "region",
    "source",
    "industry",
    "ownership",
    "title_group",
    "seniority",
)  # texts that offer the values that others have
MODES = {"email": "email", "phone": "tel", "domain": "url"}  # the keyboard of a phone
# The browser's own list of suggestions, filled while somebody types; without scripts the text is looked up when sent.
CHOOSER: dict[str, Any] = {
    "list": "account-options",
    "hx-get": reverse_lazy("account_choose"),
    "hx-trigger": "input changed delay:150ms",
    "hx-target": "#account-options",
    "hx-sync": "this:replace",
}


class AccountField(forms.CharField):
    """An account that a user sees, by its name, its domain, or its number: “Acme Rail #12”. Its value may be None."""

    def __init__(self, user: Any, **given: Any) -> None:
        self.user = user
        super().__init__(required=False, max_length=400, **given)
        self.widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}

    def prepare_value(self, value: Any) -> Any:
        return written_account(value) if isinstance(value, Account) else value

    def clean(self, value: Any) -> Account | None:
        text = super().clean(value)
        if not text:
            return None
        known = sight.accounts(Account.objects.filter(erased_at=None), self.user)
        if (numbered := NUMBERED.fullmatch(text)) and (found := known.filter(pk=int(numbered[2])).first()):
            return found
        found_all = querysets.accounts_called(text, SEVERAL + 1, self.user)
        if len(found_all) == 1:
            return found_all[0]
        if not found_all:
            raise forms.ValidationError(
                _now("No account is called “%(text)s”. Choose one that the field offers, or make the account first.")
                % {"text": text[:100]}
            )
        several = ", ".join(written_account(each) for each in found_all[:SEVERAL])
        raise forms.ValidationError(
            _now("Several accounts are called so: %(several)s. Write one with its number.") % {"several": several}
        )


class PersonField(forms.CharField):
    """Somebody whom a user sees, by their email, their name, or their number: “Ann Bell #7”."""

    def __init__(self, user: Any, **given: Any) -> None:
        self.user = user
        super().__init__(max_length=400, **given)
        self.widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}

    def clean(self, value: Any) -> Person:
        text = super().clean(value)
        known = sight.people(Person.objects.filter(erased_at=None), self.user)
        if (numbered := NUMBERED.fullmatch(text)) and (found := known.filter(pk=int(numbered[2])).first()):
            return found
        if (email := addresses.email(text)) and (found := known.filter(has_email(email)).first()):
            return found
        several = list(querysets.find_people(known, text).order_by("pk")[: SEVERAL + 1])
        if len(several) == 1:
            return several[0]
        if not several:
            raise forms.ValidationError(_now("Nobody whom you see is called “%(text)s”.") % {"text": text[:100]})
        told = ", ".join(written_person(each) for each in several[:SEVERAL])
        raise forms.ValidationError(
            _now("Several people are called so: %(several)s. Write one with their number.") % {"several": told}
        )


class _Boxes(forms.CheckboxSelectMultiple):
    """A box for each choice; what is ticked comes as one text, a line for each."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        return str(data.get(name, ""))

    def format_value(self, value: Any) -> list[str]:
        return str(value or "").split("\n")


class SeveralField(forms.MultipleChoiceField):
    """Some of several choices; as data one text, so that what two users wrote is compared like any other."""

    widget = _Boxes
    hidden_widget = forms.HiddenInput

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        return [each for each in str(value or "").split("\n") if each]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return set(self.to_python(self.prepare_value(initial))) != set(self.to_python(data))


def _joined(data: Any, custom: Iterable[Field]) -> Any:
    """What a browser sent, with the ticked boxes of each field as one text."""
    names = [CUSTOM + each.slug for each in custom if each.type == Field.Type.SEVERAL]
    if not names or not hasattr(data, "getlist"):
        return data
    data = data.copy()
    for name in names:
        data[name] = "\n".join(data.getlist(name))
    return data


def written_person(person: Person) -> str:
    """Somebody as forms write them, so that they are found again without a doubt."""
    return f"{names.of(person)} #{person.pk}"


def written_account(account: Account) -> str:
    """An account as the chooser writes it, so that it is found again without a doubt."""
    return f"{names.of(account)} #{account.pk}"


class Subject(forms.Form):
    """What a person and an account have in common: who looks after them, custom fields, and whether they count."""

    of = ""
    groups: tuple[tuple[Any, tuple[str, ...]], ...] = ()

    def __init__(self, user: Any, subject: Person | Account | None, data: Any = None, **given: Any) -> None:
        self.user, self.subject = user, subject
        self.currency = (getattr(subject, "currency", "") if subject else "") or str(installation.get("currency"))
        self.custom = list(Field.objects.filter(of=self.of, hidden=False).order_by(*known.ORDER))
        initial = given.pop("initial", {}) | (_values(subject, self.custom, self.currency) if subject else {})
        super().__init__(_joined(data, self.custom), initial=initial, **given)
        self.fields["owner"] = _owner_field(subject)
        for each in self.custom:
            self.fields[CUSTOM + each.slug] = custom_field(each, self.currency, initial.get(CUSTOM + each.slug))
        if rights.may(user, "edit"):
            self.fields["is_excluded"] = forms.BooleanField(label=_("Left out of figures"), required=False)
            self.fields["excluded_reason"] = forms.CharField(
                label=_("Left out because"),
                required=False,
                max_length=200,
                help_text=_("Such as test, competitor, job applicant. Whoever is left out is in no report."),
            )
        for field in self.fields.values():
            field.show_hidden_initial = subject is not None
        # The version that the user saw; the fields themselves say what was different about it.
        self.fields["seen"] = forms.CharField(required=False, widget=forms.HiddenInput)
        if subject:
            self.initial["seen"] = subject.updated_at.isoformat()

    @property
    def shown(self) -> Iterable[tuple[Any, list[BoundField]]]:
        """The fields in their groups."""
        for label, inside in self.groups:
            yield label, [self[name] for name in inside if name in self.fields]
        for group, some in groupby(self.custom, key=lambda each: each.group):
            yield group or _("Custom fields"), [self[CUSTOM + each.slug] for each in some]
        if "is_excluded" in self.fields:
            yield _("In figures"), [self["is_excluded"], self["excluded_reason"]]

    @property
    def in_use(self) -> list[tuple[str, list[str]]]:
        """For the texts that others have too: the name of the list, and the values in it."""
        model = Person if self.of == "person" else Account
        return [(f"in-use-{name}", querysets.values_in_use(model, name)) for name in IN_USE if name in self.fields]

    @cached_property
    def changed_data(self) -> list[str]:
        """The fields that the user changed: what stands there as it stood is untouched, whatever it is."""
        changed = super().changed_data
        return [name for name in changed if not self._stands_as_it_stood(name)]

    def _stands_as_it_stood(self, name: str) -> bool:
        if self.subject is None or isinstance(self.fields[name], forms.BooleanField):
            return False
        was, is_now = (self.data.get(each, "") for each in (self.add_initial_prefix(name), name))
        return str(was).replace("\r\n", "\n") == str(is_now).replace("\r\n", "\n")

    def _clean_fields(self) -> None:
        """A value that an import brought and that no user could write is no error of a user who leaves it alone."""
        super()._clean_fields()  # type: ignore[misc]
        if self.subject is not None:
            errors: dict[str, Any] = self._errors  # type: ignore[attr-defined]
            for name in set(errors) - set(self.changed_data):
                del errors[name]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        reason = values.get("excluded_reason", "")
        if values.get("is_excluded") and not reason and "excluded_reason" not in self.errors:
            self.add_error("excluded_reason", _now("Say why, so that somebody else can understand it later."))
        by_rule = self.subject is not None and self.subject.excluded_reason in RULES
        if by_rule and {"is_excluded", "excluded_reason"} & set(self.changed_data):
            text = _now("A list leaves them out. Change the list on the page “Left out of figures”.")
            self.add_error("is_excluded", text)
        return values

    def values(self) -> dict[str, Any]:
        """What the user changed (of a new subject: what was filled), as the verbs take it; without the exclusion."""
        told: dict[str, Any] = {}
        custom: dict[str, Any] = {}
        types = {CUSTOM + each.slug: each for each in self.custom}
        for name in self._changed():
            value = self.cleaned_data.get(name)
            if name in types:
                custom[types[name].slug] = _kept(types[name], value, self.currency)
            elif name not in ("seen", "is_excluded", "excluded_reason"):
                told[name] = value
        return told | ({"custom": custom} if custom else {})

    def exclusion(self) -> tuple[bool, str | None]:
        """Whether anything was said about figures, and the reason to be left out (None: counts)."""
        said = bool({"is_excluded", "excluded_reason"} & set(self._changed()))
        left_out = self.cleaned_data.get("is_excluded")
        return said, self.cleaned_data.get("excluded_reason") if left_out else None

    def _changed(self) -> list[str]:
        said = self.changed_data if self.subject else self.fields
        return [name for name in said if name in self.cleaned_data]

    # ---- when two write ----

    def settled(self, now_there: Person | Account) -> bool:
        """Whether the form may be written over what is there now: nobody else changed what this user changed.

        Otherwise False: the fields in question say what is there now, and sent again the form overrules it. What
        somebody else changed and this user did not is taken over into the form and never written back.
        """
        if self.cleaned_data.get("seen") == now_there.updated_at.isoformat():
            return True
        there = _values(now_there, self.custom, self.currency)
        data: Any = dict(self.data.items())
        mine, both = set(self.changed_data), []
        for name, field in self.fields.items():
            if name == "seen":
                continue
            hidden = self.add_initial_prefix(name)
            current = _as_data(field, there.get(name))
            if current == data.get(hidden, "").replace("\r\n", "\n"):
                continue
            data[hidden] = current
            if name not in mine:
                data[name] = current
            elif current != data.get(name, ""):
                both.append(name)
        if not both:
            return True
        data["seen"] = now_there.updated_at.isoformat()
        self.data = data
        for name in both:
            self.add_error(name, _meanwhile(now_there, name, self.fields[name], there.get(name)))
        return False


class PersonForm(Subject):
    """A person, field by field."""

    of = "person"
    groups = (
        (_("Who"), ("first_name", "last_name", "email", "phone")),
        (_("Work"), ("title", "account", "title_group", "seniority")),
        (_("Where"), ("country", "region", "city", "language", "zone")),
        (_("With us"), ("owner", "source")),
    )

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        for name in ("first_name", "last_name", "email", "phone", "title", "title_group", "seniority", "country",
                     "region", "city", "language", "source"):  # fmt: skip
            self.fields[name] = _text(Person, name, bool(self.subject))
        hint = _("Type a name or domain, and choose.")
        self.fields["account"] = AccountField(self.user, label=_("Account"), help_text=hint)
        self.fields["account"].show_hidden_initial = bool(self.subject)
        self.fields["account"].widget.attrs |= CHOOSER
        self.fields["zone"] = _zone_field(self.initial.get("zone"), bool(self.subject))
        follows = _("Follows the job title unless you say otherwise.")
        self.fields["title_group"].help_text = self.fields["seniority"].help_text = follows


class AccountForm(Subject):
    """An account, field by field."""

    of = "account"
    groups = (
        (_("Who"), ("name", "domain", "industry", "ownership")),
        (_("Size"), ("employees", "annual_revenue", "currency", "parent")),
        (_("Where"), ("country", "region", "city")),
        (_("With us"), ("owner",)),
    )

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        for name in ("name", "domain", "industry", "ownership", "country", "region", "city"):
            self.fields[name] = _text(Account, name, bool(self.subject))
        numbers: dict[str, forms.Field] = {
            "employees": forms.IntegerField(label=_("Employees"), required=False, min_value=0, max_value=10**12),
            "annual_revenue": forms.DecimalField(
                label=_("Annual revenue"), required=False, max_value=LARGEST, min_value=-LARGEST, decimal_places=4
            ),
            "currency": forms.CharField(
                label=_("Currency"), required=False, max_length=3, help_text=_("Three letters, such as EUR.")
            ),
            "parent": AccountField(self.user, label=_("Parent"), help_text=_("The account that this one belongs to.")),
        }
        self.fields |= numbers
        self.fields["parent"].widget.attrs |= CHOOSER
        for name in numbers:
            self.fields[name].show_hidden_initial = bool(self.subject)

    def clean_currency(self) -> str:
        """Codes are kept in capitals."""
        code = self.cleaned_data["currency"].strip().upper()
        if code and not re.fullmatch("[A-Z]{3}", code):
            raise forms.ValidationError(_now("A currency has three letters, such as EUR."))
        return code

    def clean_domain(self) -> str:
        """The domain of a web address or email will do."""
        said = self.cleaned_data["domain"].strip()
        host = re.sub(r"^[a-z]+://", "", said, flags=re.IGNORECASE).split("/")[0].rpartition("@")[2]
        told = addresses.domain(re.sub(r"^www\.", "", host, flags=re.IGNORECASE))
        if host and told is None:
            raise forms.ValidationError(_now("“%(domain)s” is no domain.") % {"domain": said[:100]})
        return told or ""

    def values(self) -> dict[str, Any]:
        """An amount is kept in minor units of its currency; without one, of the installation's."""
        told = super().values()
        if {"annual_revenue", "currency"} & set(told):
            revenue, currency = self.cleaned_data.get("annual_revenue"), self.cleaned_data.get("currency")
            if revenue is not None:
                told["currency"] = currency or str(installation.get("currency"))
                told["annual_revenue"] = money.minor(revenue, told["currency"])
        return told


def custom_field(defined: Field, currency: str, current: Any) -> forms.Field:
    """The input of a custom field, by its type. A value that is no choice any more is still one of its own row's."""
    given: dict[str, Any] = {"label": defined.label, "required": False}
    if defined.type == Field.Type.NUMBER:
        return forms.DecimalField(max_digits=27, decimal_places=12, **given)
    if defined.type == Field.Type.MONEY:
        given["label"] = f"{defined.label} ({currency})"
        return forms.DecimalField(min_value=-LARGEST, max_value=LARGEST, decimal_places=money.places(currency), **given)
    if defined.type == Field.Type.DATE:
        return Day(**given)
    if defined.type == Field.Type.YES_NO:
        return forms.ChoiceField(choices=[("", _("(empty)")), ("true", _("yes")), ("false", _("no"))], **given)
    if defined.type == Field.Type.SEVERAL:
        many = {str(each): str(each) for each in current or ()} | dict(defined.labelled())
        return SeveralField(choices=list(many.items()), **given)
    if defined.type == Field.Type.CHOICE:
        choices = dict(defined.labelled())
        if current:
            choices.setdefault(str(current), str(current))
        return forms.ChoiceField(choices=[("", _("(empty)")), *choices.items()], **given)
    return forms.CharField(max_length=2000, **given)


# ---- reading and writing values ----


def _values(subject: Person | Account, custom: Iterable[Field], currency: str) -> dict[str, Any]:
    """The values of a subject as its form shows them."""
    values: dict[str, Any] = {
        field.name: getattr(subject, field.name) for field in subject._meta.concrete_fields if field.name != "custom"
    }
    if isinstance(subject, Account) and subject.annual_revenue is not None:
        values["annual_revenue"] = money.major(subject.annual_revenue, currency)
    values["owner"] = subject.owner_id
    for each in custom:
        values[CUSTOM + each.slug] = _shown(each, subject.custom.get(each.slug), currency)
    return values


def _shown(defined: Field, raw: Any, currency: str) -> Any:
    """A stored custom value as its input takes it; what cannot be read as its type is shown as it is."""
    if defined.type == Field.Type.SEVERAL:
        return [str(each) for each in raw] if isinstance(raw, list) else []
    if raw is None or raw == "":
        return None
    text = str(raw)
    if defined.type == Field.Type.YES_NO:
        return text.lower()
    if defined.type == Field.Type.MONEY and re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        return money.major(int(text), currency)
    if defined.type == Field.Type.DATE:
        try:
            return date.fromisoformat(text[:10])
        except ValueError:
            return text
    return text


def _kept(defined: Field, value: Any, currency: str) -> Any:
    """A value of an input as it is stored; None empties it."""
    if value in (None, "", []):
        return None
    if defined.type == Field.Type.NUMBER:
        return int(value) if value == int(value) else float(value)
    if defined.type == Field.Type.MONEY:
        return money.minor(value, currency)
    if defined.type == Field.Type.YES_NO:
        return value == "true"
    return value.isoformat() if isinstance(value, date) else value


def _as_data(field: forms.Field, value: Any) -> str:
    """A value as the browser would send it back."""
    value = field.prepare_value(value)
    return "" if value is None else str(value).replace("\r\n", "\n")


def _meanwhile(subject: Person | Account, name: str, field: forms.Field, value: Any) -> str:
    """What somebody else has put there, and when."""
    changed = name.replace(CUSTOM, "custom.", 1) if name.startswith(CUSTOM) else name
    own = FieldChange.objects.filter(subject_id=subject.pk, field=changed, original_subject_id=None)
    last = own.order_by("-occurred_at", "-pk").first()
    shown = _in_words(field, value)
    source, at = (last.source, last.occurred_at) if last else ("", None)
    told = {"value": shown, "source": source, "at": writing.instant(at)}
    text = _now("Meanwhile changed to “%(value)s” (%(source)s, %(at)s). Yours is in the field: save again to keep it.")
    return text % told


def _in_words(field: forms.Field, value: Any) -> str:
    for choice, label in getattr(field, "choices", None) or ():
        if str(choice) == str(value if value is not None else ""):
            return str(label)
    return str(pages.written(field.prepare_value(value)))


# ---- fields ----


def _text(model: type[Person] | type[Account], name: str, seen: bool) -> forms.Field:
    column: Any = model._meta.get_field(name)
    field = forms.CharField(label=capfirst(column.verbose_name), required=False, max_length=column.max_length)
    if name in MODES:
        field.widget.attrs |= {"inputmode": MODES[name], "spellcheck": "false"}
    field.widget.attrs["autocomplete"] = "off"
    if name in IN_USE:
        field.widget.attrs["list"] = f"in-use-{name}"
    field.show_hidden_initial = seen
    return field


def _owner_field(subject: Person | Account | None) -> forms.Field:
    """Users who can sign in, and the present owner whoever that is."""
    return forms.ModelChoiceField(
        users.to_choose(subject.owner_id if subject else None),
        label=_("Owner"),
        required=False,
        empty_label=_("(nobody)"),
    )


def _zone_field(current: Any, seen: bool) -> forms.Field:
    zones = sorted(name for name in available_timezones() if "/" in name or name == "UTC")
    if current and current not in zones:
        zones.append(str(current))
    field = forms.ChoiceField(
        label=_("Time zone"), required=False, choices=[("", _("(empty)")), *((name, name) for name in zones)]
    )
    field.show_hidden_initial = seen
    return field


FORMS: Mapping[str, type[Subject]] = {"person": PersonForm, "account": AccountForm}

"""Forms of the audience: a file to bring in, and what its columns become."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.translation import gettext_lazy as _

from audience.builder import ConditionField
from audience.importing.headers import Column, Guess, slug_of
from audience.importing.targets import CUSTOM, PROPERTIES, Kind
from audience.models import Field, Import
from kit import addresses
from kit.registry import registry

FIXED = 3  # rows of the form for fixed values
ORDERS = (
    ("", _("as the values suggest")),
    ("dmy", _("day, month, year: 31/12/2025")),
    ("mdy", _("month, day, year: 12/31/2025")),
)


class Upload(forms.Form):
    """A file, what its rows are, and which system it is from."""

    kind = forms.ChoiceField(label=_("What the rows are"), widget=forms.RadioSelect)
    file = forms.FileField(
        label=_("File"),
        help_text=_(
            "CSV or Excel (.xlsx) with the names of the columns in the first row. Encoding and separator are found out."
        ),
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx,text/csv"}),
    )
    source = forms.CharField(
        label=_("Source system"),
        max_length=64,
        initial="file",
        help_text=_(
            "Where the file is from, such as hubspot or webshop. External ids belong to it, and so does the history."
        ),
    )

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        kinds = [(name, kind.label) for name, kind in registry.import_kinds.items()]
        self.fields["kind"].choices = kinds  # type: ignore[attr-defined]
        self.fields["kind"].initial = kinds[0][0] if kinds else None


MOST_DOMAINS = 200  # each is held against everybody's address


class Domains(forms.Form):
    """Domains, one in a line."""

    domains = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}))

    def clean_domains(self) -> list[str]:
        """The domains as addresses are kept."""
        told = [line.strip().lower().lstrip("@.") for line in self.cleaned_data["domains"].splitlines()]
        plain = [addresses.ascii_domain(line) for line in told if line]
        if len(plain) > MOST_DOMAINS:
            raise forms.ValidationError(_("These are more than %(most)s domains.") % {"most": MOST_DOMAINS})
        wrong = [line for line in plain if not re.fullmatch(addresses.DOMAIN[1:-1], line)]
        if wrong:
            raise forms.ValidationError(_("These are no domains: %(wrong)s") % {"wrong": ", ".join(wrong)[:300]})
        return sorted(set(plain))


class OwnDomains(Domains):
    """The domains whose people and accounts are left out of every figure."""

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.fields["domains"].label = _("Own domains")
        self.fields["domains"].help_text = _(
            "One in a line, such as example.com. Whoever has an address there, or below it, is left out."
        )


class Site(Domains):
    """The domains of our web sites, and how long views of strangers are kept."""

    days = forms.IntegerField(
        label=_("Days that views of strangers are kept"),
        min_value=1,
        max_value=730,
        help_text=_("Whoever becomes known within them has what they saw before in their history."),
    )
    field_order = ("domains", "days")

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.fields["domains"].label = _("Domains of your web sites")
        self.fields["domains"].help_text = _(
            "One in a line, such as example.com, which stands for all below it. Pages of other domains are not heard."
        )


class Mapping(forms.Form):
    """What each column becomes, fixed values, and what may happen to rows that are known already."""

    policy = forms.ChoiceField(
        label=_("Rows that are known already"), choices=Import.Policy.choices, widget=forms.RadioSelect
    )
    date_order = forms.ChoiceField(label=_("Dates with the year last are read as"), choices=ORDERS, required=False)
    create_people = forms.BooleanField(
        label=_("Create people that are not known yet, by their email"), required=False, initial=True
    )

    def __init__(self, kind: Kind, guess: Guess, imported: Import, data: Any = None) -> None:
        super().__init__(data, initial=_initial(imported))
        self.guess = guess
        stored = imported.mapping.get("columns", {})
        for column in guess.columns:
            told = (stored.get(column.name) or [""])[0] if stored else column.guess
            choices = _choices(kind, column, told)
            self.fields[f"column_{column.place}"] = forms.ChoiceField(
                label=column.name, choices=choices, required=False, initial=told
            )
        fixed = [(name[1:], field) for name, fields in stored.items() if name.startswith("=") for field in fields]
        targets = [("", _("no field")), *((target.name, target.label) for target in kind.targets)]
        for number in range(FIXED):
            value, field = fixed[number] if number < len(fixed) else ("", "")
            self.fields[f"fixed_field_{number}"] = forms.ChoiceField(
                label=_("Field"), choices=targets, required=False, initial=field
            )
            self.fields[f"fixed_value_{number}"] = forms.CharField(
                label=_("Value"), required=False, initial=value, max_length=200
            )
        if "person_email" not in kind.by_name:
            del self.fields["create_people"]

    @property
    def columns(self) -> Iterator[tuple[Column, BoundField]]:
        """Each column of the file with its choice."""
        for column in self.guess.columns:
            yield column, self[f"column_{column.place}"]

    @property
    def fixed(self) -> Iterator[tuple[BoundField, BoundField]]:
        """The pairs of a field and its fixed value."""
        for number in range(FIXED):
            yield self[f"fixed_field_{number}"], self[f"fixed_value_{number}"]

    def told(self) -> dict[str, list[str]]:
        """The mapping as the import takes it."""
        data = self.cleaned_data
        told = {
            column.name: [data[f"column_{column.place}"]]
            for column in self.guess.columns
            if data[f"column_{column.place}"]
        }
        for number in range(FIXED):
            field, value = data[f"fixed_field_{number}"], data[f"fixed_value_{number}"].strip()
            if field and value:
                told.setdefault(f"={value}", []).append(field)
        return told

    def options(self) -> dict[str, Any]:
        """The choices that are no mapping."""
        return {
            "date_order": self.cleaned_data["date_order"],
            "create_people": self.cleaned_data.get("create_people", True),
        }


def _initial(imported: Import) -> dict[str, Any]:
    options = imported.mapping.get("options", {})
    return {
        "policy": imported.policy,
        "date_order": options.get("date_order", ""),
        "create_people": options.get("create_people", True),
    }


def _choices(kind: Kind, column: Column, told: str) -> list[Any]:
    choices: list[Any] = [("", _("leave out")), (_("Fields"), [(each.name, each.label) for each in kind.targets])]
    if kind.custom:
        custom = [(f"{CUSTOM}{slug}", label) for slug, label in _custom(kind.custom)]
        new = f"{CUSTOM}{slug_of(column.name)}"
        if new not in dict(custom):
            of_type = Field.Type(column.custom_type)
            custom.append((f"{new}:{of_type.value}", _("new custom field (%(type)s)") % {"type": of_type.label}))
        choices.append((_("Custom fields"), custom))
    if kind.properties:
        choices.append((_("Properties"), [(f"{PROPERTIES}{slug_of(column.name)}", _("keep as a property"))]))
    known = {value for _label, group in choices[1:] for value, _text in group}
    if told and told not in known:  # such as a property under another name, told by a command
        choices.append((_("As told"), [(told, told)]))
    return choices


def _custom(of: str) -> list[tuple[str, str]]:
    return list(Field.objects.filter(of=of).order_by("label").values_list("slug", "label"))


class SegmentName(forms.Form):
    """What a segment is called."""

    name = forms.CharField(label=_("Name"), max_length=200)


class NewSegment(SegmentName):
    """A segment by condition."""

    condition = ConditionField(label=_("Who belongs to it"), required=True)

    def __init__(self, *args: Any, of: str, **given: Any) -> None:
        super().__init__(*args, **given)
        self.fields["condition"].of = of  # type: ignore[attr-defined]

"""Forms of the audience: a file to bring in, and what its columns become."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.translation import gettext_lazy as _

from audience import importing
from audience.asked.builder import ConditionField
from audience.importing import formats, headers, said, saved, schedules
from audience.importing.headers import Column, Guess, slug_of
from audience.importing.said import Told
from audience.importing.targets import CUSTOM, PROPERTIES, Kind
from audience.models import Field, Import, ImportSchedule, SavedMapping
from audience.subjects import exclusions
from audience.subjects.people import BadValue
from kit import addresses, installation
from kit.registry import registry

FIXED = 3  # rows of the form for fixed values
MOST_OFFERED = 100  # known values that a browser offers while one is typed
Mapping_ = dict[str, Any]  # columns and options, as an import keeps them
DECIMALS = (
    ("", _("as the values suggest")),
    ("point", _("1,250.50")),
    ("comma", _("1.250,50")),
    ("cents", _("in cents: 1250 is 12.50")),
    ("micros", _("in millionths")),
)
ORDERS = (
    ("", _("as the values suggest")),
    ("dmy", _("day, month, year: 31/12/2025")),
    ("mdy", _("month, day, year: 12/31/2025")),
)


class Upload(forms.Form):
    """A file, what its rows are, and which system it is from."""

    kind = forms.ChoiceField(label=_("What the rows are"), required=False)
    file = forms.FileField(
        label=_("File"),
        help_text=_(
            "CSV (also .csv.gz) or Excel (.xlsx), or a ZIP of CSV files, with the names of the columns in the first "
            "row. Encoding and separator are found out."
        ),
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.gz,.xlsx,.zip,text/csv"}),
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
        self.fields["kind"].choices = [("", _("Find out from its columns")), *kinds]  # type: ignore[attr-defined]
        self.fields["kind"].depends = True  # type: ignore[attr-defined]


class Domains(forms.Form):
    """Domains, one in a line."""

    domains = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}))

    def clean_domains(self) -> list[str]:
        """The domains as addresses are kept."""
        try:
            return addresses.hosts(self.cleaned_data["domains"].splitlines())
        except addresses.Refused as wrong:
            raise forms.ValidationError(str(wrong)) from wrong


class LeftOut(forms.Form):
    """The lists of domains and addresses that are left out of every figure, each under its name."""

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        for each in exclusions.LISTS:
            self.fields[each.name] = forms.CharField(
                label=str(each.label), required=False, widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})
            )
        self.fields[exclusions.LISTS[0].name].help_text = _(
            "One in a line, such as example.com or ann@example.com. Whoever has the address, or one at the domain or "
            "below it, is left out; whoever is on several lists, as of the first."
        )

    def clean(self) -> dict[str, Any]:
        lists = super().clean() or {}
        for name, text in list(lists.items()):
            try:
                lists[name] = exclusions.entries(name, text.splitlines())
            except BadValue as wrong:
                self.add_error(name, wrong.message)
        return lists


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


@dataclass
class Word:
    """One value of a column, and what it becomes: `how` is "" (it stays), "empty", or "other" with the text."""

    text: str
    rows: int = 0
    why: str = ""
    how: str = ""
    becomes: str = ""


@dataclass
class Words:
    """The values of one column, as the form shows them; `known` may be chosen among."""

    place: int
    column: str
    known: list[str]
    words: list[Word]

    @property
    def proposals(self) -> int:
        return sum(bool(word.why) for word in self.words)


class Mapping(forms.Form):
    """What each column and value becomes, fixed values, and what may happen to rows that are known already."""

    policy = forms.ChoiceField(
        label=_("Rows that are known already"), choices=Import.Policy.choices, widget=forms.RadioSelect
    )
    date_order = forms.ChoiceField(label=_("Dates with the year last are read as"), choices=ORDERS, required=False)
    create_people = forms.BooleanField(
        label=_("Create people that are not known yet, by their email"), required=False, initial=True
    )
    keep_as = forms.CharField(
        label=_("Keep this mapping as"),
        required=False,
        max_length=saved.LONGEST_NAME,
        help_text=_("It is proposed for the next file with these columns, and a schedule can use it."),
    )

    def __init__(
        self, kind: Kind, guess: Guess, mapping: Mapping_, policy: str, told: Sequence[Told], data: Any = None
    ) -> None:
        """`mapping` has the columns and options to begin with, `told` the values of the file's columns."""
        self.stored = mapping.get("options", {})
        super().__init__(
            data,
            initial={
                "policy": policy,
                "date_order": self.stored.get("date_order", ""),
                "create_people": self.stored.get("create_people", True),
            },
        )
        self.guess, self.told_values = guess, told
        stored = mapping.get("columns", {})
        self.is_fresh = not stored
        for column in guess.columns:
            told_field = (stored.get(column.name) or [""])[0] if stored else column.guess
            choices = _choices(kind, column, told_field)
            self.fields[f"column_{column.place}"] = forms.ChoiceField(
                label=column.name, choices=choices, required=False, initial=told_field
            )
            self._ask_formats(column)
        shown = stored or {name: [field] for name, field in guess.fixed.items()}
        fixed = [(name[1:], field) for name, fields in shown.items() if name.startswith("=") for field in fields]
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

    def _ask_formats(self, column: Column) -> None:
        """Fields for how the column writes dates, numbers and times, where it has any of which that is a question."""
        label: Any
        for option, name, label, choices, asked, example in (
            ("dates", "order", _("Dates are"), ORDERS, column.order, formats.short_date(column.cells)),
            ("numbers", "decimal", _("Numbers are"), DECIMALS, column.decimal, formats.open_number(column.cells)),
        ):
            told = self.stored.get(option, {}).get(column.name, "")
            if example and formats.is_open(option, column.cells):
                label = _("“%(example)s” is") % {"example": example[:40]}
            if asked or told or example:
                self.fields[f"{name}_{column.place}"] = forms.ChoiceField(
                    label=label, choices=choices, required=False, initial=told
                )
        zone = self.stored.get("zones", {}).get(column.name, "")
        if zone or formats.has_local_times(column.cells):
            self.fields[f"zone_{column.place}"] = forms.CharField(
                label=_("Time zone"), required=False, initial=zone, max_length=64,
                widget=forms.TextInput(attrs={"list": "zones", "placeholder": installation.get("zone")}),
            )  # fmt: skip

    @property
    def columns(self) -> Iterator[tuple[Column, BoundField, list[BoundField]]]:
        """Each column of the file with its choice, and what is asked of its formats."""
        for column in self.guess.columns:
            asked = [f"{name}_{column.place}" for name in ("order", "decimal", "zone")]
            yield column, self[f"column_{column.place}"], [self[name] for name in asked if name in self.fields]

    @property
    def has_zones(self) -> bool:
        return any(name.startswith("zone_") for name in self.fields)

    @property
    def fixed(self) -> Iterator[tuple[BoundField, BoundField]]:
        """The pairs of a field and its fixed value."""
        for number in range(FIXED):
            yield self[f"fixed_field_{number}"], self[f"fixed_value_{number}"]

    @cached_property
    def words(self) -> list[Words]:
        """The values of the columns that have few, with what each becomes: as sent, as kept, or as proposed."""
        there = {each.column: each for each in self.told_values}
        found, left = [], said.SHOWN
        for column in self.guess.columns:
            told, stored = there.get(column.name), self.stored.get("values", {}).get(column.name)
            words = self._sent(column) if self.is_bound else _words(told, stored, fresh=self.is_fresh)
            counted = {each.text: each for each in told.values} if told else {}
            for word in words:
                if each := counted.get(word.text):
                    word.rows, word.why = each.rows, each.why
            if words and len(words) <= left:
                left -= len(words)
                found.append(Words(column.place, column.name, told.known[:MOST_OFFERED] if told else [], words))
        return found

    def _sent(self, column: Column) -> list[Word]:
        data: Any = self.data
        sent = [data.getlist(f"{name}_{column.place}") for name in ("said", "how", "becomes")]
        return [
            Word(text, how=how or ("other" if becomes.strip() else ""), becomes=becomes.strip())
            for text, how, becomes in zip(*sent, strict=False)
        ]

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
        asked: dict[str, Any] = {"date_order": self.cleaned_data["date_order"]}
        asked["create_people"] = self.cleaned_data.get("create_people", True)
        for option, name in (("dates", "order"), ("numbers", "decimal"), ("zones", "zone")):
            told = {column.name: self.cleaned_data.get(f"{name}_{column.place}", "") for column in self.guess.columns}
            asked[option] = {column: each.strip() for column, each in told.items() if each.strip()}
        become = {
            each.column: {
                word.text: "" if word.how == "empty" else word.becomes
                for word in each.words
                if word.how == "empty" or (word.how == "other" and word.becomes and word.becomes != word.text)
            }
            for each in self.words
        }
        beyond = {column: words for column, words in self.stored.get("values", {}).items() if column not in become}
        return {**asked, "values": {**beyond, **{column: words for column, words in become.items() if words}}}


class KeptMapping(Mapping):
    """A mapping that is kept: its name, and all that an import asks of one."""

    name = forms.CharField(label=_("Name"), max_length=saved.LONGEST_NAME)
    source = forms.CharField(label=_("Source system"), max_length=64)

    def __init__(self, kept: SavedMapping, data: Any = None) -> None:
        kind = importing.kind_of(kept.kind)
        columns, words = kept.mapping["columns"], kept.mapping["options"].get("values", {})
        told = said.told(kind, columns, {column: [(text, 0) for text in each] for column, each in words.items()})
        super().__init__(kind, Guess(headers.look(kept.header, [])), kept.mapping, kept.policy, told, data)
        self.initial = {**self.initial, "name": kept.name, "source": kept.source}
        del self.fields["keep_as"]


class Schedule(forms.Form):
    """Where files come from, how they are read, and how often to look."""

    name = forms.CharField(label=_("Name"), max_length=schedules.LONGEST_NAME)
    mapping = forms.ModelChoiceField(
        label=_("Read by the mapping"), queryset=SavedMapping.objects.order_by("name"), empty_label=None,
        help_text=_("Bring one file in by hand first, and keep its mapping under a name."),
    )  # fmt: skip
    place = forms.ChoiceField(
        label=_("Files come from"), choices=ImportSchedule.Place.choices, widget=forms.RadioSelect
    )
    folder = forms.CharField(
        label=_("Folder"), required=False, max_length=300, strip=True,
        help_text=_("Below the one that is open, such as crm/daily. A file is taken once nobody writes to it."),
    )  # fmt: skip
    pattern = forms.CharField(
        label=_("Files called"),
        required=False,
        max_length=100,
        initial="*.csv",
        help_text=_("* stands for any letters."),
    )
    url = forms.CharField(
        label=_("Address"), required=False, max_length=1000,
        help_text=_("Such as https://example.com/export.csv, of the open web."),
        widget=forms.TextInput(attrs={"inputmode": "url"}),
    )  # fmt: skip
    sign = forms.ChoiceField(label=_("Sign in by"), choices=ImportSchedule.Sign.choices, required=False)
    user = forms.CharField(
        label=_("User"), required=False, max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    secret = forms.CharField(
        label=_("Password or token"), required=False, max_length=2000, strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Kept encrypted and never shown. Leave it empty to keep the one that is there."),
    )  # fmt: skip
    every = forms.ChoiceField(label=_("How often"), choices=ImportSchedule.Every.choices, initial="day")
    next_at = forms.DateTimeField(
        label=_("First time"), required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=_("And from then on at this time of day. Empty: now; and once, only when somebody asks for it."),
    )  # fmt: skip

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        for name in ("folder", "pattern", "url", "sign", "user", "secret"):
            self.fields[name].depends = True  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """A folder or an address, as was chosen."""
        data = self.cleaned_data
        if data.get("place") == ImportSchedule.Place.URL and not data.get("url"):
            self.add_error("url", _("Say from which address."))
        return data


def _words(told: Told | None, stored: dict[str, str] | None, *, fresh: bool) -> list[Word]:
    """The values of a column with what is kept of them; with what is proposed, where nobody has looked at it yet."""
    if not fresh:
        kept = [Word(text, how="other" if ours else "empty", becomes=ours) for text, ours in (stored or {}).items()]
        return kept + [Word(each.text) for each in (told.values if told else ()) if each.text not in (stored or {})]
    return [
        Word(
            each.text,
            how="" if each.proposed is None else "other" if each.proposed else "empty",
            becomes=each.proposed or "",
        )
        for each in (told.values if told else ())
    ]


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

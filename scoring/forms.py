"""Forms of the scoring pages: a new model, a rule, the thresholds of a draft."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from audience.asked.builder import ConditionField
from audience.models import Activity, ActivityKind, Field
from kit import installation, yamlfiles
from kit.forms import Day
from scoring import documents, rules
from scoring.models import Rule, ScoringModel, ScoringVersion

ANY = ("", _("any"))
WHERE = ("kind", "channel", "direction", "platform", "actor", "source")


class NewModel(forms.Form):
    """A model from nothing: what it is called and whom it scores."""

    name = forms.CharField(label=_("Name"), max_length=200, help_text=_("Such as “Lead score”."))
    slug = forms.CharField(
        label=_("Short name"),
        max_length=60,
        required=False,
        help_text=_("As conditions call it, such as “lead”. It never changes. Made from the name when left empty."),
    )
    of = forms.ChoiceField(label=_("Scores"), choices=Field.Of.choices, widget=forms.RadioSelect, initial="person")
    species = forms.ChoiceField(
        label=_("Species"), choices=[("", _("all")), *ScoringModel.Species.choices], required=False
    )
    goal = forms.CharField(
        label=_("What it is for"), max_length=5000, required=False, widget=forms.Textarea({"rows": 2})
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        slug = values.get("slug") or re.sub("[^a-z0-9]+", "_", values.get("name", "").lower()).strip("_")
        slug = re.sub("^[^a-z]+", "", slug)[:60]
        if not re.fullmatch(r"[a-z][a-z0-9_]*", slug):
            self.add_error("slug", _("Small letters, digits and _, and a letter first."))
        elif slug in yamlfiles.RESERVED:
            self.add_error("slug", _("Addresses of pages need this word; choose another."))
        elif ScoringModel.objects.filter(slug=slug).exists():
            self.add_error("slug", _("There is a scoring model of this short name already."))
        return values | {"slug": slug}


class FromFile(forms.Form):
    """A model, or the next version of one, from a YAML file."""

    file = forms.FileField(label=_("Scoring file (YAML)"))

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("file"):
            values["document"] = self._read(values["file"])
        return values

    def _read(self, file: UploadedFile) -> dict[str, Any] | None:
        if (file.size or 0) > yamlfiles.LIMIT_BYTES:
            self.add_error("file", _("This file is too long for a scoring model (500 kB at most)."))
            return None
        try:
            return documents.parse(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            self.add_error("file", _("This file is not text in UTF-8."))
        except yamlfiles.DocumentError as error:
            self.add_error("file", str(error))
        return None


class _RuleForm(forms.Form):
    """What rules of both kinds have. `cleaned_rule` are the row's values, checked as those of a document are."""

    name = forms.CharField(label=_("Name"), max_length=200, help_text=_("As the explanation of a score calls it."))
    points = forms.DecimalField(
        label=_("Points"), max_value=rules.MOST_POINTS, min_value=-rules.MOST_POINTS, decimal_places=6,
        help_text=_("Below zero takes points away."),
    )  # fmt: skip

    def __init__(self, *args: Any, version: ScoringVersion, **given: Any) -> None:
        super().__init__(*args, **given)
        self.version = version

    def entry(self, values: dict[str, Any]) -> dict[str, Any]:
        """The rule as a document has it."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors:
            try:
                self.cleaned_rule = documents.rule(self.entry(values), self.version.model.of, "")
            except yamlfiles.DocumentError as error:
                self.add_error(None, str(error).removeprefix(" › "))
        return values


class BehaviourRule(_RuleForm):
    """Points for what somebody does."""

    kind = forms.ChoiceField(label=_("Activity"), required=False)
    channel = forms.ChoiceField(label=_("Channel"), required=False)
    direction = forms.ChoiceField(label=_("Direction"), required=False, choices=[ANY, *Activity.Direction.choices])
    platform = forms.ChoiceField(label=_("Platform"), required=False)
    actor = forms.ChoiceField(label=_("Done by"), required=False, choices=[("", _("humans")), *Activity.Actor.choices])
    half_life = forms.IntegerField(
        label=_("Half-life in days"), required=False, min_value=1, max_value=documents.LONGEST,
        help_text=_("After so many days it is worth half. Empty: it keeps its worth."),
    )  # fmt: skip
    expires = forms.IntegerField(
        label=_("Expires after days"), required=False, min_value=1, max_value=documents.LONGEST,
        help_text=_("After that it counts nothing. Empty: never."),
    )  # fmt: skip
    once = forms.BooleanField(label=_("Counts once"), required=False, help_text=_("Only the one that is worth most."))
    cap = forms.DecimalField(
        label=_("Cap in points"), required=False, min_value=0, max_value=rules.MOST_POINTS, decimal_places=6,
        help_text=_("The rule comes to no more than this."),
    )  # fmt: skip
    group = forms.CharField(
        label=_("Group"), required=False, max_length=64, help_text=_("Rules of one group can share a cap.")
    )

    def __init__(self, *args: Any, kept: dict[str, Any] | None = None, **given: Any) -> None:
        super().__init__(*args, **given)
        self.kept = {key: value for key, value in (kept or {}).items() if key not in WHERE or not _is_plain(value)}
        chosen = kept or {}
        kinds = list(ActivityKind.objects.order_by("label").values_list("slug", "label"))
        self._offer("kind", kinds, chosen)
        for key in ("channel", "platform"):
            self._offer(key, [(each, each) for each in _in_use(key)], chosen)

    def _offer(self, key: str, choices: list[tuple[str, str]], chosen: dict[str, Any]) -> None:
        """The values in use, and whatever the rule asks for already."""
        asked = chosen.get(key)
        more = [(asked, asked)] if isinstance(asked, str) and asked not in dict(choices) else []
        self.fields[key].choices = [ANY, *choices, *more]  # type: ignore[attr-defined]

    def entry(self, values: dict[str, Any]) -> dict[str, Any]:
        did = self.kept | {key: values[key] for key in WHERE if values.get(key)}
        told = {key: values[key] for key in ("name", "points", "half_life", "expires", "once", "group")}
        return told | {"did": did, "cap": values["cap"]}


class FitRule(_RuleForm):
    """Points for what somebody is."""

    condition = ConditionField(label=_("Holds while"), required=True)
    group = BehaviourRule.base_fields["group"]

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.fields["condition"].of = self.version.model.of  # type: ignore[attr-defined]

    def entry(self, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "name": values["name"],
            "points": values["points"],
            "fit": values["condition"],
            "group": values["group"],
        }


class Thresholds(forms.Form):
    """The limit, the grades, the levels, the caps of groups, and from when on a draft is in force."""

    limit = forms.IntegerField(
        label=_("Limit"), required=False, min_value=-1_000_000, max_value=1_000_000,
        help_text=_("Whose score is not below it has reached it. Conditions ask for that."),
    )  # fmt: skip
    effective_from = Day(label=_("In force from"), required=False, help_text=_("Empty: for all of the past as well."))

    def __init__(self, data: Any = None, *, version: ScoringVersion) -> None:
        initial: dict[str, Any] = {"limit": version.limit}
        if version.effective_from:
            initial["effective_from"] = version.effective_from.astimezone(installation.zone()).date()
        initial |= {f"grade_{each}": version.grades.get(each) for each in documents.GRADES}
        initial |= {f"level_{each}": version.levels.get(each) for each in documents.LEVELS}
        super().__init__(data, initial=initial)
        for each in documents.GRADES:
            self.fields[f"grade_{each}"] = forms.IntegerField(
                label=_("Grade %(grade)s from fit points") % {"grade": each}, required=False
            )
        for each in documents.LEVELS:
            self.fields[f"level_{each}"] = forms.IntegerField(
                label=_("Level %(level)s from behaviour points") % {"level": each}, required=False
            )
        self.groups = sorted(set(version.rules.exclude(group="").values_list("group", flat=True)))
        for number, group in enumerate(self.groups):
            self.fields[f"cap_{number}"] = forms.DecimalField(
                label=_("Cap of the group “%(group)s”") % {"group": group}, required=False, min_value=0,
                max_value=rules.MOST_POINTS, decimal_places=6, initial=version.caps.get(group),
            )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if self.errors:
            return values
        for place, prefix, names in (("grades", "grade", documents.GRADES), ("levels", "level", documents.LEVELS)):
            given = {each: values[f"{prefix}_{each}"] for each in names}
            some = {key: value for key, value in given.items() if value is not None}
            try:
                values[place] = documents.thresholds(some, names, "") if some else {}
            except yamlfiles.DocumentError as error:
                self.add_error(f"{prefix}_{names[0]}", str(error))
        values["caps"] = {
            group: documents.plain(values[f"cap_{number}"])
            for number, group in enumerate(self.groups)
            if values.get(f"cap_{number}")
        }
        return values


def initial_of(rule: Rule) -> dict[str, Any]:
    """What a rule's form begins with."""
    values: dict[str, Any] = {
        "name": rule.name, "points": rule.points.normalize() if rule.points % 1 else int(rule.points),
        "group": rule.group, "half_life": rule.half_life_days, "expires": rule.expires_days, "once": rule.once,
        "cap": None if rule.cap is None else documents.plain(rule.cap), "condition": rule.condition,
    }  # fmt: skip
    return values | {key: value for key, value in rule.where.items() if key in WHERE and _is_plain(value)}


def _is_plain(value: Any) -> bool:
    """Whether a form can show it; lists and properties of a document are kept as they are."""
    return isinstance(value, str)


def _in_use(key: str) -> list[str]:
    """The values of the newest activities, without the empty one."""
    newest = Activity.objects.order_by("-pk").values_list(key, flat=True)[:5000]
    return sorted({each for each in newest if each})

"""Forms of the lifecycle pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from audience.asked.builder import ConditionField
from kit import installation, rights, users, yamlfiles
from kit.forms import Day
from kit.models import Team, User
from lifecycle import backtests
from lifecycle.backtests import numbers, outcomes
from lifecycle.editions import documents
from lifecycle.handoffs import answering, routing
from lifecycle.ledger import stages
from lifecycle.models import Handoff, RoutingRule, Stage, Version


class Start(forms.Form):
    """Where a new draft comes from: a playbook by name, or a YAML file."""

    playbook = forms.CharField(required=False, widget=forms.HiddenInput)
    file = forms.FileField(
        label=_("Lifecycle file (YAML)"),
        required=False,
        help_text=_("Any lifecycle can be downloaded as such a file, changed in a text editor, and brought back here."),
    )
    file.depends = True  # type: ignore[attr-defined]  # a playbook may be chosen instead; it is not called optional

    def clean(self) -> dict[str, object]:
        values = super().clean() or {}
        if values.get("file"):
            values["document"] = self._read(values["file"])
        elif values.get("playbook") in documents.playbooks():
            values["document"] = documents.playbooks()[values["playbook"]]
        elif not self.errors:
            raise forms.ValidationError(_("Choose a playbook or a file."))
        return values

    def _read(self, file: UploadedFile) -> dict[str, object] | None:
        if (file.size or 0) > yamlfiles.LIMIT_BYTES:
            self.add_error("file", _("This file is too long for a lifecycle (500 kB at most)."))
            return None
        try:
            return documents.parse(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            self.add_error("file", _("This file is not text in UTF-8."))
        except documents.DocumentError as error:
            self.add_error("file", str(error))
        return None


class Backtest(forms.Form):
    """What a version is to be tried on, and what its stage is judged by."""

    begins_on = forms.DateField(label=_("From"), widget=forms.DateInput({"type": "date"}))
    ends_on = forms.DateField(
        label=_("Until"), widget=forms.DateInput({"type": "date"}), help_text=_("This day is not in it any more.")
    )
    beside = forms.ChoiceField(label=_("Beside"))
    stage = forms.ChoiceField(label=_("Stage that is judged"))
    outcome = forms.ChoiceField(label=_("A success is"))
    horizon = forms.IntegerField(
        label=_("Within so many days"),
        min_value=1,
        max_value=backtests.MOST_DAYS,
        initial=90,
        help_text=_("Only those whose days are over are judged."),
    )
    number = forms.ChoiceField(
        label=_("Try a number at many values"),
        required=False,
        help_text=_("One walk through the past tries up to 15 values between the first and the last."),
    )
    least = forms.IntegerField(label=_("First value"), required=False, min_value=0, max_value=numbers.LARGEST)
    most = forms.IntegerField(label=_("Last value"), required=False, min_value=0, max_value=numbers.LARGEST)

    def __init__(self, *args: Any, version: Version, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.version = version
        ends = now.astimezone(installation.zone()).date()
        self.fields["ends_on"].initial = ends
        self.fields["begins_on"].initial = ends - timedelta(days=365)
        there = list(version.stages.order_by("order"))
        live = stages.live_version(version.lifecycle)
        beside = [("live", str(live))] if live and live != version else []
        self._choices("beside", [*beside, ("nothing", _("nothing: this version alone"))])
        self._choices("stage", [(each.slug, each.name) for each in there])
        self.fields["stage"].initial = there[min(2, len(there) - 1)].slug if there else None
        self._choices("outcome", [*outcomes.offered(version.lifecycle.of), *self._later(there)])
        tried = [(each.key, f"{each.rule}: {each.words}") for each in numbers.of_version(version)]
        self._choices("number", [("", _("no, only as it is drafted")), *tried])

    def asked(self) -> backtests.Asked:
        """What the verb takes."""
        told = dict(self.cleaned_data)
        outcome = told.pop("outcome")
        kind, _colon, slug = outcome.partition(":")
        judged = {"outcome_stage": slug} if kind == "stage" else {"outcome": outcomes.condition(outcome)}
        beside_live = told.pop("beside") == "live"
        return backtests.Asked(**told, **judged, beside_live=beside_live)

    def _choices(self, field: str, choices: list[tuple[str, Any]]) -> None:
        self.fields[field].choices = choices  # type: ignore[attr-defined]

    def _later(self, there: list[Stage]) -> list[tuple[str, Any]]:
        return [(f"stage:{each.slug}", _("comes to “%(stage)s”") % {"stage": each}) for each in there[1:]]


class Rejecting(forms.Form):
    """Why a hand-off is rejected: one of the lifecycle's reasons, and words of one's own."""

    reason = forms.ChoiceField(label=_("Reason"))
    words = forms.CharField(label=_("Anything else"), max_length=answering.LONGEST_WORDS, required=False)

    def __init__(self, data: Any = None, *, offered: Sequence[str], **given: Any) -> None:
        super().__init__(data, **given)
        self.fields["reason"].choices = [("", _("Choose …")), *((each, each) for each in offered)]  # type: ignore[attr-defined]


class PuttingOff(forms.Form):
    """Until when: on that day they come back by themselves."""

    until = Day(label=_("Not before"))
    words = forms.CharField(label=_("Anything else"), max_length=answering.LONGEST_WORDS, required=False)


class PassingOn(forms.Form):
    """To which colleague."""

    to: Any = forms.ModelChoiceField(None, label=_("Colleague"), empty_label=_("Choose …"))
    words = forms.CharField(label=_("Anything else"), max_length=answering.LONGEST_WORDS, required=False)

    def __init__(self, data: Any = None, *, but: int | None = None, **given: Any) -> None:
        super().__init__(data, **given)
        able = User.objects.filter(is_active=True, role__in=rights.RIGHTS["move"])
        self.fields["to"].queryset = able.exclude(pk=but or 0).order_by("name", "email")  # type: ignore[attr-defined]


class Routing(forms.Form):
    """One rule of routing: who gets a hand-off, and for whom it is meant."""

    kind = forms.ChoiceField(label=_("Goes to"))
    team = forms.ModelChoiceField(
        Team.objects.order_by("name"), label=_("Team"), required=False, empty_label=_("(none)"),
        help_text=_("Of a team those who are there take turns."),
    )  # fmt: skip
    user: Any = forms.ModelChoiceField(None, label=_("Colleague"), required=False, empty_label=_("(none)"))
    condition = ConditionField(label=_("For whom"), counts=False)

    def __init__(self, data: Any = None, *, of: str, present: int | None = None, **given: Any) -> None:
        super().__init__(data, **given)
        kinds = [each for each in RoutingRule.KINDS if not (of == "account" and each[0] == Handoff.Via.PERSON_OWNER)]
        self.fields["kind"].choices = kinds  # type: ignore[attr-defined]
        self.fields["user"].queryset = users.to_choose(present)  # type: ignore[attr-defined]
        self.fields["condition"].of = of  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """A team's rule names its team, a colleague's the colleague; the others name neither."""
        values = super().clean() or {}
        for kind, field in ((Handoff.Via.TEAM, "team"), (Handoff.Via.USER, "user")):
            if values.get("kind") != kind:
                values[field] = None
            elif not values.get(field) and field not in self.errors:
                self.add_error(field, _("Choose one."))
        return values

    @property
    def told(self) -> routing.Told:
        """The rule as the form has it."""
        values = self.cleaned_data
        return routing.Told(values["kind"], values["condition"], values["user"], values["team"])


class Reasons(forms.Form):
    """The reasons for rejecting that a lifecycle offers, one in a line."""

    reasons = forms.CharField(
        label=_("Reasons for rejecting"), max_length=5000, required=False, widget=forms.Textarea(attrs={"rows": 6}),
        help_text=_("One in a line. Left empty, the usual ones are offered."),
    )  # fmt: skip

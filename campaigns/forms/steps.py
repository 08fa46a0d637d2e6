"""A form for each kind of step."""

from __future__ import annotations

from datetime import time
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from audience.asked.builder import ConditionField
from campaigns import styles
from campaigns.forms.parts import StageField, not_optional
from campaigns.models import Content, Step
from kit.forms import Day, Time

Kind = Step.Kind
MOST_DAYS = 1825


class StepForm(forms.Form):
    """What all kinds of steps have in common. `values` are what `plans.add_step` and `plans.change_step` take."""

    kind: str

    def __init__(self, data: Any = None, *, step: Step | None = None) -> None:
        super().__init__(data, initial=self.initial_of(step) if step else None)
        self.fields["name"] = forms.CharField(
            label=_("Name"),
            max_length=200,
            required=False,
            initial=step.name if step else "",
            help_text=_("Shown instead of what it does; for reports and colleagues."),
        )

    def initial_of(self, step: Step) -> dict[str, Any]:
        """The form's values of a step that there is."""
        return dict(step.settings)

    @property
    def values(self) -> dict[str, Any]:
        return {"name": self.cleaned_data["name"], **self.own()}

    def own(self) -> dict[str, Any]:
        """The columns of this kind."""
        return {}


def _days(**given: Any) -> forms.IntegerField:
    return forms.IntegerField(min_value=0, max_value=MOST_DAYS, required=False, **given)


def _hours(**given: Any) -> forms.IntegerField:
    return forms.IntegerField(label=_("Hours"), min_value=0, max_value=9999, required=False, **given)


def _set(**given: Any) -> dict[str, Any]:
    """Settings without what was left empty."""
    return {name: value for name, value in given.items() if value not in (None, "", 0)}


class SendStep(StepForm):
    """Send an email."""

    kind = Kind.SEND
    content: Any = forms.ModelChoiceField(
        Content.objects.order_by("name"), label=_("What is sent"), required=False, empty_label=_("Choose …")
    )
    not_after_hours = forms.IntegerField(
        label=_("Not after hours"),
        min_value=1,
        max_value=9999,
        required=False,
        help_text=_("When it could not leave within so many hours, it is not sent any more. Empty: it is sent late."),
    )

    other_style = forms.CharField(
        label=_("Why it may be of another style than its stage"),
        max_length=styles.LONGEST,
        required=False,
        help_text=_("Needed only where content of education goes to a stage for engagement, or the other way round."),
    )

    def __init__(self, data: Any = None, *, step: Step | None = None) -> None:
        super().__init__(data, step=step)
        not_optional(self, "content")

    def initial_of(self, step: Step) -> dict[str, Any]:
        return {**step.settings, "content": step.content}

    def own(self) -> dict[str, Any]:
        told = self.cleaned_data
        settings = _set(not_after_hours=told["not_after_hours"], **{styles.REASON: told["other_style"]})
        return {"content": self.cleaned_data["content"], "settings": settings}


class WaitStep(StepForm):
    """Wait for a while, or until a day."""

    kind = Kind.WAIT
    how = forms.ChoiceField(
        label=_("Wait"),
        choices=[("for", _("for a while")), ("date", _("until a day"))],
        widget=forms.RadioSelect,
        initial="for",
    )
    days = _days(label=_("Days"))
    hours = _hours()
    date = Day(label=_("Day"), required=False)
    time = forms.TimeField(
        label=_("Then until this time of day"),
        required=False,
        widget=Time,
        help_text=_("In the installation's time zone."),
    )

    def initial_of(self, step: Step) -> dict[str, Any]:
        return {**step.settings, "how": "date" if step.settings.get("date") else "for"}

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("how") == "date":
            if not values.get("date") and "date" not in self.errors:
                self.add_error("date", _("Say until which day."))
        elif not any(values.get(name) for name in ("days", "hours", "time")) and not self.errors:
            self.add_error("days", _("Say how long: days, hours, or a time of day."))
        return values

    def own(self) -> dict[str, Any]:
        given = self.cleaned_data
        at: time | None = given["time"]
        written = f"{at:%H:%M}" if at is not None else None
        if given["how"] == "date":
            return {"settings": _set(date=given["date"].isoformat(), time=written)}
        return {"settings": _set(days=given["days"], hours=given["hours"], time=written)}


class Asking(StepForm):
    """A step that asks a condition."""

    condition = ConditionField(label=_("Condition"), required=True)

    def initial_of(self, step: Step) -> dict[str, Any]:
        return {**step.settings, "condition": step.condition}

    def own(self) -> dict[str, Any]:
        return {"condition": self.cleaned_data["condition"]}


class WaitUntilStep(Asking):
    """Wait until something holds, at most so long."""

    kind = Kind.WAIT_UNTIL
    days = _days(label=_("At most days"), initial=7)
    hours = _hours()

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not values.get("days") and not values.get("hours") and not self.errors:
            self.add_error("days", _("Say how long to wait at most; after that they take the other arm."))
        return values

    def own(self) -> dict[str, Any]:
        settings = _set(days=self.cleaned_data["days"], hours=self.cleaned_data["hours"])
        return {**super().own(), "settings": settings}


class BranchStep(Asking):
    """Part the path by a condition."""

    kind = Kind.BRANCH


class GoalStep(Asking):
    """Whoever has reached it is done."""

    kind = Kind.GOAL


class MoveStep(StepForm):
    """Move to a stage of a lifecycle."""

    kind = Kind.MOVE
    stage = StageField(label=_("Stage"), gates=False, help_text=_("Whoever is in it already stays. Gates hold nobody."))

    def initial_of(self, step: Step) -> dict[str, Any]:
        return {"stage": StageField.written(step.lifecycle, step.stage)}

    def own(self) -> dict[str, Any]:
        lifecycle, stage = self.cleaned_data["stage"]
        return {"lifecycle": lifecycle, "stage": stage}


class ExitStep(StepForm):
    """The way ends here."""

    kind = Kind.EXIT
    reason = forms.CharField(
        label=_("Why"), max_length=200, required=False, help_text=_("Noted with everybody who leaves here.")
    )

    def own(self) -> dict[str, Any]:
        return {"settings": _set(reason=self.cleaned_data["reason"])}


STEPS: dict[str, type[StepForm]] = {
    each.kind: each for each in (SendStep, WaitStep, WaitUntilStep, BranchStep, MoveStep, GoalStep, ExitStep)
}

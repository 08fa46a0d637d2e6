"""Forms of campaigns: a new one, its settings, each kind of step, the launch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, fields
from datetime import time
from typing import Any

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from audience.builder import ConditionField
from audience.models import Person, Segment, Topic
from audience.models.people import Folded
from campaigns import channels, content
from campaigns.models import Campaign, CampaignVersion, ChannelSetting, Content, ContentVersion, Sender, Step
from campaigns.rendering import ContentError
from kit.forms import Day, Time
from lifecycle import stages
from lifecycle.models import Lifecycle, Stage

Kind = Step.Kind
MOST_DAYS = 1825
LOCAL = ("localhost", "127.0.0.1", "::1")


class StageField(forms.ChoiceField):
    """A stage of a lifecycle; cleaned it is (lifecycle, slug), or (None, "") where it may be empty.

    `gates`: whether stages that hold nobody are on offer; `whole`: whether a lifecycle without a stage is.
    """

    def __init__(self, *, gates: bool = True, whole: bool = False, empty: Any = "", **given: Any) -> None:
        self.gates, self.whole, self.empty = gates, whole, empty
        super().__init__(choices=self._offered, **given)

    def _offered(self) -> Iterator[tuple[Any, Any]]:
        yield "", self.empty or _("Choose …")
        for lifecycle in Lifecycle.objects.order_by("name"):
            held = [each for each in stages.offered(lifecycle) if self.gates or each.kind != Stage.Kind.GATE]
            options: list[tuple[str, Any]] = [
                (f"{lifecycle.slug}/{each.slug}", f"{lifecycle.name} › {each.name}") for each in held
            ]
            if self.whole:
                options.insert(
                    0, (f"{lifecycle.slug}/", _("%(lifecycle)s, no one stage of it") % {"lifecycle": lifecycle.name})
                )
            if options:
                yield lifecycle.name, options

    def clean(self, value: Any) -> tuple[Lifecycle | None, str]:
        text = super().clean(value)
        if not text:
            return None, ""
        slug, _bar, stage = text.partition("/")
        return Lifecycle.objects.get(slug=slug), stage

    @staticmethod
    def written(lifecycle: Lifecycle | None, stage: str) -> str:
        """The choice that stands for a stage of a lifecycle."""
        return f"{lifecycle.slug}/{stage}" if lifecycle else ""


def _not_optional(form: forms.BaseForm, *names: str) -> None:
    """Fields that may be empty and are not called optional: another answer, or the launch, asks for them."""
    for name in names:
        form.fields[name].depends = True  # type: ignore[attr-defined]


class NewCampaign(forms.Form):
    """What a campaign is called, of which type it is, and which stage it serves."""

    name = forms.CharField(
        label=_("Name"), max_length=200, help_text=_("As colleagues will call it, such as “Welcome to Discover”.")
    )
    kind = forms.ChoiceField(label=_("Type"), choices=Campaign.Kind.choices, initial=Campaign.Kind.NURTURE)
    stage = StageField(
        label=_("Stage it serves"),
        required=False,
        whole=True,
        empty=_("None: it serves no lifecycle"),
        help_text=_("Whoever enters the stage enters the campaign, unless you choose otherwise in its settings."),
    )


class Settings(forms.Form):
    """Who enters and who leaves, in whose name it speaks, whom it is measured against.

    `fixed`: it was launched, so that stage and held-out share stay. `version` None: no draft is open, so that only what
    belongs to the whole campaign can be changed.
    """

    OF_VERSION = (
        "entry", "segment", "present", "audience", "reentry", "reentry_days", "has_goal", "goal", "has_exit", "exit",
        "leave_with_stage",
    )  # fmt: skip

    name = forms.CharField(label=_("Name"), max_length=200)
    kind = forms.ChoiceField(label=_("Type"), choices=Campaign.Kind.choices)
    stage = StageField(label=_("Stage it serves"), required=False, whole=True, empty=_("None: it serves no lifecycle"))
    entry = forms.ChoiceField(label=_("They enter"), choices=CampaignVersion.Entry.choices, widget=forms.RadioSelect)
    segment: Any = forms.ModelChoiceField(
        Segment.objects.filter(of="person").order_by("name"),
        label=_("Segment"),
        required=False,
        empty_label=_("Choose …"),
    )
    present = forms.BooleanField(
        label=_("Those already there enter at the launch"),
        required=False,
        help_text=_("Otherwise only who comes from then on. The launch says how many that is."),
    )
    audience = ConditionField(
        label=_("Only those of whom"),
        help_text=_("Of those whom the entry brings. Nothing here: all of them."),
    )
    reentry = forms.BooleanField(label=_("They may go through it again"), required=False)
    reentry_days = forms.IntegerField(
        label=_("At the earliest, days after their last pass began"),
        min_value=0,
        max_value=3650,
        required=False,
    )
    has_goal = forms.BooleanField(label=_("Whoever reaches the goal leaves, which counts as success"), required=False)
    goal = ConditionField(label=_("The goal is reached by those of whom"))
    has_exit = forms.BooleanField(
        label=_("Some others leave too, without success: who has an open case, for example"), required=False
    )
    exit = ConditionField(label=_("Those leave of whom"))
    leave_with_stage = forms.BooleanField(label=_("Whoever leaves the stage leaves the campaign"), required=False)
    topic: Any = forms.ModelChoiceField(
        Topic.objects.order_by("label"),
        label=_("Topic"),
        required=False,
        empty_label=_("Choose …"),
        help_text=_("Whoever has not agreed to it, or has left it, gets nothing."),
    )
    sender: Any = forms.ModelChoiceField(
        Sender.objects.filter(retired_at=None).order_by("name"),
        label=_("Sender"),
        required=False,
        empty_label=_("Choose …"),
    )
    holdout = forms.IntegerField(
        label=_("Held out"),
        min_value=0,
        max_value=50,
        widget=forms.NumberInput(attrs={"type": "range", "min": 0, "max": 50, "step": 1}),
        help_text=_("So many per cent of those who enter get nothing, so that the difference can be told."),
    )
    outcome_stage = forms.ChoiceField(
        label=_("Measured by who comes to"), required=False, help_text=_("Or to a later stage of the success path.")
    )
    outcome_days = forms.IntegerField(label=_("Within days of entering"), min_value=1, max_value=730)

    def __init__(self, data: Any = None, *, campaign: Campaign, version: CampaignVersion | None, fixed: bool) -> None:
        super().__init__(data, initial=_settings_of(campaign, version or _shown(campaign)))
        self.campaign, self.version = campaign, version
        there = stages.offered(campaign.lifecycle) if campaign.lifecycle else []
        self.fields["outcome_stage"].choices = [  # type: ignore[attr-defined]
            ("", _("Nothing: no lift is shown")),
            *((each.slug, each.name) for each in there),
        ]
        locked = [*(("stage", "holdout") if fixed else ()), *(() if version else self.OF_VERSION)]
        for name in locked:
            self.fields[name].disabled = True
        _not_optional(self, "stage", "segment", "topic", "sender", "reentry_days")
        if not version:
            for name in self.OF_VERSION:
                del self.fields[name]

    def clean(self) -> dict[str, Any]:
        """What an entry needs is there; the outcome's stage is one of the lifecycle's."""
        values = super().clean() or {}
        entry, (lifecycle, stage) = values.get("entry"), values.get("stage") or (None, "")
        if entry == CampaignVersion.Entry.STAGE and not stage:
            self.add_error("stage", _("Choose the stage whose entrance brings people in."))
        if entry in (CampaignVersion.Entry.SEGMENT, CampaignVersion.Entry.BROADCAST) and not values.get("segment"):
            self.add_error("segment", _("Choose the segment whose people enter."))
        for name in ("goal", "exit"):
            if values.get(f"has_{name}") and values.get(name) == {}:
                self.add_error(name, _("Add at least one condition: an empty one means everybody."))
        if values.get("reentry") and values.get("reentry_days") is None:
            values["reentry_days"] = 0
        if lifecycle != self.campaign.lifecycle and values.get("outcome_stage"):
            there = {each.slug for each in stages.offered(lifecycle)} if lifecycle else set()
            if values["outcome_stage"] not in there:
                values["outcome_stage"] = ""
        return values

    @property
    def of_campaign(self) -> dict[str, Any]:
        """What changes about the campaign itself, whatever its version."""
        names = ("name", "kind", "topic", "sender", "holdout", "outcome_stage", "outcome_days")
        lifecycle, stage = self.cleaned_data["stage"]
        return {name: self.cleaned_data[name] for name in names} | {"lifecycle": lifecycle, "stage": stage}

    @property
    def of_version(self) -> dict[str, Any]:
        """What changes about the draft. Empty conditions are none; a segment is kept only by an entry that asks it."""
        given = self.cleaned_data
        asks = given["entry"] in (CampaignVersion.Entry.SEGMENT, CampaignVersion.Entry.BROADCAST)
        return {
            "entry": given["entry"],
            "segment": given["segment"] if asks else None,
            "present": given["present"] and given["entry"] != CampaignVersion.Entry.HAND,
            "reentry_days": given["reentry_days"] if given["reentry"] else None,
            "leave_with_stage": given["leave_with_stage"],
            "audience": given["audience"] or None,
            "goal": given["goal"] if given["has_goal"] else None,
            "exit": given["exit"] if given["has_exit"] else None,
        }


def _shown(campaign: Campaign) -> CampaignVersion:
    return campaign.versions.order_by("-number")[0]


def _settings_of(campaign: Campaign, version: CampaignVersion) -> dict[str, Any]:
    own = ("name", "kind", "topic", "sender", "holdout", "outcome_stage", "outcome_days")
    of_version = ("entry", "segment", "present", "audience", "reentry_days", "goal", "exit", "leave_with_stage")
    return {
        **{name: getattr(campaign, name) for name in own},
        **{name: getattr(version, name) for name in of_version},
        "stage": StageField.written(campaign.lifecycle, campaign.stage),
        "reentry": version.reentry_days is not None,
        "has_goal": version.goal is not None,
        "has_exit": version.exit is not None,
    }


class Launch(forms.Form):
    """The exact number of those who enter at once, as it was shown or typed."""

    confirmed = forms.IntegerField(
        min_value=0,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={
            "required": _("Type the number of those who enter at once."),
            "invalid": _("Type it as a whole number, without dots or commas."),
        },
    )

    def __init__(self, data: Any = None) -> None:
        if data is not None:  # thousands may be told apart as the page tells them
            data = data.copy()
            data["confirmed"] = re.sub(r"[\s.,'’\u202f\u00a0]", "", data.get("confirmed", ""))
        super().__init__(data)


class Enroll(forms.Form):
    """People by their addresses or numbers. `found` are those there are; one that is not there is said."""

    MOST = 500

    who = forms.CharField(
        label=_("Who"),
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
        help_text=_("Email addresses or numbers (#123), one in a line. For many, choose them in the list of people."),
    )

    def clean_who(self) -> str:
        said = self.cleaned_data["who"]
        asked = list(dict.fromkeys(each.strip().lower() for each in re.split(r"[\n,;]+", said) if each.strip()))
        if len(asked) > self.MOST:
            raise forms.ValidationError(_("At most %(most)s at once here."), params={"most": self.MOST})
        numbers = {int(each.lstrip("#")): each for each in asked if re.fullmatch(r"#?\d{1,18}", each, re.ASCII)}
        there = Person.objects.filter(erased_at=None).annotate(address=Folded("email"))
        self.found = list(there.filter(Q(address__in=asked) | Q(pk__in=numbers)).order_by("pk"))
        known = {each.address for each in self.found} | {numbers[each.pk] for each in self.found if each.pk in numbers}
        if strangers := [each for each in asked if each not in known]:
            told = ", ".join(strangers[:10]) + (" …" if len(strangers) > 10 else "")
            raise forms.ValidationError(_("Nobody here is known as: %(strangers)s"), params={"strangers": told})
        return said


# ---- steps ----


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

    def __init__(self, data: Any = None, *, step: Step | None = None) -> None:
        super().__init__(data, step=step)
        _not_optional(self, "content")

    def initial_of(self, step: Step) -> dict[str, Any]:
        return {**step.settings, "content": step.content}

    def own(self) -> dict[str, Any]:
        settings = _set(not_after_hours=self.cleaned_data["not_after_hours"])
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


# ---- content and senders ----


class Written(forms.Form):
    """A content as it is written: its name and tags, and the words of an edition."""

    name = forms.CharField(label=_("Name"), max_length=200, help_text=_("As colleagues will call it."))
    style = forms.ChoiceField(
        label=_("Style"),
        required=False,
        choices=[("", _("Choose …")), *Content.Style.choices],
        help_text=_("Education helps to understand, engagement asks for a step. Each is measured by its own."),
    )
    stage = StageField(label=_("Stage it serves"), required=False, empty=_("None yet"))
    subject = forms.CharField(label=_("Subject"), max_length=500)
    preheader = forms.CharField(
        label=_("Preview text"), max_length=500, required=False, help_text=_("What inboxes show behind the subject.")
    )
    format = forms.ChoiceField(label=_("Written in"), choices=ContentVersion.Format.choices)
    source = forms.CharField(
        label=_("Body"), strip=False,
        widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "false", "wrap": "off", "class": "code"}),
    )  # fmt: skip
    text_source = forms.CharField(
        label=_("Plain text"), required=False, strip=False, help_text=_("Left empty it is made from the body."),
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "true", "class": "code"}),
    )  # fmt: skip
    missing = forms.ChoiceField(
        label=_("When a value is missing"), choices=ContentVersion.Missing.choices,
        help_text=_("And no default is given: Hello {{ person.first_name | default: \"there\" }}"),
    )  # fmt: skip

    @classmethod
    def begun(cls, draft: content.Draft, of: Content | None = None, **more: Any) -> Written:
        """The form with what there is already."""
        tags = {"name": of.name, "style": of.style, "stage": StageField.written(of.lifecycle, of.stage)} if of else {}
        return cls(initial={**asdict(draft), **tags, **more})

    def draft(self) -> content.Draft:
        """What was typed, as an edition; also when the rest of the form is not right yet."""
        told = {each.name: self.data.get(each.name, "") for each in fields(content.Draft)}
        told = {name: value.replace("\r\n", "\n").replace("\x00", "") for name, value in told.items()}
        told["format"] = told["format"] if told["format"] in ContentVersion.Format.values else "html"
        told["missing"] = told["missing"] if told["missing"] in ContentVersion.Missing.values else "default"
        return content.Draft(**{**told, "subject": told["subject"].strip(), "preheader": told["preheader"].strip()})

    def tags(self) -> dict[str, Any]:
        """Name, style, lifecycle and stage."""
        lifecycle, stage = self.cleaned_data["stage"]
        return {
            "name": self.cleaned_data["name"],
            "style": self.cleaned_data["style"],
            "lifecycle": lifecycle,
            "stage": stage,
        }

    def refuse(self, error: ContentError) -> None:
        """Show what is wrong with the words at the field that it is wrong with."""
        self.add_error({"text": "text_source"}.get(error.field, error.field), str(error))


class SenderForm(forms.Form):
    """In whose name messages are sent."""

    name = forms.CharField(
        label=_("Name"), max_length=200, help_text=_("As inboxes show it, such as “Ada of Marlow Creek”.")
    )
    address = forms.EmailField(
        label=_("Address"), max_length=254, help_text=_("Its domain must let your provider send for it.")
    )
    reply_to = forms.EmailField(
        label=_("Answers go to"), max_length=254, required=False, help_text=_("Left empty: to the address itself.")
    )
    is_default = forms.BooleanField(label=_("Used unless another is chosen"), required=False)


# ---- how mail leaves ----

CONNECTIONS = 4  # to a mail server, of each worker, unless somebody says otherwise


class ChannelSettings(forms.Form):
    """How email leaves. A password is written, never shown; it stays with the server that it was written for."""

    SECURITY = [
        ("starttls", _("Encrypted after the greeting (STARTTLS), mostly port 587")),
        ("tls", _("Encrypted from the start (TLS), mostly port 465")),
        ("none", _("Not encrypted, only within your own network")),
    ]
    OF_SERVER = ("host", "port", "security", "user")

    provider = forms.ChoiceField(label=_("Carried by"), widget=forms.RadioSelect)
    host = forms.CharField(
        label=_("Server"), max_length=253, required=False, help_text=_("Its name, such as smtp.example.com.")
    )
    port = forms.IntegerField(label=_("Port"), min_value=1, max_value=65535, required=False, initial=587)
    security = forms.ChoiceField(label=_("Connection"), choices=SECURITY, required=False, initial="starttls")
    user = forms.CharField(
        label=_("User name"), max_length=200, required=False, help_text=_("Nothing: the server takes mail without it.")
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=500,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Kept encrypted and never shown again."),
    )
    connections = forms.IntegerField(
        label=_("Connections at once"),
        min_value=1,
        max_value=20,
        required=False,
        help_text=_("Of each of the workers that send. A server far away takes more mail over several."),
    )
    batch = forms.IntegerField(
        label=_("Messages in the air"),
        min_value=1,
        max_value=500,
        help_text=_("On one connection. So many at most are “perhaps sent” after a crash; fewer is safer and slower."),
    )

    def __init__(self, data: Any = None, *, setting: ChannelSetting) -> None:
        told = {
            "provider": setting.provider, "batch": setting.batch, "port": 587, "security": "starttls",
            "connections": CONNECTIONS,
        }  # fmt: skip
        super().__init__(data, initial=told | setting.settings)
        self.setting = setting
        provider: Any = self.fields["provider"]
        provider.choices = [(kind.name, kind.label) for kind in channels.kinds().values()]
        if setting.secret:
            self.fields["password"].help_text = _("One is kept. Leave this empty to keep it; it is never shown.")

    def clean_host(self) -> str:
        host = self.cleaned_data["host"].strip().lower()
        if host and (not re.fullmatch(r"[a-z0-9:]([a-z0-9.:-]*[a-z0-9])?", host) or re.search(r"\.\.|[^.]{64}", host)):
            raise forms.ValidationError(_("This is no name of a server. Write it as smtp.example.com, without a port."))
        return host

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("provider") != "smtp" or self.errors:
            return cleaned
        if not cleaned.get("host"):
            self.add_error("host", _("Name the server."))
        if not cleaned.get("port"):
            self.add_error("port", _("Name the port, mostly 587."))
        kept = bool(self.setting.secret)
        if cleaned.get("user") and not cleaned.get("password"):
            if not kept:
                self.add_error("password", _("Write the password that belongs to this name."))
            elif self._goes_elsewhere(cleaned):
                self.add_error("password", _("Write the password again: the one that is kept is another server's."))
        if cleaned.get("user") and cleaned.get("security") == "none" and cleaned.get("host") not in LOCAL:
            self.add_error("security", _("A password is only sent over an encrypted connection. Choose one."))
        return cleaned

    def _goes_elsewhere(self, cleaned: dict[str, Any]) -> bool:
        """Whether the password that is kept would be told to somebody else, or less safely."""
        kept = self.setting.settings
        return any(cleaned.get(name) != kept.get(name) for name in self.OF_SERVER)

    def settings(self) -> dict[str, Any]:
        """What is to be kept of the server."""
        if self.cleaned_data["provider"] != "smtp":
            return self.setting.settings
        connections = self.cleaned_data["connections"] or CONNECTIONS
        return {name: self.cleaned_data[name] for name in self.OF_SERVER} | {"connections": connections}

    def new_password(self) -> str | None:
        """The password to keep from now on; None: the one that is kept."""
        if self.cleaned_data["provider"] == "smtp" and not self.cleaned_data["user"]:
            return ""
        return self.cleaned_data["password"] or None


class FrequencyCap(forms.Form):
    """How much one person gets of all campaigns together."""

    messages = forms.IntegerField(
        label=_("At most so many messages"),
        min_value=1,
        max_value=1000,
        required=False,
        help_text=_("Nothing: no limit."),
    )
    days = forms.IntegerField(label=_("Within days"), min_value=1, max_value=365, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("messages") and not cleaned.get("days"):
            self.add_error("days", _("Say within how many days."))
        return cleaned

    def cap(self) -> dict[str, int]:
        """The setting: empty when there is no limit."""
        told = self.cleaned_data
        return {"messages": told["messages"], "days": told["days"]} if told["messages"] else {}

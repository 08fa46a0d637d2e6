"""Forms of the kit: sign-in, and what is set for the whole installation."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm
from django.utils.dates import WEEKDAYS as WEEKDAYS_BY_NUMBER
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from kit import calendars, money, publicholidays, signing_in, throttle, users, writing
from kit.models import Team as Teams
from kit.models import User, WorkingCalendar

WEEKDAYS = [WEEKDAYS_BY_NUMBER[number] for number in range(7)]  # Monday first
ZONES = [(name, name) for name in sorted(available_timezones()) if "/" in name or name == "UTC"]
PASSWORD_RULES = _(
    "At least 10 letters, none of the usual passwords, and not like your name or email. A sentence does."
)


class Time(forms.TimeInput):
    """A time of day in hours and minutes, as the browser's own field takes it."""

    input_type = "time"

    def __init__(self) -> None:
        super().__init__(format="%H:%M")


class SignIn(AuthenticationForm):
    """Email and password. The answer never says which of the two was wrong, nor whether anybody is called so."""

    error_messages = {
        "invalid_login": _("This email and password do not belong together. Mind capitals in the password."),
        "too_often": _("Too many attempts. Wait %(wait)s and try again, or have a link sent to choose a new password."),
    }
    wait: timedelta | None = None  # why it was not even tried

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        self.fields["username"].label = _("Email")
        self.fields["username"].widget.input_type = "email"
        self.fields["username"].widget.attrs |= {"inputmode": "email", "spellcheck": "false"}

    def clean(self) -> dict[str, Any]:
        """Try it, unless it was tried too often; as Django's own form does, which asks without counting."""
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if self.request and email and password:
            try:
                self.user_cache = signing_in.attempt(self.request, email, password, now=self.now)
            except throttle.TooOften as often:
                self.wait = often.wait
                params = {"wait": writing.span(often.wait)}
                raise forms.ValidationError(self.error_messages["too_often"], "too_often", params) from None
            if self.user_cache is None:
                raise self.get_invalid_login_error()
        return self.cleaned_data


class Email(forms.Form):
    """The email of somebody who has forgotten the password."""

    email = forms.CharField(
        label=_("Email"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "spellcheck": "false"}),
    )


class ChoosePassword(SetPasswordForm):
    """A password for whoever has followed a link, twice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password1"].label = _("Password")
        self.fields["new_password2"].label = _("The same again")
        self.fields["new_password1"].help_text = PASSWORD_RULES
        self.fields["new_password2"].help_text = ""


class ChangePassword(PasswordChangeForm):
    """One's own: the present one proves that it is oneself who sits there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["old_password"].label = _("Present password")
        self.fields["old_password"].widget.attrs.pop("autofocus", None)  # the page begins with something else
        self.fields["new_password1"].label = _("New password")
        self.fields["new_password2"].label = _("The same again")
        self.fields["new_password1"].help_text = PASSWORD_RULES
        self.fields["new_password2"].help_text = ""


class Team(forms.Form):
    """What a team is called."""

    name = forms.CharField(label=_("Name"), max_length=200)


class NamedUser(forms.Form):
    """What is said of a user from the first day on."""

    name = forms.CharField(label=_("Name"), max_length=200, required=False)
    role = forms.ChoiceField(label=_("Role"), choices=User.Role.choices, initial=User.Role.VIEWER)
    team = forms.ModelChoiceField(
        Teams.objects.order_by("name"), label=_("Team"), required=False, empty_label=_("(none)")
    )


class Invitation(NamedUser):
    """Somebody new."""

    email = forms.CharField(
        label=_("Email"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=_("By it they sign in. It cannot be changed later."),
    )


class GivenUser(NamedUser):
    """What an administrator gives to a user."""

    EXPORT = (("", _("As the role has it")), ("yes", _("May take lists away")), ("no", _("May not")))
    SHOWN = {True: "yes", False: "no", None: ""}

    may_export = forms.ChoiceField(label=_("Lists and reports as files"), choices=EXPORT, required=False)
    capacity = forms.IntegerField(
        label=_("Hand-offs at once"),
        required=False,
        min_value=0,
        max_value=10_000,
        help_text=_("So many may wait for them when their team takes turns. Empty: as many as come."),
    )

    def __init__(self, data: Any = None, *, initial: dict[str, Any]) -> None:
        super().__init__(data, initial=initial | {"may_export": self.SHOWN[initial["may_export"]]})

    def clean_may_export(self) -> bool | None:
        return {"yes": True, "no": False}.get(self.cleaned_data["may_export"])


class Profile(forms.Form):
    """What everybody says of themselves."""

    name = forms.CharField(label=_("Name"), max_length=200, required=False)
    language = forms.ChoiceField(
        label=_("Language"), required=False, choices=[("", _("As the browser asks")), *settings.LANGUAGES]
    )
    zone = forms.ChoiceField(
        label=_("Time zone"),
        required=False,
        choices=[("", _("As the installation")), *ZONES],
        help_text=_("Times are shown to you in it. Days in reports begin in the installation’s."),
    )


class Installation(forms.Form):
    """What is set once for everybody. Each field is named as the setting it writes."""

    company = forms.CharField(label=_("Company"), max_length=200, required=False)
    postal_address = forms.CharField(
        label=_("Postal address"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Stands in every marketing mail, as the law wants."),
    )
    address = forms.CharField(
        label=_("Address of this installation"),
        max_length=200,
        required=False,
        help_text=_("Where recipients reach it: links in messages begin so. Such as https://mail.example.com"),
    )
    zone = forms.ChoiceField(
        label=_("Time zone"),
        help_text=_("Days begin at midnight there. Times in imported files that name no zone are read in it."),
        choices=ZONES,
    )
    currency = forms.CharField(
        label=_("Currency"), max_length=3, help_text=_("Three letters, such as EUR, for amounts that name no other.")
    )

    working_days = forms.TypedMultipleChoiceField(
        label=_("Working days"),
        choices=[(number, name) for number, name in enumerate(WEEKDAYS, 1)],
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Between the two times below, in the time zone above; 00:00 ends the day at midnight."),
    )
    working_from = forms.TimeField(label=_("Work begins"), widget=Time)
    working_until = forms.TimeField(label=_("Work ends"), widget=Time)
    holidays = forms.CharField(
        label=_("Holidays"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("Days on which nobody works, one in a line: 2025-12-25. Limits of stages are in working hours."),
    )

    def __init__(self, data: Any = None, *, initial: dict[str, Any] | None = None) -> None:
        shown = dict(initial or {})
        if "holidays" in shown:
            shown["holidays"] = "\n".join(shown["holidays"])
        if shown.get("working_until") == "24:00":
            shown["working_until"] = "00:00"
        super().__init__(data, initial=shown)

    def clean_address(self) -> str:
        """Scheme and host, perhaps a port: no path, which our links bring themselves."""
        told = self.cleaned_data["address"].strip().rstrip("/")
        found = re.fullmatch(r"(https?)://([A-Za-z0-9.-]+)(:\d{1,5})?", told, re.ASCII)
        if told and not found:
            raise forms.ValidationError(_("Write it as https://mail.example.com, without a path."))
        if found and settings.HTTPS and found[1] == "http" and found[2] not in ("localhost", "127.0.0.1"):
            raise forms.ValidationError(_("Begin it with https: links to passwords and preferences go there."))
        return told

    def clean_working_from(self) -> str:
        return f"{self.cleaned_data['working_from']:%H:%M}"

    def clean_working_until(self) -> str:
        """Midnight is the end of the day, not its beginning."""
        return (
            "24:00" if self.cleaned_data["working_until"] == time.min else f"{self.cleaned_data['working_until']:%H:%M}"
        )

    def clean_holidays(self) -> list[str]:
        """Kept once each, in order."""
        days = set()
        for text in self.cleaned_data["holidays"].replace(",", "\n").split():
            try:
                days.add(date.fromisoformat(text).isoformat())
            except ValueError:
                raise forms.ValidationError(
                    _("“%(text)s” is no day; write it as 2025-12-25."), params={"text": text[:40]}
                ) from None
        if len(days) > calendars.MOST_HOLIDAYS:
            most = {"most": calendars.MOST_HOLIDAYS}
            raise forms.ValidationError(_("At most %(most)s holidays are kept."), params=most)
        return sorted(days)

    def clean(self) -> dict[str, Any]:
        """Work ends after it begins, on the same day."""
        cleaned = super().clean() or {}
        begins, ends = cleaned.get("working_from"), cleaned.get("working_until")
        if begins and ends and begins >= ends:
            self.add_error("working_until", _("Work ends before it begins. Give a time later on the same day."))
        return cleaned

    def clean_currency(self) -> str:
        """Codes are kept in capitals."""
        code = self.cleaned_data["currency"].strip().upper()
        if code not in money.CODES:
            raise forms.ValidationError(_("No currency is called so. Give its three letters, such as EUR."))
        return code

    def needs_sure(self) -> str:
        """What of the change reaches back into history, so that it is asked about first; "" when nothing does."""
        far = ("zone", "currency")
        return " ".join(self.cleaned_data[name] for name in far if self.cleaned_data[name] != self.initial[name])


class PublicHolidays(forms.Form):
    """Public holidays that are proposed for a calendar: where, and of which years."""

    use_required_attribute = False  # a browser would ask for them of whoever keeps the calendar around them

    place = forms.ChoiceField(label=_("Country or region"))
    first_year = forms.IntegerField(label=_("From year"), min_value=1950, max_value=2100)
    last_year = forms.IntegerField(label=_("Through year"), min_value=1950, max_value=2100)

    def __init__(self, data: Any = None, *, this_year: int) -> None:
        super().__init__(data, initial={"first_year": this_year, "last_year": this_year + 1})
        places = publicholidays.places(get_language() or "en")
        self.fields["place"].choices = [("", _("Choose …")), *places.items()]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """What is known of them, as `days`."""
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        try:
            return cleaned | {"days": publicholidays.between(*(cleaned[name] for name in self.fields))}
        except publicholidays.Refused as refused:
            self.add_error(refused.field, str(refused))
            return cleaned

    def beside(self, typed: str, *, named: bool) -> str:
        """The lines of holidays that were typed and those of `days` that are not among them, in order."""
        lines = [line.strip() for line in typed.splitlines() if line.strip()]
        there = {line[:10] for line in lines}
        new = [each for each in self.cleaned_data["days"] if each["on"] not in there]
        return "\n".join(sorted([*lines, *(f"{each['on']} {each['name']}" if named else each["on"] for each in new)]))


class Calendar(forms.Form):
    """A named working calendar: each weekday with when work begins and ends, both empty on one that is free."""

    name = forms.CharField(label=_("Name"), max_length=calendars.LONGEST_NAME)
    slug = forms.CharField(
        label=_("Short name"),
        max_length=63,
        required=False,
        help_text=_("By it files and programs name the calendar. Left empty, it is made of the name."),
    )
    zone = forms.ChoiceField(label=_("Time zone"), choices=ZONES, help_text=_("The hours below are local times there."))
    holidays = forms.CharField(
        label=_("Holidays"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text=_("One in a line, with its name if you like: 2025-12-25 Christmas Day."),
    )

    def __init__(self, data: Any = None, *, of: WorkingCalendar | None, initial: dict[str, Any], in_use: bool) -> None:
        super().__init__(data, initial=initial if of is None else self._shown(of))
        for number, name in enumerate(WEEKDAYS, 1):
            named = {"day": name}
            self.fields[f"opens_{number}"] = self._time(_("%(day)s, work begins") % named)
            self.fields[f"closes_{number}"] = self._time(_("%(day)s, work ends") % named)
        if of is not None:
            self.fields["zone"].choices = list(dict.fromkeys([*ZONES, (of.zone, of.zone)]))  # type: ignore[attr-defined]
        if in_use:
            self.fields["slug"].disabled = True
            self.fields["slug"].help_text = _("It stays, because stages count by it.")

    @property
    def days(self) -> list[tuple[Any, forms.BoundField, forms.BoundField]]:
        """What the page draws: each weekday with its two fields."""
        return [(name, self[f"opens_{n}"], self[f"closes_{n}"]) for n, name in enumerate(WEEKDAYS, 1)]

    @property
    def told(self) -> dict[str, Any]:
        """What was typed, as `calendars.define` takes it."""
        typed = self.cleaned_data
        return {name: typed[name] for name in ("name", "slug", "zone", "hours", "holidays")}

    def clean_holidays(self) -> list[dict[str, str]]:
        """A day in each line, and behind it what it is called."""
        lines = [line.strip().partition(" ") for line in self.cleaned_data["holidays"].splitlines()]
        return [{"on": day.rstrip(","), "name": name.strip()} for day, _space, name in lines if day]

    def clean(self) -> dict[str, Any]:
        """Midnight is the end of a day, not its beginning."""
        cleaned = super().clean() or {}
        hours = []
        for number in range(1, 8):
            begins, ends = cleaned.get(f"opens_{number}"), cleaned.get(f"closes_{number}")
            if begins is None and ends is None:
                continue
            if begins is None or ends is None:
                missing = f"opens_{number}" if begins is None else f"closes_{number}"
                if missing not in self.errors:
                    self.add_error(missing, _("Give both times, or none for a free day."))
                continue
            closes = "24:00" if ends == time.min else f"{ends:%H:%M}"
            if f"{begins:%H:%M}" >= closes:
                words = _("Work ends before it begins. Give a time later on the same day.")
                self.add_error(f"closes_{number}", words)
            hours.append({"weekday": number, "opens": f"{begins:%H:%M}", "closes": closes})
        return cleaned | {"hours": hours}

    def refuse(self, refused: calendars.Refused) -> None:
        """Say at its field why the calendar makes no sense."""
        self.add_error(refused.field if refused.field in self.fields else None, str(refused))

    @staticmethod
    def _time(label: Any) -> forms.TimeField:
        return forms.TimeField(label=label, widget=Time, required=False)

    @staticmethod
    def _shown(of: WorkingCalendar) -> dict[str, Any]:
        shown: dict[str, Any] = {"name": of.name, "slug": of.slug, "zone": of.zone}
        shown["holidays"] = "\n".join(f"{each['on']} {each['name']}".strip() for each in of.holidays)
        for each in of.hours:
            shown[f"opens_{each['weekday']}"] = each["opens"]
            shown[f"closes_{each['weekday']}"] = "00:00" if each["closes"] == "24:00" else each["closes"]
        return shown


class DayInput(forms.DateInput):
    """A day, as the browser's own field takes it."""

    input_type = "date"

    def __init__(self, **given: Any) -> None:
        super().__init__(format="%Y-%m-%d", **given)


class Ordinary:
    """A date of an ordinary year: those at the ends of the calendar cannot be read back in every zone."""

    def validate(self, value: Any) -> None:
        super().validate(value)  # type: ignore[misc]
        if value is not None and not writing.FIRST_YEAR <= value.year <= writing.LAST_YEAR:
            years = {"first": writing.FIRST_YEAR, "last": writing.LAST_YEAR}
            raise forms.ValidationError(_("Choose a year between %(first)s and %(last)s.") % years)


class Day(Ordinary, forms.DateField):
    """A day."""

    widget = DayInput


class Away(forms.Form):
    """When one is out of office, and who stands in."""

    first = Day(label=_("First day away"), required=False)
    last = Day(label=_("Last day away"), required=False, help_text=_("Left empty, you are here."))
    deputy: Any = forms.ModelChoiceField(
        None,
        label=_("Deputy"),
        required=False,
        empty_label=_("(nobody)"),
        help_text=_("Gets the hand-offs that are yours by name. In a team’s turns you are passed over."),
    )

    def __init__(self, data: Any = None, *, of: User) -> None:
        shown = {"first": of.out_from, "last": of.out_until, "deputy": of.deputy_id}
        super().__init__(data, initial=shown, auto_id="away-%s")
        self.fields["deputy"].queryset = users.to_choose(of.deputy_id).exclude(pk=of.pk)  # type: ignore[attr-defined]


class Instant(Ordinary, forms.DateTimeField):
    """A day and a time of it, in the reader's zone."""


class Note(forms.Form):
    """A remark about a subject."""

    body = forms.CharField(
        label=_("Note"), max_length=10_000, widget=forms.Textarea(attrs={"rows": 3, "placeholder": _("Write a note …")})
    )


class Task(forms.Form):
    """Something that a human is asked to do."""

    title = forms.CharField(label=_("What is to be done"), max_length=300)
    due_on = Day(label=_("Due"), required=False)
    assigned_to: Any = forms.ModelChoiceField(None, label=_("For"), required=False, empty_label=_("(nobody)"))
    body = forms.CharField(
        label=_("Details"), max_length=10_000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, present: int | None = None, **given: Any) -> None:
        """`present`: the user whom it is for now, on offer even when that user may not sign in any more."""
        super().__init__(*args, **given)
        self.fields["assigned_to"].queryset = users.to_choose(present)  # type: ignore[attr-defined]

"""Forms that people fill in on the web, the editions in which they were asked, and what was sent."""

import secrets
import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audience.models.activities import ToldActivity


def new_public_id() -> str:
    """An address that nobody guesses."""
    return secrets.token_urlsafe(9)


class Form(models.Model):
    """One row is one form: what it will ask next (`draft`), and the edition that is asked now, if any."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        PUBLISHED = "published", _("published")
        CLOSED = "closed", _("closed")

    slug = models.SlugField(max_length=64, unique=True)
    public_id = models.CharField(max_length=16, unique=True, default=new_public_id)
    name = models.CharField(_("name"), max_length=200)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.DRAFT)
    draft = models.JSONField(default=dict)
    edition: Any = models.ForeignKey("audience.FormEdition", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(_("made"))
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("form", args=[self.slug])


class FormEdition(models.Model):
    """One row is what a form asked from a moment on, word for word: the proof of what people agreed to. Append-only."""

    form = models.ForeignKey(Form, on_delete=models.PROTECT, related_name="editions")
    number = models.IntegerField()
    asked = models.JSONField()
    published_at = models.DateTimeField(_("published"))
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name_plural = "editions of forms"
        constraints = [models.UniqueConstraint(fields=["form", "number"], name="form_edition_once")]

    def __str__(self) -> str:
        return f"{self.form} {self.number}"


class FormFile(models.Model):
    """One row is one file that a form hands out. It lies under a generated name, and is kept for its editions."""

    form = models.ForeignKey(Form, on_delete=models.PROTECT, related_name="files")
    name = models.CharField(_("file"), max_length=200)
    stored = models.CharField(max_length=64, unique=True)
    size = models.BigIntegerField(_("size"))
    created_at = models.DateTimeField(_("when"))

    class Meta:
        verbose_name_plural = "files of forms"

    def __str__(self) -> str:
        return self.name


class FormDay(models.Model):
    """One row is one local day of one form: how often its page was looked at, and how much was turned away unread."""

    form = models.ForeignKey(Form, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    views = models.IntegerField(default=0, db_default=0)
    turned_away = models.IntegerField(default=0, db_default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["form", "day"], name="form_day_once")]

    def __str__(self) -> str:
        return f"{self.form_id} {self.day}"


class Submission(models.Model):
    """One row is one form as one person sent it. `waits_for` are the boxes that count once the mail is confirmed."""

    form = models.ForeignKey(Form, on_delete=models.PROTECT, related_name="submissions")
    edition = models.ForeignKey(FormEdition, on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey("audience.Person", on_delete=models.PROTECT, related_name="+")
    key = models.UUIDField(unique=True, default=uuid.uuid4)  # stands in signed links
    browser = models.UUIDField(null=True)
    embedded = models.BooleanField(_("from another page"), default=False)
    answers = models.JSONField(_("answers"), default=dict)
    origin = models.JSONField(_("came from"), default=dict)
    waits_for = models.JSONField(default=list)
    asks_confirmation = models.BooleanField(default=False)
    occurred_at = models.DateTimeField(_("sent"))
    confirmed_at = models.DateTimeField(_("confirmed"), null=True)

    class Meta:
        verbose_name_plural = "submissions"
        indexes = [
            models.Index(fields=["form", "-occurred_at"], name="submissions_of_form"),  # the form's own list
            models.Index(fields=["person", "browser"], name="submissions_of_person"),  # what need not be asked again
        ]

    def __str__(self) -> str:
        return f"{self.form_id} {self.occurred_at}"


class RefusedSubmission(models.Model):
    """One row is one submission that made nobody and nothing, and why; kept for a month."""

    class Reason(models.TextChoices):
        TRAP = "trap", _("filled in what only a machine sees")
        TOO_FAST = "too_fast", _("sent faster than anybody types")
        ELSEWHERE = "elsewhere", _("sent from a page that is not listed")
        BAD_VALUE = "bad_value", _("a value that cannot be kept")

    form = models.ForeignKey(Form, on_delete=models.CASCADE, related_name="refused")
    reason = models.CharField(_("why"), max_length=10, choices=Reason.choices)
    answers = models.JSONField(_("answers"), default=dict)
    occurred_at = models.DateTimeField(_("sent"))

    class Meta:
        verbose_name_plural = "refused submissions"
        indexes = [models.Index(fields=["form", "-occurred_at"], name="refused_of_form")]

    def __str__(self) -> str:
        return f"{self.form_id} {self.reason}"


class Visitor(models.Model):
    """One row is one browser for as long as one person uses it; `person` is empty until somebody says who they are.

    What another system knows by a cookie or a device of its own is a browser, too: `browser` is made of both names.

    `proven`: the person confirmed a letter of ours in this browser, so it is not merely somebody who typed the address.
    """

    browser = models.UUIDField()
    person = models.ForeignKey("audience.Person", null=True, on_delete=models.PROTECT, related_name="+")
    proven = models.BooleanField(default=False)
    began_at = models.DateTimeField(_("first seen"))
    known_at = models.DateTimeField(_("known since"), null=True)
    ended_at = models.DateTimeField(_("somebody else since"), null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["browser"], condition=Q(ended_at=None), name="visitor_once_at_a_time")
        ]
        indexes = [
            models.Index(fields=["browser", "-began_at"], name="visitors_of_browser"),  # who it was at an instant
            models.Index(fields=["person"], condition=Q(person__isnull=False), name="visitors_of_person"),
            models.Index(fields=["began_at"], condition=Q(person=None), name="visitors_unknown"),  # forgetting
        ]

    def __str__(self) -> str:
        return str(self.browser)


class PageView(models.Model):
    """One row is one page that a visitor looked at of whom nobody knows yet who it is; then it becomes an activity."""

    visitor = models.ForeignKey(Visitor, on_delete=models.CASCADE, related_name="views")
    key = models.UUIDField(unique=True)
    page = models.CharField(_("page"), max_length=500)
    title = models.CharField(_("title"), max_length=200, blank=True)
    referrer = models.CharField(_("came from"), max_length=253, blank=True)
    tags = models.JSONField(default=dict)
    actor = models.CharField(max_length=10)
    occurred_at = models.DateTimeField(_("when"))

    class Meta:
        indexes = [models.Index(fields=["occurred_at"], name="page_views_by_time")]  # forgetting

    def __str__(self) -> str:
        return self.page


class WaitingActivity(ToldActivity):
    """One row is what a system says a visitor did of whom nobody knows yet who it is; then it becomes an activity.

    `imported` is the file that told it, so that it can be rolled back from wherever it has gone.
    """

    visitor = models.ForeignKey(Visitor, on_delete=models.CASCADE, related_name="waiting")
    imported = models.ForeignKey("audience.Import", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name_plural = "activities of strangers"
        constraints = [models.UniqueConstraint(fields=["source", "external_id"], name="waiting_activity_once")]
        indexes = [models.Index(fields=["occurred_at"], name="waiting_by_time")]  # forgetting

"""People and accounts, with their current values, and the names other systems know them by."""

from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audience.models.subjects import Folded, NextSubjectId, OneSubject, Words, first_filled, one_subject

# By which values lists are in the order of names, and where a search looks for words.
PERSON_NAMES, PERSON_WORDS = ("last_name", "first_name", "email"), ("first_name", "last_name", "email")
ACCOUNT_NAMES = ACCOUNT_WORDS = ("name", "domain")


def _text(label: Any, length: int = 200) -> models.CharField:
    """A text value; the empty string is "(empty)"."""
    return models.CharField(label, max_length=length, blank=True, default="", db_default="")


class Subject(models.Model):
    """What a person and an account have in common."""

    id = models.BigIntegerField(primary_key=True, db_default=NextSubjectId())
    country = _text(_("country"), 100)
    region = _text(_("region"), 100)
    city = _text(_("city"), 100)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("owner"), null=True, blank=True, on_delete=models.SET_NULL
    )
    custom = models.JSONField(default=dict, db_default={})
    is_excluded = models.BooleanField(_("left out of figures"), default=False, db_default=False)
    excluded_reason = _text(_("left out because"))
    first_seen_at = models.DateTimeField(_("first seen"))
    created_at = models.DateTimeField(_("recorded"), db_default=Now())
    created_source = _text(_("recorded by"))
    updated_at = models.DateTimeField(_("last change"), db_default=Now())
    erased_at = models.DateTimeField(_("erased"), null=True)
    merged_into = models.BigIntegerField(null=True)  # the number of whom it went into; `merging.whither` goes further

    class Meta:
        abstract = True


class Account(Subject):
    """One row is one organisation and its current field values."""

    name = _text(_("name"), 300)
    domain = _text(_("domain"), 253)
    industry = _text(_("industry"))
    employees = models.BigIntegerField(_("employees"), null=True, blank=True)
    annual_revenue = models.BigIntegerField(_("annual revenue (minor units)"), null=True, blank=True)
    currency = _text(_("currency"), 3)
    ownership = _text(_("ownership"), 100)
    parent = models.ForeignKey("self", verbose_name=_("parent"), null=True, blank=True, on_delete=models.PROTECT)

    class Meta:
        indexes = [
            models.Index(Folded("name"), name="account_by_name"),  # import and search
            models.Index(Folded("domain"), name="account_by_domain", condition=~Q(domain="")),
            models.Index(fields=["first_seen_at"], name="account_by_first_seen"),  # replays, clocks, lists
            models.Index(first_filled(*ACCOUNT_NAMES), "id", name="account_in_order"),  # the list by name
            GinIndex(Words(*ACCOUNT_WORDS), name="account_by_word"),  # search
            models.Index(fields=["id"], name="account_left_out", condition=Q(is_excluded=True)),  # reports, boards
        ]

    def __str__(self) -> str:
        return self.name or self.domain or f"#{self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("account", args=[self.pk])


class Person(Subject):
    """One row is one individual and the current field values."""

    email = _text(_("email"), 254)
    first_name = _text(_("first name"))
    last_name = _text(_("last name"))
    phone = _text(_("phone"), 50)
    title = _text(_("job title"))
    title_group = _text(_("title group"), 50)
    seniority = _text(_("seniority"), 50)
    language = _text(_("language"), 35)
    zone = _text(_("time zone"), 64)
    source = _text(_("original source"))
    account = models.ForeignKey(
        Account, verbose_name=_("account"), null=True, blank=True, on_delete=models.PROTECT, related_name="people"
    )

    class Meta:
        verbose_name_plural = "people"
        constraints = [
            # Emails compare in lower case, byte by byte; the domain is punycode already.
            models.UniqueConstraint(Folded("email"), condition=~Q(email=""), name="person_by_email")
        ]
        indexes = [
            models.Index(fields=["first_seen_at"], name="person_by_first_seen"),  # replays, clocks, lists
            models.Index(first_filled(*PERSON_NAMES), "id", name="person_in_order"),  # the list by name
            GinIndex(Words(*PERSON_WORDS), name="person_by_word"),  # search
            models.Index(fields=["id"], name="person_left_out", condition=Q(is_excluded=True)),  # reports, boards
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, [self.first_name, self.last_name])) or self.email or f"#{self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("person", args=[self.pk])


class Identity(OneSubject):
    """One row is one name under which another system knows a subject."""

    system = models.CharField(max_length=64)
    kind = models.CharField(max_length=32)
    external_id = models.CharField(max_length=300)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            one_subject("identity"),
            models.UniqueConstraint(fields=["system", "kind", "external_id"], name="identity_once"),
        ]
        indexes = [
            models.Index(fields=["subject_id"], name="identity_of_subject"),
            models.Index(
                fields=["external_id"], opclasses=["varchar_pattern_ops"], name="identity_by_beginning"
            ),  # search
        ]

    def __str__(self) -> str:
        return f"{self.system}/{self.kind}/{self.external_id}"


class AccountRole(models.Model):
    """One row is one role of a person in an account, from a day to a day. A role ends; its row stays.

    Which account is somebody's first is said by `Person.account` alone, so that the two cannot disagree.
    """

    person = models.ForeignKey(Person, on_delete=models.PROTECT)
    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    role = models.CharField(_("role"), max_length=100, blank=True)
    starts_on = models.DateField(_("from"), null=True)
    ends_on = models.DateField(_("to"), null=True)
    source = _text(_("source"), 100)
    recorded_at = models.DateTimeField(_("recorded"), db_default=Now())
    end_recorded_at = models.DateTimeField(_("end recorded"), null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "account", "role"], condition=Q(ends_on=None), name="account_role_once"
            ),
            models.CheckConstraint(
                name="account_role_in_order",
                condition=Q(starts_on=None) | Q(ends_on=None) | Q(ends_on__gte=F("starts_on")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} {self.role} {self.account_id}"

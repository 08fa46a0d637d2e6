"""How partners are taken in: the programme, what there is to do in it, and who asked to belong to it."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audience.models import Account, Form, Person, Submission
from lifecycle.models.plan import Lifecycle


class Programme(models.Model):
    """One row is how one lifecycle of partners takes them in: by which form, and how long a certificate is good."""

    lifecycle = models.OneToOneField(Lifecycle, on_delete=models.PROTECT, related_name="programme")
    form = models.OneToOneField(Form, verbose_name=_("application form"), null=True, on_delete=models.PROTECT)
    certified_months = models.PositiveSmallIntegerField(_("a certificate is good for (months)"), null=True)

    def __str__(self) -> str:
        return str(self.lifecycle)


class ProgrammeStep(models.Model):
    """One row is one thing that every new partner, or we for them, have to do within so many days of approval."""

    programme = models.ForeignKey(Programme, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(_("what"), max_length=200)
    by_partner = models.BooleanField(_("done by the partner"), default=True)
    days = models.PositiveSmallIntegerField(_("days after approval"))
    kind = models.SlugField(_("done once this has happened"), max_length=64, blank=True, allow_unicode=True)
    position = models.PositiveSmallIntegerField(default=0)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("position", "pk")

    def __str__(self) -> str:
        return self.name


class Application(models.Model):
    """One row is one form by which somebody asked for their organisation to become a partner, and what was decided."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        APPROVED = "approved", _("approved")
        DECLINED = "declined", _("declined")

    programme = models.ForeignKey(Programme, on_delete=models.PROTECT, related_name="applications")
    submission = models.OneToOneField(Submission, on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(
        Account, verbose_name=_("account"), null=True, on_delete=models.PROTECT, related_name="+"
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.WAITING)
    applied_at = models.DateTimeField(_("applied"))
    decided_at = models.DateTimeField(_("decided"), null=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    reason = models.CharField(_("why"), max_length=300, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="application_decided",
                condition=Q(state="waiting", decided_at=None) | (~Q(state="waiting") & Q(decided_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="application_approved_of", condition=~Q(state="approved") | Q(account__isnull=False)
            ),
        ]
        indexes = [
            models.Index(fields=["applied_at"], condition=Q(state="waiting"), name="applications_waiting"),  # the queue
        ]

    def __str__(self) -> str:
        return f"{self.account or self.person}"

    def get_absolute_url(self) -> str:
        return reverse("partner_application", args=[self.pk])


class ChecklistItem(models.Model):
    """One row is one step that one partner has to take, by when, and when it was taken."""

    step = models.ForeignKey(ProgrammeStep, on_delete=models.PROTECT, related_name="items")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    due_on = models.DateField(_("due"))
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(_("done"), null=True)
    done_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "step"], name="checklist_item_once")]
        indexes = [models.Index(fields=["due_on"], condition=Q(done_at=None), name="checklist_open")]  # what is late

    def __str__(self) -> str:
        return f"{self.account_id} {self.step_id}"

"""What is sold, to whom, by which deal, under which contract, and at what cost. Money is in minor units."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audience.models.people import Account, Person
from audience.models.subjects import OneSubject, one_subject


class Sourced(models.Model):
    """A row that another system also knows: once per source and external id."""

    source = models.CharField(_("source"), max_length=64)
    external_id = models.CharField(_("external id"), max_length=200)
    recorded_at = models.DateTimeField(_("recorded"))
    properties = models.JSONField(default=dict, db_default={})

    class Meta:
        abstract = True


def once(name: str) -> models.UniqueConstraint:
    """The constraint that a source names a row once."""
    return models.UniqueConstraint(fields=["source", "external_id"], name=f"{name}_once")


class Product(Sourced):
    """One row is one thing that is sold."""

    name = models.CharField(_("name"), max_length=300)
    family = models.CharField(_("family"), max_length=200, blank=True)
    price = models.BigIntegerField(_("price (minor units)"), null=True)
    currency = models.CharField(max_length=3, blank=True)

    class Meta:
        constraints = [once("product")]

    def __str__(self) -> str:
        return self.name


class Deal(Sourced):
    """One row is one possible sale. Its pipeline stage is never a lifecycle stage."""

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        WON = "won", _("won")
        LOST = "lost", _("lost")

    name = models.CharField(_("name"), max_length=300, blank=True)
    account = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="deals")
    partner = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="partner_deals")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    amount = models.BigIntegerField(_("amount (minor units)"), null=True)
    currency = models.CharField(max_length=3, blank=True)
    pipeline = models.CharField(_("pipeline"), max_length=100, blank=True)
    stage = models.CharField(_("pipeline stage"), max_length=100, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.OPEN)
    reason = models.CharField(_("won or lost because"), max_length=300, blank=True)
    opened_at = models.DateTimeField(_("created"))
    expected_close_on = models.DateField(_("expected close"), null=True)
    closed_at = models.DateTimeField(_("closed"), null=True)

    class Meta:
        constraints = [
            once("deal"),
            models.CheckConstraint(
                name="deal_closed_has_date",
                condition=Q(status="open", closed_at__isnull=True) | Q(~Q(status="open"), closed_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["pipeline", "stage"], name="deal_open_by_stage", condition=Q(status="open")),  # board
        ]

    def __str__(self) -> str:
        return self.name or self.external_id

    def get_absolute_url(self) -> str:
        return reverse("deal", args=[self.pk])


class DealLine(models.Model):
    """One row is one product of a deal: how many, and for how much in the deal's currency, where that was told.

    `added_at` is empty where it was among the first that the deal was told to have. One that is taken out stays, with
    `removed_at`, so that past days have it; put in again, it is as if it had always been.
    """

    deal = models.ForeignKey(Deal, on_delete=models.CASCADE, related_name="lines", db_index=False)
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.DecimalField(_("quantity"), max_digits=18, decimal_places=4, null=True)
    amount = models.BigIntegerField(_("amount (minor units)"), null=True)
    added_at = models.DateTimeField(_("since"), null=True)
    removed_at = models.DateTimeField(_("until"), null=True)
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["deal", "product"], name="deal_line_once")]

    def __str__(self) -> str:
        return f"{self.deal_id} {self.product_id}"


class DealChange(models.Model):
    """One row is the amount and the pipeline that a deal had until they were changed; a trigger of the table writes it.

    As of an instant a deal has those of its first change after it, else those that it has now.
    """

    # The database itself deletes these with their deal, which files are rolled back by statements of their own.
    deal = models.ForeignKey(Deal, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    amount = models.BigIntegerField(_("amount (minor units)"), null=True)
    currency = models.CharField(max_length=3, blank=True)
    pipeline = models.CharField(_("pipeline"), max_length=100, blank=True)
    changed_at = models.DateTimeField(_("until"))

    class Meta:
        indexes = [
            models.Index(fields=["deal", "changed_at"], name="dealchange_of_deal"),
            models.Index(fields=["changed_at"], name="dealchange_by_time"),  # since then, until then
        ]

    def __str__(self) -> str:
        return f"{self.deal_id} until {self.changed_at}"


class Renamed(models.Model):
    """What has a name that others say, and what it was called before: in small letters, the last name last."""

    aliases = ArrayField(models.CharField(max_length=100), default=list, db_default=[])
    retired_at = models.DateTimeField(_("retired"), null=True)

    class Meta:
        abstract = True


class Pipeline(Renamed):
    """One row is one way of selling, from the first talk to won or lost. Deals that name none are in the first."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("position", "pk")

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("pipeline", args=[self.pk])


class PipelineStage(Renamed):
    """One row is one stage of a pipeline. Deals name it by its name, so that files may name stages nobody planned.

    A retired stage takes no new deals; those that are in it stay, and count as before.
    """

    class Kind(models.TextChoices):
        OPEN = "open", _("open")
        WON = "won", _("won")
        LOST = "lost", _("lost")

    pipeline = models.ForeignKey(Pipeline, on_delete=models.CASCADE, related_name="stages")
    name = models.CharField(_("name"), max_length=100)
    position = models.PositiveIntegerField(default=0)
    probability = models.PositiveSmallIntegerField(_("probability (per cent)"), null=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.OPEN)

    class Meta:
        ordering = ("position", "pk")
        constraints = [
            models.UniqueConstraint(fields=["pipeline", "name"], name="pipeline_stage_once"),
            models.CheckConstraint(name="pipeline_stage_likely", condition=Q(probability__lte=100)),
        ]

    def __str__(self) -> str:
        return self.name


class DealStageChange(models.Model):
    """One row is one change of a deal's pipeline stage or status.

    One `as_history` is what a file tells of the past: when it was written down the deal did not change, so whoever asks
    what was known before is told nothing of it.
    """

    deal = models.ForeignKey(Deal, on_delete=models.CASCADE)
    from_stage = models.CharField(max_length=100, blank=True)
    to_stage = models.CharField(max_length=100, blank=True)
    from_status = models.CharField(max_length=10, blank=True)
    to_status = models.CharField(max_length=10)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    as_history = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["deal", "occurred_at", "to_stage", "to_status"], condition=Q(as_history=True),
                name="deal_history_once",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.deal_id} → {self.to_stage}"


class DealRole(models.Model):
    """One row is one person's role on a deal."""

    deal = models.ForeignKey(Deal, on_delete=models.CASCADE)
    person = models.ForeignKey(Person, on_delete=models.PROTECT)
    role = models.CharField(_("role"), max_length=100, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["deal", "person", "role"], name="deal_role_once")]

    def __str__(self) -> str:
        return f"{self.person_id} {self.role} {self.deal_id}"


class Purchase(OneSubject, Sourced):
    """One row is one thing bought."""

    product = models.ForeignKey(Product, null=True, on_delete=models.PROTECT)
    quantity = models.DecimalField(_("quantity"), max_digits=18, decimal_places=4, default=1, db_default=1)
    amount = models.BigIntegerField(_("amount (minor units)"), null=True)
    cost = models.BigIntegerField(_("what it cost us (minor units)"), null=True)  # margin is the amount less this
    currency = models.CharField(max_length=3, blank=True)
    occurred_at = models.DateTimeField(_("when"))

    class Meta:
        constraints = [one_subject("purchase"), once("purchase")]
        indexes = [models.Index(fields=["subject_id", "occurred_at"], name="purchase_of_subject")]

    def __str__(self) -> str:
        return f"{self.subject_id} {self.occurred_at}"


class Contract(OneSubject, Sourced):
    """One row is one running agreement. `annual_value` is what was agreed at its start; amendments change it later."""

    name = models.CharField(_("name"), max_length=300, blank=True)
    product = models.ForeignKey(Product, null=True, on_delete=models.PROTECT)
    starts_on = models.DateField(_("starts"))
    renews_on = models.DateField(_("renews"), null=True)
    notice_on = models.DateField(_("notice by"), null=True)
    ends_on = models.DateField(_("ended"), null=True)
    auto_renew = models.BooleanField(_("renews by itself"), default=False)
    annual_value = models.BigIntegerField(_("annual value (minor units)"), null=True)
    currency = models.CharField(max_length=3, blank=True)

    class Meta:
        constraints = [one_subject("contract"), once("contract")]
        indexes = [
            models.Index(fields=["subject_id"], name="contract_of_subject"),
            models.Index(fields=["renews_on"], name="contract_by_renewal", condition=Q(ends_on=None)),  # renewals
        ]

    def __str__(self) -> str:
        return self.name or self.external_id

    def get_absolute_url(self) -> str:
        return reverse("contract", args=[self.pk])


class ContractAmendment(models.Model):
    """One row is what a contract is worth a year from a day on, in its own currency, until the next amendment."""

    contract = models.ForeignKey(Contract, on_delete=models.CASCADE, related_name="amendments", db_index=False)
    valid_from = models.DateField(_("valid from"))
    annual_value = models.BigIntegerField(_("annual value (minor units)"))
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contract", "valid_from"], name="amendment_once")]

    def __str__(self) -> str:
        return f"{self.contract_id} from {self.valid_from}"


class ContractChange(models.Model):
    """One row is the dates and the product that a contract had until they were changed; a trigger writes it.

    As of an instant a contract has those of its first change after it, else those that it has now.
    """

    # The database itself deletes these with their contract, which files are rolled back by statements of their own.
    contract = models.ForeignKey(
        Contract, on_delete=models.CASCADE, related_name="changes", db_index=False, db_constraint=False
    )
    starts_on = models.DateField(_("started"))
    product = models.ForeignKey(
        Product, null=True, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    renews_on = models.DateField(_("renewed"), null=True)
    notice_on = models.DateField(_("notice by"), null=True)
    ends_on = models.DateField(_("ended"), null=True)
    auto_renew = models.BooleanField(_("renews by itself"))
    changed_at = models.DateTimeField(_("until"))

    class Meta:
        indexes = [
            models.Index(fields=["contract", "changed_at"], name="contractchange_of_contract"),
            models.Index(fields=["changed_at"], name="contractchange_by_time"),  # since then, until then
        ]

    def __str__(self) -> str:
        return f"{self.contract_id} until {self.changed_at}"


class Case(OneSubject, Sourced):
    """One row is one service matter, open or closed."""

    title = models.CharField(_("title"), max_length=300)
    severity = models.CharField(_("severity"), max_length=30, blank=True)
    opened_at = models.DateTimeField(_("opened"))
    closed_at = models.DateTimeField(_("closed"), null=True)

    class Meta:
        constraints = [one_subject("case"), once("case")]
        indexes = [models.Index(fields=["subject_id"], name="case_of_subject")]

    def __str__(self) -> str:
        return self.title


class Cost(Sourced):
    """One row is what one channel or campaign cost in a period `[starts_on, ends_on)`."""

    channel = models.CharField(_("channel"), max_length=32, blank=True)
    campaign = models.CharField(_("campaign"), max_length=200, blank=True)
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("to"))
    amount = models.BigIntegerField(_("amount (minor units)"))
    currency = models.CharField(max_length=3)

    class Meta:
        constraints = [once("cost")]

    def __str__(self) -> str:
        return f"{self.channel or self.campaign} {self.starts_on}"


class ExchangeRate(models.Model):
    """One row is what one unit of a currency was worth on a day, in another (`into`), as somebody told it.

    Told again, the later row counts; one without a rate takes the day back. `factor` is the same between the smallest
    units of the two.
    """

    currency = models.CharField(_("currency"), max_length=3)
    into = models.CharField(_("in"), max_length=3)
    day = models.DateField(_("day"))
    rate = models.DecimalField(_("rate"), max_digits=24, decimal_places=12, null=True)
    factor = models.DecimalField(max_digits=30, decimal_places=18, null=True)
    source = models.CharField(_("source"), max_length=64)
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        constraints = [
            models.CheckConstraint(name="exchange_rate_positive", condition=Q(rate__gt=0) | Q(rate=None)),
            models.CheckConstraint(name="exchange_rate_of_another", condition=~Q(currency=models.F("into"))),
        ]
        indexes = [
            models.Index(fields=["currency", "into", "-day", "-recorded_at", "-id"], name="exchange_rate_on"),  # on
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.day}"

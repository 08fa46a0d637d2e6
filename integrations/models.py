"""The keys by which other systems ask and how often they may, and the notes of what changed."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from lifecycle.models.ledger import TransactionId


class ApiKey(models.Model):
    """One row is one key of the REST API: a digest of its secret, what it is for, and whose it is.

    It never may more than its user, and ends with that user's access, password or role: it is good while `generation`
    is the user's.
    """

    name = models.CharField(_("name"), max_length=60)
    prefix = models.CharField(_("begins with"), max_length=16, unique=True)
    digest = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=40), verbose_name=_("for"))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, verbose_name=_("acts as"), on_delete=models.CASCADE)
    generation = models.IntegerField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(_("made"))
    expires_at = models.DateTimeField(_("expires"), null=True)
    last_used_at = models.DateTimeField(_("last used"), null=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True)

    def __str__(self) -> str:
        return self.name


class Allowance(models.Model):
    """One row is when one key may ask as often again as it may at all. The table is not logged (`limits`)."""

    key = models.OneToOneField(ApiKey, primary_key=True, on_delete=models.CASCADE)
    full_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.key_id} {self.full_at}"


class Change(models.Model):
    """One row is what one statement did to up to 200 rows of one kind. Triggers write it, nobody changes it.

    Read by transaction, because ids are drawn before their rows are committed; what is old is dropped.
    """

    id = models.BigAutoField(primary_key=True)
    xid = models.BigIntegerField(db_default=TransactionId())
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=20)
    action = models.CharField(max_length=10)
    ids = ArrayField(models.BigIntegerField())

    class Meta:
        indexes = [models.Index(fields=["xid", "id"], name="change_in_order")]

    def __str__(self) -> str:
        return f"{self.kind} {self.action} {self.at}"

"""In whose name messages are sent: making, changing and retiring senders, one of whom is the default."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns import mime
from campaigns.models import Campaign, Sender
from kit import audit
from kit.models import User
from kit.sql import Sql, run


class Refused(ValueError):
    """What cannot be done to a sender, in the user's words; `field` is what it is about."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field or None


def default() -> Sender | None:
    """In whose name is sent unless another is chosen; None while there is nobody."""
    return Sender.objects.filter(retired_at=None).order_by("-is_default", "pk").first()


@transaction.atomic
def create(
    name: str, address: str, *, reply_to: str = "", is_default: bool = False, by: User | None, now: datetime
) -> Sender:
    """A sender; the first one is the default. Raises Refused for a name or address that no mail can carry."""
    _check(name, address, reply_to)
    _one_by_one()
    if Sender.objects.filter(address=address).exists():
        raise Refused(_("There is a sender with this address already."), "address")
    is_default = is_default or not Sender.objects.filter(is_default=True).exists()
    if is_default:
        Sender.objects.filter(is_default=True).update(is_default=False)
    made = Sender.objects.create(name=name, address=address, reply_to=reply_to, is_default=is_default)
    audit.record("sender.create", str(made), by=by, now=now, after={"default": is_default})
    return made


@transaction.atomic
def change(
    sender: Sender, *, name: str, address: str, reply_to: str = "", is_default: bool = False,
    by: User | None, now: datetime,
) -> None:  # fmt: skip
    """Another name, address or place for answers. Raises Refused; the default stays one until another is made it."""
    _check(name, address, reply_to)
    _one_by_one()
    if Sender.objects.filter(address=address).exclude(pk=sender.pk).exists():
        raise Refused(_("There is a sender with this address already."), "address")
    if sender.is_default and not is_default:
        raise Refused(_("It stays the one used by default until you make another the default."), "is_default")
    before = str(sender)
    if is_default and not sender.is_default:
        Sender.objects.filter(is_default=True).update(is_default=False)
    sender.name, sender.address, sender.reply_to, sender.is_default = name, address, reply_to, is_default
    sender.save(update_fields=["name", "address", "reply_to", "is_default"])
    audit.record("sender.change", str(sender), by=by, now=now, before={"sender": before})


@transaction.atomic
def retire(sender: Sender, *, by: User | None, now: datetime) -> None:
    """Offer it no more. Raises Refused for the default, and while a campaign that is not stopped speaks in its name."""
    if sender.is_default:
        raise Refused(_("It is used by default: make another the default first."))
    used = Campaign.objects.filter(sender=sender).exclude(state=Campaign.State.STOPPED).values_list("name", flat=True)
    if used:
        names = ", ".join(f"“{each}”" for each in used[:5])
        raise Refused(_("It is in use by %(campaigns)s.") % {"campaigns": names})
    Sender.objects.filter(pk=sender.pk, retired_at=None).update(retired_at=now)
    audit.record("sender.retire", str(sender), by=by, now=now)


def _one_by_one() -> None:
    """Whoever makes or changes a sender waits for whoever is just doing so: one address, and one default."""
    run(Sql("SELECT pg_advisory_xact_lock(hashtext('campaigns_sender'))"))


def _check(name: str, address: str, reply_to: str) -> None:
    for field, value in (("address", address), ("reply_to", reply_to)):
        try:
            if value:
                mime.checked_address(value)
        except mime.Refused as refused:
            raise Refused(str(refused), field) from None
    try:
        mime.checked_words(name)
    except mime.Refused as refused:
        raise Refused(str(refused), "name") from None

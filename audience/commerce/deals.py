"""Deals are opened and changed here, one at a time: each change of stage or status is a row of its own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from audience.commerce import kept, pipelines
from audience.models import Account, Deal, DealLine, DealRole, DealStageChange, Person, Product
from audience.subjects.people import BadValue
from kit import audit, writing
from kit.models import User

FIELDS = (
    "name", "amount", "currency", "pipeline", "stage", "status", "reason", "expected_close_on", "owner", "partner",
)  # fmt: skip
LONGEST_ROLE = 100
MOST_LINES = 200  # products of one deal
LARGEST_QUANTITY = Decimal(10**13)
OPEN, WON, LOST = Deal.Status.OPEN, Deal.Status.WON, Deal.Status.LOST


@dataclass(frozen=True)
class Sold:
    """One product of a deal: how many, and for how much in minor units; None where that is not known."""

    product: Product
    quantity: Decimal | None = None
    amount: int | None = None

    @property
    def quantity_told(self) -> str:
        """As the reader writes numbers, with no more places than it has."""
        if self.quantity is None:
            return ""
        places = -int(self.quantity.normalize().as_tuple().exponent)
        return writing.number(self.quantity, max(places, 0))


@transaction.atomic
def open(
    values: Mapping[str, Any],
    *,
    account: Account | None,
    roles: Sequence[tuple[Person, str]] = (),
    sold: Sequence[Sold] = (),
    source: str,
    by: User | None,
    now: datetime,
    external_id: str = "",
) -> Deal:
    """A new deal that is open since `now`, of an account and of people with a role in it. Raises BadValue.

    `values` are some of FIELDS; a deal that is won or lost at once is opened first, so that its history tells both.
    A source tells a deal once.
    """
    _check(values)
    values = pipelines.as_named(values)
    if account is None and not roles:
        raise BadValue("account", _("A deal belongs to an account or to a person."), "required")
    first = {name: value for name, value in values.items() if name not in ("status", "reason")}
    try:
        with transaction.atomic():
            deal = Deal.objects.create(
                **first, account=account, source=source, external_id=external_id or uuid.uuid4().hex, opened_at=now,
                recorded_at=now,
            )  # fmt: skip
    except IntegrityError as clash:
        if "deal_once" not in str(clash):
            raise
        raise BadValue("external_id", _("This source has told a deal of this id already."), "already_there") from clash
    taking_part = dict.fromkeys((person, role) for person, role in roles)
    DealRole.objects.bulk_create(DealRole(deal=deal, person=person, role=role) for person, role in taking_part)
    audit.record("deal.open", str(deal), by=by, now=now, after={"deal": deal.pk, "source": source}, about=_whose(deal))
    _sell(deal, sold, now)
    if values.get("status", OPEN) != OPEN:
        rest = {name: value for name, value in values.items() if name in ("status", "reason")}
        change(deal, rest, at=now, by=by, now=now)
    return deal


def _whose(deal: Deal) -> list[int | None]:
    """The account and the people of a deal."""
    taking_part = DealRole.objects.filter(deal=deal).values_list("person_id", flat=True).distinct()
    return [deal.account_id, *taking_part]


@transaction.atomic
def change(deal: Deal, values: Mapping[str, Any], *, at: datetime, by: User | None, now: datetime) -> bool:
    """Write new values of FIELDS; `at` is when a stage or status changed. True when anything was different.

    Who moves a deal to a stage that is planned as won, lost or open wins, loses or opens it, unless they say otherwise.
    A lost deal has a reason; a deal that is opened again has none. Raises BadValue, also for an `at` before the last
    change or after `now`.
    """
    _check(values)
    held = Deal.objects.select_for_update(no_key=True).get(pk=deal.pk)
    values = pipelines.as_named(values, held.pipeline)
    told = {name: value for name, value in values.items() if getattr(held, name) != value}
    if not told:
        return False
    before = {"from_stage": held.stage, "from_status": held.status}
    for name, value in told.items():
        setattr(held, name, value)
    if "stage" in told and "status" not in told and (planned := pipelines.stage_of(held.pipeline, held.stage)):
        held.status = planned.kind
    if held.status == LOST and not held.reason:
        raise BadValue("reason", _("Say why it was lost: it is what the next one learns from."), "required")
    if held.status != before["from_status"] or held.stage != before["from_stage"]:
        last = DealStageChange.objects.filter(deal=held).order_by("-occurred_at").first()
        if at > now or at < (last.occurred_at if last else held.opened_at):
            raise BadValue("closed_on", _("That day is before the deal’s last change, or still to come."))
        if held.status != before["from_status"]:
            held.closed_at = None if held.status == OPEN else at
            held.reason = "" if held.status == OPEN else held.reason
        DealStageChange.objects.create(
            deal=held, to_stage=held.stage, to_status=held.status, occurred_at=at, recorded_at=now, **before
        )
    with kept.changing(now):
        held.save()
    deal.refresh_from_db()
    after = {"deal": deal.pk, "columns": sorted(told), "status": held.status}
    audit.record("deal.change", str(deal), by=by, now=now, before=before, after=after, about=_whose(deal))
    return True


def sold(deal: Deal) -> list[Sold]:
    """The products of a deal, in the order in which they came."""
    lines = DealLine.objects.filter(deal=deal, removed_at=None).select_related("product").order_by("pk")
    return [Sold(each.product, each.quantity, each.amount) for each in lines]


@transaction.atomic
def sell(deal: Deal, products: Sequence[Sold], *, by: User | None, now: datetime) -> bool:
    """Let these be the products of a deal, each once. True when they were others, or more or less of them.

    What is taken out is kept for past days. Raises BadValue.
    """
    held = Deal.objects.select_for_update(no_key=True).get(pk=deal.pk)
    before = sold(held)
    if not _sell(held, products, now):
        return False
    after = {"deal": deal.pk} | _told(products)
    audit.record("deal.sell", str(deal), by=by, now=now, before=_told(before), after=after)
    return True


def _sell(deal: Deal, products: Sequence[Sold], now: datetime) -> bool:
    wanted = {each.product.pk: each for each in products}
    if len(wanted) < len(products):
        raise BadValue("products", _("A deal has each product once; say how many of it."), "repeated")
    if len(wanted) > MOST_LINES:
        raise BadValue("products", _("A deal has at most %(most)s products.") % {"most": MOST_LINES})
    for each in products:
        if each.quantity is not None and not abs(each.quantity) < LARGEST_QUANTITY:
            raise BadValue("products", _("This is more than can be kept."), "number_out_of_range")
    lines = {each.product_id: each for each in DealLine.objects.filter(deal=deal)}
    since = now if any(line.recorded_at < now for line in lines.values()) else None
    changed = False
    for pk, line in lines.items():
        if line.removed_at is None and pk not in wanted:
            DealLine.objects.filter(pk=line.pk).update(removed_at=now)
            changed = True
    for pk, each in wanted.items():
        line = lines.get(pk) or DealLine(deal=deal, product=each.product, added_at=since, recorded_at=now)
        new = (each.quantity, each.amount, None)
        if line.pk is None or (line.quantity, line.amount, line.removed_at) != new:
            line.quantity, line.amount, line.removed_at = new
            line.save()
            changed = True
    return changed


def _told(products: Sequence[Sold]) -> dict[str, Any]:
    """Products of a deal as the trail keeps them."""
    told = [[each.product.pk, None if each.quantity is None else str(each.quantity), each.amount] for each in products]
    return {"products": told}


@transaction.atomic
def take_part(deal: Deal, person: Person, role: str, *, by: User | None, now: datetime) -> bool:
    """Let a person have a role in a deal; False when they have it already. Raises BadValue."""
    role = " ".join(role.split())
    if len(role) > LONGEST_ROLE or "\x00" in role:
        raise BadValue("role", _("A role has at most %(most)s letters.") % {"most": LONGEST_ROLE})
    _row, made = DealRole.objects.get_or_create(deal=deal, person=person, role=role)
    if made:
        after = {"deal": deal.pk, "person": person.pk, "role": role}
        audit.record("deal.take_part", str(deal), by=by, now=now, after=after)
    return made


@transaction.atomic
def leave(role: DealRole, *, by: User | None, now: datetime) -> None:
    """Take a role in a deal away. Raises BadValue where the deal would be nobody's."""
    deal = Deal.objects.select_for_update(no_key=True).get(pk=role.deal_id)
    if deal.account_id is None and not DealRole.objects.filter(deal=deal).exclude(pk=role.pk).exists():
        raise BadValue("role", _("A deal belongs to an account or to a person, and this is the last of them."))
    before = {"deal": deal.pk, "person": role.person_id, "role": role.role}
    DealRole.objects.filter(pk=role.pk).delete()
    audit.record("deal.leave", str(deal), by=by, now=now, before=before)


@dataclass(frozen=True)
class Stay:
    """How long a deal stood in one stage: from when until when (None: still), in days, and its status then."""

    stage: str
    status: str
    since: datetime
    until: datetime | None
    days: int


def stays(deal: Deal, now: datetime) -> list[Stay]:
    """The stages of a deal one after the other; days are between local dates. In the last one a closed deal stays 0.

    The last is that in which the deal is, whatever history a file told of it. A stage told twice in a row is one stay;
    of a deal whose history begins as it was opened, nothing is told of before.
    """
    changes = list(DealStageChange.objects.filter(deal=deal).order_by("occurred_at", "pk"))
    steps = [(each.to_stage, each.to_status, each.occurred_at) for each in changes]
    if not changes:
        steps = [(deal.stage, deal.status, deal.opened_at)]
    elif changes[0].from_stage or changes[0].occurred_at > deal.opened_at:
        steps = [(changes[0].from_stage, changes[0].from_status, deal.opened_at), *steps]
    if steps[-1][:2] != (deal.stage, deal.status) and changes and changes[-1].as_history:
        steps.append((deal.stage, deal.status, max(steps[-1][2], deal.closed_at or steps[-1][2])))
    steps = [step for place, step in enumerate(steps) if not place or step[:2] != steps[place - 1][:2]]
    found = [
        _stay(stage, status, since, following[2], now)
        for (stage, status, since), following in zip(steps, steps[1:], strict=False)
    ]
    stage, status, since = steps[-1]
    return [*found, _stay(stage, status, since, None if status == OPEN else since, now)]


def _stay(stage: str, status: str, since: datetime, until: datetime | None, now: datetime) -> Stay:
    days = (timezone.localdate(until or now) - timezone.localdate(since)).days
    return Stay(stage, status or OPEN, since, until, max(days, 0))


def _check(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name not in FIELDS:
            raise BadValue(name, _("Deals have no field called “%(field)s”.") % {"field": name}, "unknown_field")
        longest = getattr(Deal._meta.get_field(name), "max_length", None)
        if isinstance(value, str) and ((longest and len(value) > longest) or "\x00" in value):
            raise BadValue(name, _("This is longer than %(most)s characters.") % {"most": longest}, "too_long")
    if values.get("status", OPEN) not in Deal.Status.values:
        raise BadValue("status", _("A deal is open, won or lost."))

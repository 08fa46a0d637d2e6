"""Webhooks as administrators keep them: added, changed, paused, given another secret, tried out, removed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from integrations import feed
from integrations.models import Webhook, WebhookDelivery
from integrations.webhooks import events, signing
from kit import audit, hints, outside, rights, secrets
from kit.models import User

MOST = 50
LONGEST_NAME = Webhook._meta.get_field("name").max_length or 0
FURTHEST = timedelta(days=7)  # that a former secret may go on signing
TASK = "integrations.tasks.deliver_now"
State = WebhookDelivery.State


class Refused(ValueError):
    """It cannot be done so; the message says why. `code` names it for programs, `field` what was told wrong."""

    def __init__(self, code: str, words: str, field: str = "") -> None:
        super().__init__(words)
        self.code, self.field = code, field


def seen_by(user: User) -> QuerySet[Webhook]:
    """All webhooks for administrators, none for others: an address may itself be a secret."""
    return Webhook.objects.all() if rights.may(user, "administer") else Webhook.objects.none()


@transaction.atomic
def add(name: str, url: str, wanted: Sequence[str], *, by: User | None, now: datetime) -> tuple[Webhook, str]:
    """A new webhook, which is told what happens from here on, and its secret, which is told this once.

    Raises Refused.
    """
    if Webhook.objects.count() >= MOST:
        raise Refused("too_many", _("There are %(most)s webhooks already; remove one first.") % {"most": MOST})
    secret = signing.new_secret()
    here, seen = feed.here_and_now()
    made = Webhook(secret=secrets.seal(secret), created_by=by, created_at=now, here=here, seen=seen)
    _write(made, name, url, wanted)
    audit.record("webhook.add", made.name, by=by, now=now, after=_told(made))
    return made, secret


@transaction.atomic
def change(hook: Webhook, *, name: str, url: str, wanted: Sequence[str], by: User | None, now: datetime) -> bool:
    """Another name, address or choice of events; what waits goes to the new address. False when nothing is different.

    Raises Refused.
    """
    held = Webhook.objects.select_for_update(no_key=True).get(pk=hook.pk)
    before, old_url = _told(held), held.url
    if (held.name, held.url, set(held.events)) == (name.strip(), url.strip(), set(wanted)):
        return False
    _write(held, name, url, wanted)
    if held.url != old_url:
        _forgive(held.pk, now)
    audit.record("webhook.change", held.name, by=by, now=now, before=before, after=_told(held))
    hook.refresh_from_db()
    return True


@transaction.atomic
def pause(hook: Webhook, *, by: User | None, now: datetime, because: str = "") -> bool:
    """Nothing is sent until it is resumed; what happens meanwhile waits. False when it was paused before."""
    open_one = Webhook.objects.filter(pk=hook.pk, paused_at=None)
    if not open_one.update(paused_at=now, paused_because=because[:200]):
        return False
    audit.record("webhook.pause", hook.name, by=by, now=now, after={"because": because})
    hook.refresh_from_db()
    return True


@transaction.atomic
def resume(hook: Webhook, *, by: User | None, now: datetime) -> bool:
    """What waited is sent at once. False when it was not paused."""
    if not Webhook.objects.filter(pk=hook.pk).exclude(paused_at=None).update(paused_at=None, paused_because=""):
        return False
    _forgive(hook.pk, now)
    audit.record("webhook.resume", hook.name, by=by, now=now)
    hints.later(TASK, hook.pk)
    hook.refresh_from_db()
    return True


@transaction.atomic
def rotate(hook: Webhook, *, both_for: timedelta, by: User | None, now: datetime) -> str:
    """A new secret, told this once. The present one signs beside it for a while, so that either verifies.

    Raises Refused.
    """
    if not timedelta(0) <= both_for <= FURTHEST:
        days = {"days": FURTHEST.days}
        raise Refused("out_of_range", _("Both secrets sign for at most %(days)s days.") % days, "hours")
    held = Webhook.objects.select_for_update(no_key=True).get(pk=hook.pk)
    secret = signing.new_secret()
    former, until = (held.secret, now + both_for) if both_for else ("", None)
    Webhook.objects.filter(pk=hook.pk).update(secret=secrets.seal(secret), former_secret=former, former_until=until)
    audit.record("webhook.rotate", hook.name, by=by, now=now, after={"both_until": until.isoformat() if until else ""})
    hook.refresh_from_db()
    return secret


@transaction.atomic
def remove(hook: Webhook, *, by: User | None, now: datetime) -> None:
    """It is told nothing any more, and its deliveries go with it."""
    audit.record("webhook.remove", hook.name, by=by, now=now, before=_told(hook))
    hook.delete()


@transaction.atomic
def try_out(hook: Webhook, *, by: User | None, now: datetime) -> WebhookDelivery:
    """Send an event that tells of nothing but itself. Raises Refused while it is paused."""
    if hook.paused_at:
        raise Refused("paused", _("It is paused. Resume it first."))
    made = WebhookDelivery.objects.create(
        webhook=hook, event=events.TRIAL, ref=hook.pk, at=now, since=now, next_at=now
    )  # fmt: skip
    Webhook.objects.filter(pk=hook.pk).update(rest_until=None)
    audit.record("webhook.test", hook.name, by=by, now=now)
    hints.later(TASK, hook.pk)
    made.refresh_from_db()
    return made


def send_again(delivery: WebhookDelivery, *, by: User | None, now: datetime) -> WebhookDelivery:
    """Send one that was given up or delivered once more, by the same id. Raises Refused for one that still waits."""
    if not _again(delivery.webhook, WebhookDelivery.objects.filter(pk=delivery.pk), by=by, now=now):
        raise Refused("not_ended", _("It still waits to be sent."))
    delivery.refresh_from_db()
    return delivery


def send_dead_again(hook: Webhook, *, by: User | None, now: datetime) -> int:
    """Send all that was given up once more; how many."""
    return _again(hook, hook.deliveries.filter(state=State.DEAD), by=by, now=now)


@transaction.atomic
def _again(hook: Webhook, deliveries: QuerySet[WebhookDelivery], *, by: User | None, now: datetime) -> int:
    ended = deliveries.exclude(state=State.WAITING)
    count = ended.update(state=State.WAITING, tries=0, since=now, next_at=now, ended_at=None)
    if count:
        Webhook.objects.filter(pk=hook.pk).update(rest_until=None, failures=0, told_at=None)
        audit.record("webhook.replay", hook.name, by=by, now=now, after={"count": count})
        hints.later(TASK, hook.pk)
    return count


def place(url: str) -> str:
    """An address without what it may keep secret: whom it asks, and nothing of what."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


# ---- within ----


def _write(hook: Webhook, name: str, url: str, wanted: Sequence[str]) -> None:
    hook.name, hook.url, hook.events = name.strip(), url.strip(), sorted(set(wanted))
    if not 0 < len(hook.name) <= LONGEST_NAME or not hook.name.isprintable():
        said = _("A webhook has a name of 1 to %(longest)s characters.") % {"longest": LONGEST_NAME}
        raise Refused("bad_name", said, "name")
    try:
        outside.checked(hook.url)
    except outside.Refused as refused:
        raise Refused("bad_address", str(refused), "url") from refused
    if unknown := sorted(set(hook.events) - set(events.WORDS)):
        told = {"unknown": ", ".join(unknown)[:200], "known": ", ".join(events.WORDS)}
        raise Refused("unknown_event", _("There is no event %(unknown)s. There are: %(known)s.") % told, "events")
    if not hook.events:
        raise Refused("required", _("Say what it is to be told."), "events")
    try:
        with transaction.atomic():
            hook.save()
    except IntegrityError as error:
        raise Refused("name_taken", _("A webhook of this name is there already."), "name") from error


def _forgive(pk: int, now: datetime) -> None:
    """What went wrong before counts no more, and what waits may go at once."""
    Webhook.objects.filter(pk=pk).update(failures=0, rest_until=None, told_at=None)
    WebhookDelivery.objects.filter(webhook=pk, state=State.WAITING).update(since=now, next_at=now)


def _told(hook: Webhook) -> dict[str, Any]:
    """What the trail keeps of it; never a secret, nor the path of the address, which may be one."""
    return {"address": place(hook.url), "events": hook.events}

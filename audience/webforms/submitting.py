"""What a stranger sent becomes a person, an activity and consent; or is refused, and kept as refused.

Whoever knows an address can type it. So a form fills what is empty in somebody who is known already, and overwrites
nothing; it answers the same whether or not anybody has the address; and it undoes no withdrawal: somebody who has left
is asked by mail, whatever the form says.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from audience import consent
from audience.activity import activities, kinds, visitors
from audience.belonging import domains
from audience.models import (
    Account,
    Activity,
    Form,
    FormEdition,
    Import,
    Person,
    RefusedSubmission,
    Submission,
    Topic,
    Visitor,
)
from audience.subjects import accounts, people
from audience.webforms import asking, filling
from audience.webforms.asking import COMPANY, CUSTOM, EMAIL, Box
from kit import audit, notices, throttle, tokens, turns

SOURCE = "forms"
KIND = "form_submitted"
CHANNEL = "website"
CONFIRMATION = "form confirmation"  # the kind of the token, and of the notice that carries it
LASTS = timedelta(days=14)
REFUSED_KEPT = timedelta(days=30)
# So that nobody has our mail rained on somebody else.
LETTERS = throttle.Limit("form letters", 3, timedelta(hours=1), timedelta(days=1), timedelta(days=1))


@dataclass(frozen=True)
class Sent:
    """What came: answers by field, the boxes that were ticked, where from, in which browser (None: not to be known)."""

    answers: dict[str, Any]
    ticked: Sequence[str] = ()
    origin: dict[str, str] = field(default_factory=dict)
    browser: uuid.UUID | None = None
    embedded: bool = False
    key: uuid.UUID = field(default_factory=uuid.uuid4)


@transaction.atomic
def submit(edition: FormEdition, sent: Sent, *, now: datetime) -> Submission:
    """One submission; the same sent twice, such as by two clicks, is one. Raises people.BadValue for what cannot be
    kept of a person."""
    turns.take("submissions", [str(sent.key)])
    before = Submission.objects.filter(key=sent.key).first()
    if before and before.edition_id == edition.pk and before.answers == sent.answers:
        return before
    form, asked = edition.form, asking.read(edition.asked)
    person = _person(form, sent, now)
    boxes = [each for each in asked.boxes if each.topic in sent.ticked]
    waits = bool(boxes) and (asked.double_opt_in or _has_left(person, boxes))
    if not waits:
        _agree(person, form, [vars(each) for each in boxes], consent.Basis.CONSENT, now)
    made = Submission.objects.create(
        form=form, edition=edition, person=person, key=uuid.uuid4() if before else sent.key, browser=sent.browser,
        embedded=sent.embedded, answers=sent.answers, origin=sent.origin,
        waits_for=[vars(each) for each in boxes] if waits else [], asks_confirmation=waits or asked.after_confirming,
        occurred_at=now,
    )  # fmt: skip
    _tell(made, now)
    if sent.browser:
        visitors.become(sent.browser, person, now=now)
    if made.asks_confirmation:
        _ask(made, asked.title, now)
    after = {"form": form.slug, "person": person.pk, "submission": made.pk}
    audit.record("form.submit", form.name, by=None, actor=audit.VISITOR, now=now, after=after)
    return made


def says_look_into_your_mail(submission: Submission) -> bool:
    """Whether the page afterwards asks to confirm: by what was ticked alone, so it tells nothing of the address."""
    asked = asking.read(submission.edition.asked)
    return asked.after_confirming or (asked.double_opt_in and bool(submission.waits_for))


def waiting(token: str, *, now: datetime) -> Submission | None:
    """The submission whose mail this link is from; None when it was not signed here, is too old, or nobody is there."""
    key = tokens.read(CONFIRMATION, token, lasts=LASTS, now=now)
    found = Submission.objects.select_related("form", "edition", "person").filter(key=key, asks_confirmation=True)
    held = found.filter(person__erased_at=None).first() if key else None
    # An address that the person has given up proves nothing of them any more.
    return held if held and held.person.email == held.answers.get(EMAIL) else None


@transaction.atomic
def confirm(submission: Submission, *, browser: uuid.UUID | None, now: datetime) -> bool:
    """The address is its owner's, and the boxes count from now on. False when that was said before."""
    new = Submission.objects.filter(pk=submission.pk, confirmed_at=None).update(confirmed_at=now)
    if new:
        _agree(submission.person, submission.form, submission.waits_for, consent.Basis.CONFIRMED, now)
        after = {"form": submission.form.slug, "person": submission.person_id, "submission": submission.pk}
        audit.record("form.confirm", submission.form.name, by=None, actor=audit.VISITOR, now=now, after=after)
    if browser:
        visitors.become(browser, submission.person, proven=True, now=now)
    submission.refresh_from_db()
    return bool(new)


def refuse(form: Form, reason: str, sent: QueryDict, *, now: datetime) -> None:
    """Keep for a while what made nothing, and why."""
    RefusedSubmission.objects.create(form=form, reason=reason, answers=filling.in_short(sent), occurred_at=now)


def answered(visitor: Visitor | None) -> set[str]:
    """What need not be asked of a visitor again: what was answered in this browser, and no more.

    What else is known of the person counts only once a letter to them was opened here; else somebody could type an
    address and find out by the questions what we know.
    """
    if visitor is None or visitor.person is None:
        return set()
    told = Submission.objects.filter(person=visitor.person, browser=visitor.browser).values_list("answers", flat=True)
    found = {name for answers in told for name in answers}
    if visitor.proven:
        found |= {name for name in asking.COLUMNS if getattr(visitor.person, name)}
        found |= {COMPANY} if visitor.person.account_id else set()
        found |= {f"{CUSTOM}{slug}" for slug, value in visitor.person.custom.items() if value not in (None, "")}
    return found


def forget(now: datetime) -> None:
    """Refused submissions go after a month."""
    RefusedSubmission.objects.filter(occurred_at__lt=now - REFUSED_KEPT).delete()


def ensure_defaults(now: datetime) -> None:
    """What the kind of activity is called. Safe to repeat."""
    inbound = Activity.Direction.INBOUND
    kinds.ensure(
        KIND,
        _("Form submitted"),
        channel=CHANNEL,
        direction=inbound,
        is_response=True,
        is_engagement=True,
        intent=30,
        now=now,
    )


# ---- what becomes of it ----


def _person(form: Form, sent: Sent, now: datetime) -> Person:
    values = filling.values(sent.answers)
    email = str(values[EMAIL])
    turns.take("people", people.keys(SOURCE, None, email))
    if people.find(email=email) is None:  # where somebody known first came from, a form cannot know
        values.setdefault("source", sent.origin.get("utm_source") or form.name)
    if account := _account(sent, email, now):
        values["account"] = account
    person, _became = people.upsert(values, source=SOURCE, by=None, now=now, policy=Import.Policy.FILL)
    assert person is not None  # this policy passes over nobody
    return person


def _account(sent: Sent, email: str, now: datetime) -> Account | None:
    """The account that somebody's company is; None where none was told, or they are in one already.

    It is found as files find theirs: by the domain of the email, where that is not everybody's; else by its name, but
    not one of another domain. Else it is made.
    """
    name = str(sent.answers.get(COMPANY, "")).strip()
    known = people.find(email=email)
    if not name or (known and known.account_id):
        return None
    told = {"domain": domains.of(email) or None, "name": name}
    turns.take("accounts", accounts.keys(SOURCE, external_id=None, **told))
    return accounts.find(source=SOURCE, **told) or accounts.create(told, source=SOURCE, by=None, now=now)


def _tell(submission: Submission, now: datetime) -> None:
    form = submission.form
    told = submission.origin | {"form": form.slug, "form_name": form.name, "edition": submission.edition.number}
    activities.record(
        submission.person, kind=KIND, at=now, source=SOURCE, now=now, external_id=str(submission.key),
        properties=told, channel=CHANNEL, direction=Activity.Direction.INBOUND.value,
    )  # fmt: skip


def _has_left(person: Person, boxes: Sequence[Box]) -> bool:
    """Whether the person, or whoever had the address before, withdrew: then a box alone does not bring them back."""
    topics = Topic.objects.filter(slug__in=[each.topic for each in boxes])
    withdrew = any(each.said is not None and not each.said.given for each in consent.standing(person, topics))
    return withdrew or bool(consent.find(person.email))


def _agree(person: Person, form: Form, boxes: Sequence[dict[str, Any]], basis: str, now: datetime) -> None:
    topics = {each.slug: each for each in Topic.objects.filter(retired_at=None)}
    source = (_("form “%(form)s”") % {"form": form.name})[: consent.LONGEST_SOURCE]
    for box in boxes:
        if topic := topics.get(box["topic"]):
            said = {"topic": topic, "wording": box["wording"], "source": source}
            consent.give(person, basis=basis, at=now, now=now, **said)


def _ask(submission: Submission, heading: str, now: datetime) -> None:
    """A letter with the link that confirms, unless the address is not to be used, or has had enough of them."""
    person = submission.person
    if any(each.topic is None and each.reason != consent.UNSUBSCRIBED for each in consent.find(person.email)):
        return
    try:
        throttle.claim(throttle.Counted(LETTERS, person.email), now=now)
    except throttle.TooOften:
        return
    lines = [_("Somebody, probably you, sent “%(title)s” with this address.") % {"title": heading}]
    agreeing = _("By confirming you agree to: %(wording)s")
    lines += [agreeing % {"wording": box["wording"]} for box in submission.waits_for]
    lines += [_("If it was not you, do nothing: without your confirmation nothing of it counts.")]
    link = reverse("form_confirm", args=[tokens.made(CONFIRMATION, str(submission.key), now=now)])
    title, body = _("Please confirm your email"), "\n".join(lines)
    notices.tell_subject(person.pk, person.email, CONFIRMATION, title, body, link=link, now=now)

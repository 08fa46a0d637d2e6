"""The letters of messages: what each reader gets, byte by byte, or why there is none."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db.models import Model
from django.utils.html import format_html
from django.utils.translation import gettext as _

from campaigns import mime, personal, rendering, tracking
from campaigns.channels import Outgoing
from campaigns.models import Campaign, ContentVersion, Message, Sender
from campaigns.models.messages import leads_to
from campaigns.rendering import Rendered, ToRender, Unrendered
from kit import installation, notices
from kit.models import Notice, User
from kit.sql import run, sql

Purpose = Message.Purpose
Missing = ContentVersion.Missing
Contexts = Mapping[int, Mapping[str, Any]]  # by person, what a content may say to them


@dataclass(frozen=True)
class Unwritten:
    """Why there is no letter of a message, and what is to become of it.

    `strike`: it is written again, three times at most. `later`: likewise, for it was not its fault. `skip` and `fail`
    are for good: what its content wants when a value is missing.
    """

    reason: str
    then: Literal["strike", "later", "skip", "fail"]


@dataclass(frozen=True)
class _Asked:
    """A message to be written: what is its own, and the objects that it shares with others."""

    pk: uuid.UUID
    purpose: str
    person_id: int | None
    links: list[str] | None
    content_version: ContentVersion | None
    sender: Sender | None
    campaign: Campaign | None
    to_user: User | None
    notice: Notice | None


def write(ids: Sequence[uuid.UUID], now: datetime) -> dict[uuid.UUID, Outgoing | Unwritten]:
    """The letter of each message, as of now. Takes as many queries for two hundred as for one."""
    with installation.remembering():
        return _written(ids, now)


def _written(ids: Sequence[uuid.UUID], now: datetime) -> dict[uuid.UUID, Outgoing | Unwritten]:
    messages = {each.pk: each for each in _asked(ids)}
    contexts = personal.contexts([each.person_id for each in messages.values() if each.person_id], now=now)
    rendered = _rendered(list(messages.values()), contexts, now)
    _remember_links([(messages[pk], told) for pk, told in rendered.items() if isinstance(told, Rendered)])
    return {pk: _letter(messages[pk], told, contexts, now) for pk, told in rendered.items()}


def _asked(ids: Sequence[uuid.UUID]) -> Iterator[_Asked]:
    """What many messages share is fetched once, and is one object; of their readers only `contexts` is asked."""
    found = Message.objects.filter(pk__in=ids).values_list(
        "pk", "purpose", "person_id", "links", "content_version_id", "sender_id", "campaign_id", "to_user_id",
        "notice_id",
    )  # fmt: skip
    own = list(found)

    def shared(column: int, model: type[Model]) -> dict[Any, Any]:
        wanted = {row[column] for row in own} - {None}
        return model._default_manager.in_bulk(wanted) if wanted else {}

    versions, senders = shared(4, ContentVersion), shared(5, Sender)
    campaigns, users, told = shared(6, Campaign), shared(7, User), shared(8, Notice)
    senders |= Sender.objects.in_bulk({each.sender_id for each in campaigns.values()} - {None, *senders})
    for pk, purpose, person_id, links, version_id, sender_id, campaign_id, user_id, notice_id in own:
        campaign = campaigns.get(campaign_id)
        sender = senders.get(sender_id) or (senders.get(campaign.sender_id) if campaign else None)
        yield _Asked(
            pk, purpose, person_id, links, versions.get(version_id), sender, campaign, users.get(user_id),
            told.get(notice_id),
        )  # fmt: skip


def _rendered(messages: Sequence[_Asked], contexts: Contexts, now: datetime) -> dict[uuid.UUID, Rendered | Unrendered]:
    told = {each.pk: _of_notice(each.notice, now) for each in messages if each.notice}
    asked = [
        ToRender(each.pk, each.content_version, contexts.get(each.person_id or 0, {}))
        for each in messages
        if each.content_version and each.pk not in told
    ]
    nothing = Unrendered(_("It has nothing to say: its content is gone."), strike=True)
    return {each.pk: nothing for each in messages} | told | rendering.render(asked)


def _letter(
    message: _Asked, rendered: Rendered | Unrendered, contexts: Contexts, now: datetime
) -> Outgoing | Unwritten:
    if isinstance(rendered, Unrendered):
        return Unwritten(rendered.reason, "strike" if rendered.strike else "later")
    if rendered.missing and (policy := _policy(message)) != Missing.DEFAULT:
        reason = _("no value for %(names)s") % {"names": ", ".join(rendered.missing)}
        return Unwritten(reason, "skip" if policy == Missing.SKIP else "fail")
    sender = message.sender
    if sender is None:
        return Unwritten(_("It has no sender."), "strike")
    recipient, name = _reader(message, contexts)
    if not recipient:
        return Unwritten(_("no address"), "skip")
    try:
        raw = mime.assemble(
            rendered,
            message_id=message.pk,
            sender=sender,
            recipient=recipient,
            name=name,
            addresses=tracking.addresses(message.pk) if message.purpose == Purpose.CAMPAIGN else None,
            campaign=message.campaign.slug if message.campaign else "",
            now=now,
        )
        envelope = mime.checked_address(sender.address), mime.checked_address(recipient)
    except mime.Refused as refused:
        return Unwritten(str(refused), "skip")
    return Outgoing(message.pk, *envelope, raw)


def _policy(message: _Asked) -> str:
    """What becomes of a message with a missing value; a test always comes, because it is to show just that."""
    version = message.content_version
    return version.missing if version and message.purpose == Purpose.CAMPAIGN else Missing.DEFAULT


def _reader(message: _Asked, contexts: Contexts) -> tuple[str, str]:
    """The address and the name of whoever gets it."""
    if message.notice and message.notice.address:
        return message.notice.address, ""
    if message.purpose != Purpose.CAMPAIGN:
        user = message.to_user
        return (user.email, user.name) if user else ("", "")
    person = contexts.get(message.person_id or 0, {}).get("person", {})
    return person.get("email", ""), person.get("name", "")


def _of_notice(notice: Notice, now: datetime) -> Rendered:
    """A notice as mail: its title, its words, what the mail alone says, and a link to where it leads."""
    company = installation.get("company") or "Perennial"
    more = notices.mail_of(notice, now)
    paragraphs = [each for each in (*notice.body.splitlines(), *more.lines) if each.strip()]
    html = format_html("<p><strong>{}</strong></p>", notice.title)
    for each in paragraphs:
        html += format_html("<p>{}</p>", each)
    link = more.link
    text = "\n\n".join([notice.title, *paragraphs, *([link] if link else [])])
    if link:
        html += format_html('<p><a href="{}">{}</a></p>', link, link)
    return Rendered(f"{company}: {notice.title}", "", str(html), text, [], ())


def _remember_links(written: Sequence[tuple[_Asked, Rendered]]) -> None:
    """Where the links of a message lead, when that is another place than for the next reader."""
    own = dict(_own_links(written))
    if own:
        run(
            sql(
                "UPDATE campaigns_message m SET links = told.links::jsonb "
                "FROM unnest({}::uuid[], {}::text[]) told (id, links) WHERE m.id = told.id AND m.state = 'claimed'",
                [str(pk) for pk in own],
                list(own.values()),
            )
        )


def _own_links(written: Sequence[tuple[_Asked, Rendered]]) -> Iterator[tuple[uuid.UUID, str]]:
    for message, rendered in written:
        if message.content_version and rendered.links != leads_to(message.links, message.content_version):
            yield message.pk, json.dumps(rendered.links)

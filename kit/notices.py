"""Telling somebody what happened by itself: a notice is a row, and whoever delivers it finds it."""

from __future__ import annotations

from datetime import datetime

from kit import installation, links
from kit.models import Notice, User


def tell(user: User | None, kind: str, title: str, body: str = "", *, link: str = "", now: datetime) -> int:
    """A notice to a user; to every administrator when that is nobody, or somebody whose access is closed. How many."""
    to = [user] if user is not None and user.is_active else User.objects.filter(role=User.Role.ADMIN, is_active=True)
    made = [Notice(user=each, kind=kind, title=title[:300], body=body, link=link[:300], created_at=now) for each in to]
    return len(Notice.objects.bulk_create(made))


def tell_subject(
    subject_id: int, address: str, kind: str, title: str, body: str = "", *, link: str = "", now: datetime
) -> Notice:
    """A notice to a subject at this address: something that they have asked for, so it needs nobody's consent."""
    told = {"kind": kind, "title": title[:300], "body": body, "link": link[:300], "created_at": now}
    return Notice.objects.create(subject_id=subject_id, address=address, **told)


def leads_to(notice: Notice) -> str:
    """Where the mail of a notice leads, as a whole address; "" for nowhere.

    A link by which somebody chooses a password is made here, while the mail is written, so that no row keeps it.
    """
    if notice.kind == links.KIND and notice.user:
        return links.password(notice.user)
    return installation.address() + notice.link if notice.link.startswith("/") else notice.link

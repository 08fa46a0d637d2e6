"""Telling somebody what happened by itself: a notice is a row, shown in the product and delivered by mail.

Each kind of notices can be wished for in the product, by mail, both ways or neither; what concerns one's own access is
always told. Whoever delivers mail looks for rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone, translation
from django.utils.functional import Promise

from kit import audit, installation, links, zones
from kit.models import Notice, NoticeWish, User

SECURITY = "security"
FIXED = (links.KIND, SECURITY)  # nobody can wish not to be told
Text = str | Promise


@dataclass(frozen=True)
class Mail:
    """What a mail says beyond its notice: lines, and where it leads, as a whole address."""

    lines: Sequence[str]
    link: str


@dataclass(frozen=True)
class Kind:
    """One kind of notices, as its readers choose it. `mail` says what is put into a mail while that is written, so that
    no row keeps a link that opens something, or the names of many."""

    name: str
    label: Text
    mail: Callable[[Notice, datetime], Mail] | None = None


@dataclass(frozen=True)
class Telling:
    """One notice to a user: its words, where it leads, and the one subject that it speaks of, if it names one."""

    user: User
    title: str
    body: str = ""
    link: str = ""
    subject_id: int | None = None


_kinds: dict[str, Kind] = {}


def register(name: str, label: Text, mail: Callable[[Notice, datetime], Mail] | None = None) -> None:
    """Name a kind of notices that can be wished for; call it in `AppConfig.ready`."""
    _kinds[name] = Kind(name, label, mail)


def kinds() -> list[Kind]:
    """The kinds that can be wished for, in the order in which they were named."""
    return list(_kinds.values())


@contextmanager
def written_for(user: User) -> Iterator[None]:
    """Within it words are in the language, and times in the zone, of whoever reads them: work has no reader."""
    with translation.override(user.language or settings.LANGUAGE_CODE), timezone.override(zones.of(user)):
        yield


def tell(user: User | None, kind: str, title: str, body: str = "", *, link: str = "", now: datetime) -> int:
    """A notice to a user; to every administrator when that is nobody, or somebody whose access is closed. How many."""
    to = [user] if user is not None and user.is_active else administrators()
    return tell_each(kind, [Telling(each, title, body, link) for each in to], now=now)


def administrators() -> Sequence[User]:
    """Whom it concerns when it concerns nobody else."""
    return list(User.objects.filter(role=User.Role.ADMIN, is_active=True).order_by("pk"))


def tell_each(kind: str, tellings: Sequence[Telling], *, now: datetime) -> int:
    """Notices of one kind to several users, each as they wish it; how many were written."""
    wishes = {} if kind in FIXED else _wishes(kind, {each.user.pk for each in tellings})
    made = []
    for each in tellings:
        in_app, by_mail = wishes.get(each.user.pk, (True, True))
        if in_app or by_mail:
            made.append(
                Notice(
                    user=each.user, subject_id=each.subject_id, kind=kind, title=each.title[:300], body=each.body,
                    link=each.link[:300], in_app=in_app and kind != links.KIND, by_mail=by_mail, created_at=now,
                )
            )  # fmt: skip
    return len(Notice.objects.bulk_create(made))


def _wishes(kind: str, users: set[int]) -> dict[int, tuple[bool, bool]]:
    found = NoticeWish.objects.filter(kind=kind, user__in=users)
    return {each.user_id: (each.in_app, each.by_mail) for each in found}


def tell_subject(
    subject_id: int, address: str, kind: str, title: str, body: str = "", *, link: str = "", now: datetime
) -> Notice:
    """A notice to a subject at this address: something that they have asked for, so it needs nobody's consent."""
    told = {"kind": kind, "title": title[:300], "body": body, "link": link[:300], "created_at": now}
    return Notice.objects.create(subject_id=subject_id, address=address, **told)


def mail_of(notice: Notice, now: datetime) -> Mail:
    """What a mail says beyond the notice's own words, and where it leads; "" for nowhere.

    A link that opens something is made here, while the mail is written, so that no row keeps it.
    """
    if notice.kind == links.KIND and notice.user:
        return Mail((), links.password(notice.user))
    kind = _kinds.get(notice.kind)
    if kind and kind.mail and notice.user:
        with written_for(notice.user):
            return kind.mail(notice, now)
    return Mail((), installation.address() + notice.link if notice.link.startswith("/") else notice.link)


# ---- reading them ----


def shown(user: User) -> QuerySet[Notice]:
    """What a user finds on the page of notices, the newest first."""
    return Notice.objects.filter(user=user, in_app=True).order_by("-created_at", "-pk")


def unread(user: User) -> int:
    """How many a user has not read."""
    return Notice.objects.filter(user=user, in_app=True, read_at=None).count()


def read(user: User, *, only: int | None = None, now: datetime) -> int:
    """The user has read one of their notices, or all of them; how many were new."""
    mine = Notice.objects.filter(user=user, in_app=True, read_at=None)
    return (mine if only is None else mine.filter(pk=only)).update(read_at=now)


def wishes_of(user: User) -> dict[str, tuple[bool, bool]]:
    """By kind, whether it is wanted in the product and by mail; a kind that is not there is wanted both ways."""
    return {each.kind: (each.in_app, each.by_mail) for each in NoticeWish.objects.filter(user=user)}


def wish(user: User, wanted: dict[str, tuple[bool, bool]], *, now: datetime) -> bool:
    """What a user wants to be told from now on, by kind. False when nothing is different."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        before = {each.name: wishes_of(user).get(each.name, (True, True)) for each in kinds()}
        new = {name: told for name, told in wanted.items() if name in before and before[name] != told}
        for name, (in_app, by_mail) in new.items():
            told = {"in_app": in_app, "by_mail": by_mail}
            NoticeWish.objects.update_or_create(user=user, kind=name, defaults=told)
        if new:
            audit.record("notices.wish", user.email, by=user, now=now, after={"kinds": sorted(new)})
    return bool(new)

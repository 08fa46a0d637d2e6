"""Who may sign in, and as what: inviting, changing, closing and opening again, and choosing a password.

Somebody who can sign in always administers: the verbs that could take the last one away hold all administrators while
they look. Whatever makes somebody less raises their generation, and with that ends their sessions and their links.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from kit import addresses, audit, installation, links, notices, throttle, visitors
from kit.models import Team, User
from kit.sql import Sql, run
from kit.throttle import Counted, Limit

Role = User.Role

# Asking for a link: from one address, and for one email; the second is never told, for it would say who is here.
ASKED_FROM = Limit("link from", 10, timedelta(seconds=30), timedelta(minutes=15), timedelta(hours=1))
ASKED_FOR = Limit("link for", 3, timedelta(minutes=5), timedelta(hours=1), timedelta(days=1))
# Links that are none, from one address.
GUESSED = Limit("link guessed", 20, timedelta(seconds=30), timedelta(minutes=15), timedelta(hours=1))

OWN = ("name", "language", "zone")  # what everybody changes of themselves
GIVEN = ("name", "role", "team", "may_export", "capacity")  # what an administrator changes


class Refused(ValueError):
    """It cannot be done so; the message says why, in the user's words."""


# ---- administrators ----


def first_administrator(email: str, *, name: str = "", now: datetime) -> User:
    """The first who may administer, without a password yet; asked again for nobody else than whoever has not come yet.

    Raises Refused when somebody who can sign in administers already, or for what is no email.
    """
    told = _email(email)
    with transaction.atomic():
        run(Sql("SELECT pg_advisory_xact_lock(hashtext('kit_first_administrator'))"))
        there = [each for each in _administrators() if each.has_usable_password()]
        if there:
            raise Refused(
                _("There is an administrator already (%(who)s), who invites others on the page “Users and roles”.")
                % {"who": there[0].email}
            )
        user, made = User.objects.select_for_update().get_or_create(
            email=told, defaults={"name": name, "role": Role.ADMIN, "invited_at": now, "password": make_password(None)}
        )
        if not made:
            user.role, user.is_active, user.invited_at, user.generation = Role.ADMIN, True, now, user.generation + 1
            user.save(update_fields=["role", "is_active", "invited_at", "generation"])
        audit.record("user.first", user.email, by=None, actor=audit.COMMAND, now=now, after={"role": user.role})
    return user


def anybody() -> bool:
    """Whether anybody at all can sign in."""
    return User.objects.filter(is_active=True).exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX).exists()


def invite(email: str, *, name: str = "", role: str, team: Team | None = None, by: User | None, now: datetime) -> User:
    """Somebody new, with a mail that leads to choosing a password. Raises Refused for an email that is here already."""
    told = _email(email)
    try:
        with transaction.atomic():
            user = User.objects.create(
                email=told, name=name, role=role, team=team, invited_at=now, password=make_password(None)
            )
            after = {"name": name, "role": role, "team": team.name if team else ""}
            audit.record("user.invite", user.email, by=by, now=now, after=after)
            _tell_of_invitation(user, by, now)
    except IntegrityError:
        raise Refused(_("%(email)s is among the users already.") % {"email": told}) from None
    return user


def send_link(user: User, *, by: User | None, now: datetime, actor: str = "") -> User:
    """Send an invitation again, which ends the earlier one; or, to whoever has a password, a link to a new one.

    The user as it is afterwards, for `links.password`. Raises Refused when the access is closed.
    """
    with transaction.atomic():
        held = _held(user)
        if not held.is_active:
            raise Refused(_("This access is closed. Open it again first."))
        if held.has_usable_password():
            audit.record("user.send_link", held.email, by=by, actor=actor, now=now)
            _tell_of_link(held, by, now)
        else:
            held.invited_at, held.generation = now, held.generation + 1
            held.save(update_fields=["invited_at", "generation"])
            audit.record("user.invite_again", held.email, by=by, actor=actor, now=now)
            _tell_of_invitation(held, by, now)
    return held


def change(user: User, values: dict[str, Any], *, by: User | None, now: datetime) -> bool:
    """Write new values of GIVEN. True when one was different; another role ends what the user has open.

    Raises Refused for one's own role, and when nobody who can sign in would administer.
    """
    with transaction.atomic():
        administrators = _administrators()
        held = _held(user)
        new = {key: values[key] for key in GIVEN if key in values and getattr(held, key) != values[key]}
        if not new:
            return False
        before = {key: _told(getattr(held, key)) for key in new}
        if "role" in new:
            if by == held:
                raise Refused(_("Your own role is changed by another administrator."))
            _keep_one(administrators, held)
            new["generation"] = held.generation + 1
        User.objects.filter(pk=held.pk).update(**new)
        after = {key: _told(new[key]) for key in before}
        audit.record("user.change", held.email, by=by, now=now, before=before, after=after)
    return True


def close(user: User, *, by: User | None, now: datetime) -> bool:
    """Close an access: what the user has open ends with the next request. False when it was closed.

    Raises Refused for one's own, and when nobody who can sign in would administer.
    """
    if by == user:
        raise Refused(_("Your own access is closed by another administrator."))
    with transaction.atomic():
        administrators = _administrators()
        held = _held(user)
        if not held.is_active:
            return False
        _keep_one(administrators, held)
        User.objects.filter(pk=held.pk).update(is_active=False, generation=F("generation") + 1)
        audit.record("user.close", held.email, by=by, now=now)
    return True


def reopen(user: User, *, by: User | None, now: datetime) -> bool:
    """Open a closed access again, with the password that it had; old sessions stay over. False when it is open."""
    with transaction.atomic():
        opened = User.objects.filter(pk=user.pk, is_active=False).update(is_active=True, generation=F("generation") + 1)
        if opened:
            audit.record("user.reopen", user.email, by=by, now=now)
    return bool(opened)


def sign_out_everywhere(user: User, *, by: User | None, now: datetime) -> User:
    """End all that a user has open, on every machine. The user as it is afterwards."""
    with transaction.atomic():
        held = _held(user)
        held.generation += 1
        held.save(update_fields=["generation"])
        audit.record("user.sign_out_everywhere", held.email, by=by, now=now)
    return held


# ---- everybody ----


def change_own(user: User, values: dict[str, Any], *, now: datetime) -> bool:
    """Write new values of OWN for the user themselves. True when one was different."""
    with transaction.atomic():
        held = _held(user)
        new = {key: values[key] for key in OWN if key in values and getattr(held, key) != values[key]}
        if new:
            User.objects.filter(pk=held.pk).update(**new)
            before = {key: getattr(held, key) for key in new}
            audit.record("user.profile", held.email, by=user, now=now, before=before, after=new)
    return bool(new)


def be_away(
    user: User, first: date | None, last: date | None, deputy: User | None, *, by: User | None, now: datetime
) -> bool:
    """When the user is out of office, and who stands in for them; without a last day they are here. False when that
    was known. Raises Refused for days in the wrong order, and for a deputy who is themselves.
    """
    if last is None:
        first = deputy = None
    elif first and first > last:
        raise Refused(_("The last day lies before the first one."))
    if deputy == user:
        raise Refused(_("Nobody stands in for themselves. Choose somebody else."))
    with transaction.atomic():
        held = _held(user)
        if (held.out_from, held.out_until, held.deputy_id) == (first, last, deputy.pk if deputy else None):
            return False
        User.objects.filter(pk=held.pk).update(out_from=first, out_until=last, deputy=deputy)
        days = {"from": first.isoformat() if first else "", "until": last.isoformat() if last else ""}
        after = days | {"deputy": deputy.email if deputy else ""}
        audit.record("user.away", held.email, by=by, now=now, after=after)
    return True


def change_password(user: User, password: str, *, now: datetime) -> User:
    """A new password for the user themselves, who has proved the old one. Ends whatever else they have open."""
    with transaction.atomic():
        held = _held(user)
        held.set_password(password)
        held.generation += 1
        held.save(update_fields=["password", "generation"])
        audit.record("user.password_change", held.email, by=user, now=now)
        _tell_of_change(held, now)
    return held


def ask_for_link(email: str, *, address: str, now: datetime) -> None:
    """A visitor has forgotten the password of an email: a mail leads to a new one, if somebody here is called so.

    Says nothing of whether that is so. Raises TooOften for an address that asks too often, whomever for.
    """
    told = addresses.email(email)
    throttle.claim(Counted(ASKED_FROM, visitors.neighbourhood(address)), now=now)
    try:
        throttle.claim(Counted(ASKED_FOR, told or email), now=now)
    except throttle.TooOften:
        return
    user = User.objects.filter(email=told, is_active=True).first()
    with transaction.atomic():
        named = user.email if user else "–"
        audit.record("user.ask_link", named, by=None, actor=audit.VISITOR, now=now, after={"address": address})
        if user:
            _tell_of_link(user, None, now)


def follow_link(user: User | None, token: str, *, address: str, now: datetime) -> bool:
    """Whether a link leads to choosing a password. Raises TooOften for an address that tries many that do not."""
    guess = throttle.claim(Counted(GUESSED, visitors.neighbourhood(address)), now=now)
    good = links.generator.check_token(user, token)
    if good:
        throttle.give_back(guess, now=now)
    return good


def choose_password(user: User, token: str, password: str, *, address: str, now: datetime) -> User:
    """A password by a link, which is used up with it. Ends what the user has open, and the wait after wrong passwords.

    Raises Refused when the link is good no more: of two who use it at once, one does.
    """
    with transaction.atomic():
        held = _held(user)
        if not links.generator.check_token(held, token):
            raise Refused(_("This link has been used, or is too old. Ask for a new one."))
        anew = held.has_usable_password()
        held.set_password(password)
        held.generation += 1
        held.save(update_fields=["password", "generation"])
        audit.record("user.password_set", held.email, by=held, now=now, after={"address": address})
        if anew:
            _tell_of_change(held, now)
        throttle.clear([pair(held.email, address)])
    return held


# ---- what slows guessing down ----

TRIED = Limit("sign-in", 5, timedelta(seconds=30), timedelta(minutes=15), timedelta(days=1))
TRIED_FROM = Limit("sign-in from", 30, timedelta(seconds=5), timedelta(minutes=5), timedelta(hours=1))


def pair(email: str, address: str) -> Counted:
    """An account as tried from an address: whoever guesses slows down their own address, not the account's owner."""
    return Counted(TRIED, f"{email}|{visitors.neighbourhood(address)}")


def from_anywhere_near(address: str) -> Counted:
    """All that is tried from an address, whatever the account."""
    return Counted(TRIED_FROM, visitors.neighbourhood(address))


# ---- within ----


def _email(text: str) -> str:
    told = addresses.email(text)
    if told is None:
        raise Refused(_("“%(text)s” is no email address that mail can be sent to.") % {"text": text[:100]})
    return told


def _administrators() -> list[User]:
    """Whoever administers now, held until the end of the transaction, always in one order."""
    found = User.objects.select_for_update(no_key=True).filter(role=Role.ADMIN, is_active=True)
    return list(found.order_by("pk"))


def _held(user: User) -> User:
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def _keep_one(administrators: list[User], leaving: User) -> None:
    """Raises Refused when nobody else of them can sign in."""
    if leaving.role == Role.ADMIN and leaving.is_active:
        staying = [each for each in administrators if each != leaving and each.has_usable_password()]
        if not staying:
            raise Refused(_("Nobody else who can sign in is an administrator. Make somebody one first."))


def _told(value: Any) -> Any:
    """A value as the trail keeps it."""
    return value.name if isinstance(value, Team) else value


def _tell_of_invitation(user: User, by: User | None, now: datetime) -> None:
    with notices.written_for(user):
        told = {"company": installation.get("company") or "Perennial", "who": str(by) if by else _("Somebody")}
        title = _("You are invited to %(company)s") % told
        body = (
            _("%(who)s invites you to Perennial, where %(company)s follows its leads, customers and partners.") % told
        )
        notices.tell(user, links.KIND, title, f"{body}\n{_how_long(user)}", now=now)


def _tell_of_link(user: User, by: User | None, now: datetime) -> None:
    with notices.written_for(user):
        who = str(by) if by else _("Somebody, perhaps you,")
        body = _("%(who)s asked for a link by which you choose a new password.") % {"who": who}
        if by is None:
            body += "\n" + _("If it was not you, there is nothing to do: your password stays as it is.")
        notices.tell(user, links.KIND, _("Choose a new password"), f"{body}\n{_how_long(user)}", now=now)


def _tell_of_change(user: User, now: datetime) -> None:
    with notices.written_for(user):
        body = _("If that was not you, tell an administrator at once, and ask for a link to a new password.")
        notices.tell(user, notices.SECURITY, _("Your password was changed"), body, now=now)


def _how_long(user: User) -> str:
    span = links.in_words(links.lasts(user))
    return _("The link works once, within %(span)s after this mail was sent.") % {"span": span}

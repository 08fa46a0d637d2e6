"""Signing in with email and password: slowed down, written down, and the same answer for whoever is not here."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth import authenticate
from django.contrib.auth.backends import ModelBackend
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest

from kit import access, addresses, audit, throttle, visitors
from kit.models import Notice, User


class Backend(ModelBackend):
    """Django's own, but that the user of a request comes with how many notices are `unread`, in the same statement."""

    def get_user(self, user_id: int) -> User | None:
        new = Notice.objects.filter(user=OuterRef("pk"), in_app=True, read_at=None).order_by()
        counted = Subquery(new.values("user").annotate(count=Count("pk")).values("count"))
        user = User.objects.annotate(unread=Coalesce(counted, 0)).filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None


def attempt(request: HttpRequest, email: str, password: str, *, now: datetime) -> User | None:
    """The user of this email and password, or None. Raises TooOften before the password is looked at.

    What is tried is counted before it is tried, and given back when it was right. Somebody without access, without a
    password, or not here at all is answered alike, and after the same work.
    """
    told, address = addresses.email(email) or email.strip(), visitors.address(request)
    tried = access.pair(told, address)
    claim = throttle.claim(tried, access.from_anywhere_near(address), now=now)
    user = authenticate(request, username=told, password=password)
    after = {"address": address, "browser": visitors.browser(request)}
    if not isinstance(user, User):
        known = User.objects.filter(email=told).exists()
        # An email that is nobody's is not kept: it may be a password, typed in the wrong place.
        audit.record("user.sign_in_failed", told if known else "–", by=None, actor=audit.VISITOR, now=now, after=after)
        return None
    throttle.give_back(claim, tried, now=now)
    audit.record("user.sign_in", user.email, by=user, now=now, after=after)
    return user

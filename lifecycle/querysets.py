"""Sets of lifecycles and of members, annotated for the pages that show them."""

from __future__ import annotations

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from lifecycle.models import Lifecycle, Membership, Stage, Version

LIVE = [Version.State.PUBLISHING, Version.State.PUBLISHED]


def for_list() -> QuerySet[Lifecycle]:
    """Lifecycles with their live version, newest draft, and how many are in them now and ended their pass."""
    live = Version.objects.filter(lifecycle=OuterRef("pk"), state__in=LIVE)
    draft = Version.objects.filter(lifecycle=OuterRef("pk"), state=Version.State.DRAFT).order_by("-number")
    return Lifecycle.objects.annotate(
        live_number=Subquery(live.values("number")[:1]),
        live_state=Subquery(live.values("state")[:1]),
        draft_number=Subquery(draft.values("number")[:1]),
        open_members=Count("membership", filter=Q(membership__ended_at=None, membership__stage__isnull=False)),
        ended_members=Count("membership", filter=Q(membership__ended_at__isnull=False)),
    ).order_by("species", "name")


def with_members(version: Version) -> QuerySet[Stage]:
    """The stages of a version in order, each with how many are in it now."""
    return version.stages.annotate(members=Count("membership")).order_by("order")


def members(lifecycle: Lifecycle) -> QuerySet[Membership]:
    """Everybody's passes through a lifecycle, with what a list shows of them."""
    return Membership.objects.filter(lifecycle=lifecycle).select_related("person", "account", "stage")

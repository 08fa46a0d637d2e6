"""Sets of lifecycles and of members, annotated for the pages that show them."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from lifecycle.models import Lifecycle, Membership, Stage, Version

LIVE = [Version.State.PUBLISHING, Version.State.PUBLISHED]


def with_versions() -> QuerySet[Lifecycle]:
    """Lifecycles with their live version and newest draft."""
    live = Version.objects.filter(lifecycle=OuterRef("pk"), state__in=LIVE)
    draft = Version.objects.filter(lifecycle=OuterRef("pk"), state=Version.State.DRAFT).order_by("-number")
    return Lifecycle.objects.annotate(
        live_number=Subquery(live.values("number")[:1]),
        live_state=Subquery(live.values("state")[:1]),
        draft_number=Subquery(draft.values("number")[:1]),
    )


def for_list() -> QuerySet[Lifecycle]:
    """The same, and how many are in them now and ended their pass."""
    counted = with_versions().annotate(
        open_members=Count("membership", filter=Q(membership__ended_at=None, membership__stage__isnull=False)),
        ended_members=Count("membership", filter=Q(membership__ended_at__isnull=False)),
    )
    return counted.order_by("species", "name")


def counted(stages: Iterable[Stage]) -> list[Stage]:
    """The stages of one version, each with how many are in it now (`members`), in one statement."""
    found = list(stages)
    of_version = Membership.objects.filter(version__in={each.version_id for each in found}).order_by()
    members = dict(of_version.values_list("stage").annotate(Count("pk")))
    for each in found:
        each.members = members.get(each.pk, 0)  # type: ignore[attr-defined]
    return found


def members(lifecycle: Lifecycle) -> QuerySet[Membership]:
    """Everybody's passes through a lifecycle, with what a list shows of them."""
    return Membership.objects.filter(lifecycle=lifecycle).select_related("person", "account", "stage")

"""Sets of lifecycles and of members, annotated for the pages that show them."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Case, Count, Exists, IntegerField, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Coalesce

from audience.models import Account, Person
from kit.sql import Sql, name, sql
from lifecycle.models import Backtest, Lifecycle, Membership, Stage, Version

LIVE = [Version.State.PUBLISHING, Version.State.PUBLISHED]
BY_SPECIES = Case(*(When(species=each, then=place) for place, each in enumerate(Lifecycle.Species)))
IN_ORDER = (BY_SPECIES, "name", "pk")  # as everywhere: those who are new, customers, partners


def with_versions() -> QuerySet[Lifecycle]:
    """Lifecycles with their live version and newest draft."""
    live = Version.objects.filter(lifecycle=OuterRef("pk"), state__in=LIVE).order_by("state")  # published first
    draft = Version.objects.filter(lifecycle=OuterRef("pk"), state=Version.State.DRAFT).order_by("-number")
    return Lifecycle.objects.annotate(
        live_number=Subquery(live.values("number")[:1]),
        live_state=Subquery(live.values("state")[:1]),
        draft_number=Subquery(draft.values("number")[:1]),
    )


def for_list() -> QuerySet[Lifecycle]:
    """The same, and how many passes of those that count in figures are under way, and have ended."""
    passes = that_count().filter(lifecycle=OuterRef("pk"))
    counted = with_versions().annotate(
        open_members=_number(passes.filter(ended_at=None, stage__isnull=False)),
        ended_members=_number(passes.filter(ended_at__isnull=False)),
    )
    return counted.order_by(*IN_ORDER)


def that_count() -> QuerySet[Membership]:
    """Everybody's passes, without those who are left out of figures (few, and found by their own index) and without
    those of a publication that was taken back."""
    left_out = [
        Exists(of._default_manager.filter(pk=OuterRef(f"{path}_id"), is_excluded=True))
        for of, path in ((Person, "person"), (Account, "account"))
    ]
    kept = Membership.objects.exclude(version__state=Version.State.WITHDRAWN)
    return kept.exclude(left_out[0]).exclude(left_out[1]).order_by()


def left_out(of: str) -> Sql:
    """The ids of the people or accounts that no figure counts: few, and found by their own index."""
    return sql("SELECT id FROM {} WHERE is_excluded", name(f"audience_{of}"))


def _number(passes: QuerySet[Membership]) -> Coalesce:
    counted = passes.values("lifecycle").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def counted(stages: Iterable[Stage]) -> list[Stage]:
    """The stages of one version, each with how many that count are in it now, or have ended in it, in this version or
    in an earlier one (`members`), in one statement."""
    found = list(stages)
    lifecycles = Version.objects.filter(pk__in={each.version_id for each in found}).values("lifecycle")
    members = dict(that_count().filter(lifecycle__in=lifecycles).values_list("stage__slug").annotate(Count("pk")))
    for each in found:
        each.members = members.get(each.slug, 0)  # type: ignore[attr-defined]
    return found


def members(lifecycle: Lifecycle) -> QuerySet[Membership]:
    """Everybody's passes through a lifecycle, with what a list shows of them."""
    counting = Membership.objects.filter(lifecycle=lifecycle).exclude(version__state=Version.State.WITHDRAWN)
    return counting.select_related("person", "account", "stage")


def backtests() -> QuerySet[Backtest]:
    """Backtests with what their pages show of them."""
    return Backtest.objects.select_related("version__lifecycle", "against__lifecycle", "swept", "job", "created_by")

"""What a new partner, or we for it, have to do: written down on approval, done by hand or by what happens."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from audience.activity import activities
from audience.models import Account, Activity
from kit import audit
from kit.models import User
from kit.sql import run, sql
from lifecycle.models import ChecklistItem, Programme
from lifecycle.partners import kinds


def begin(programme: Programme, account: Account, *, now: datetime) -> int:
    """Write down every step of the programme for a partner that has none of it yet; how many."""
    return run(
        sql(
            """INSERT INTO lifecycle_checklistitem (step_id, account_id, due_on, created_at)
               SELECT id, {}, {}::date + days, {} FROM lifecycle_programmestep
               WHERE programme_id = {} AND retired_at IS NULL ON CONFLICT (account_id, step_id) DO NOTHING""",
            account.pk,
            timezone.localdate(now),
            now,
            programme.pk,
        )
    )


def of(account: Account) -> QuerySet[ChecklistItem]:
    """What an account has to do and has done, in the order of the programme."""
    return (
        ChecklistItem.objects.filter(account=account)
        .select_related("step__programme__lifecycle", "done_by")
        .order_by("step__programme", "step__position", "pk")
    )


def is_late(item: ChecklistItem, today: date) -> bool:
    """Whether it should have been done by now."""
    return item.done_at is None and item.due_on < today


@transaction.atomic
def do(item: ChecklistItem, *, by: User | None, now: datetime) -> bool:
    """It is done. Where the step says what happens by it, that has happened. False when it was done already."""
    if not ChecklistItem.objects.filter(pk=item.pk, done_at=None).update(done_at=now, done_by=by):
        return False
    if item.step.kind:
        number = _told(item).count()
        activities.record(
            item.account, kind=item.step.kind, at=now, source=kinds.SOURCE, now=now,
            external_id=f"{item.pk}:item:{number}", properties={"step": item.step.name},
        )  # fmt: skip
    after = {"subject": item.account_id, "step": item.step.name}
    audit.record("partner.step_done", str(item.account), by=by, now=now, after=after)
    item.refresh_from_db()
    return True


@transaction.atomic
def reopen(item: ChecklistItem, *, by: User | None, now: datetime) -> bool:
    """It is not done after all; what was told by that is taken back. False when it is open."""
    if not ChecklistItem.objects.filter(pk=item.pk).exclude(done_at=None).update(done_at=None, done_by=None):
        return False
    # What the file or the hand of somebody else told would have it done again at once.
    ChecklistItem.objects.filter(pk=item.pk).update(created_at=now)
    activities.reverse(sql("SELECT x.id FROM audience_activity x WHERE x.id = ANY ({}::bigint[])", _ids(item)), now=now)
    after = {"subject": item.account_id, "step": item.step.name}
    audit.record("partner.step_open", str(item.account), by=by, now=now, after=after)
    item.refresh_from_db()
    return True


def notice(now: datetime) -> int:
    """Items of which it has happened since they were written down are done, on the day that it did; how many."""
    return run(
        sql(
            """
            UPDATE lifecycle_checklistitem item SET done_at = first.at
            FROM (
                SELECT open.id, min(x.occurred_at) AS at
                FROM lifecycle_checklistitem open
                JOIN lifecycle_programmestep step ON step.id = open.step_id AND step.kind <> ''
                JOIN audience_activitykind kind ON kind.slug = step.kind
                JOIN audience_activity x ON x.account_id = open.account_id AND x.kind_id = kind.id
                    AND x.occurred_at >= open.created_at AND x.occurred_at < {}
                    AND x.reversal_of_id IS NULL AND NOT {}
                WHERE open.done_at IS NULL GROUP BY open.id) first
            WHERE item.id = first.id AND item.done_at IS NULL
            """,
            now + timedelta(microseconds=1),
            activities.is_reversed("x"),
        )
    )


def _told(item: ChecklistItem) -> QuerySet[Activity]:
    return Activity.objects.filter(source=kinds.SOURCE, external_id__startswith=f"{item.pk}:item:", reversal_of=None)


def _ids(item: ChecklistItem) -> list[int]:
    return list(_told(item).values_list("pk", flat=True))

"""What users are asked to do: given, done, opened again, removed and taken back; `tasks.py` is the queue’s name."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from kit import audit, forms, registry, rights
from kit.models import Task, User

SHOWN = 6  # tasks on the home page
MOST = 50  # open ones that a profile shows, and as many done
KEPT = timedelta(days=30)  # for which a removed task can be taken back
FIELDS = ("title", "body", "assigned_to", "due_on")


def there() -> QuerySet[Task]:
    """Every task that was not removed, with those it concerns."""
    return Task.objects.filter(removed_at=None).select_related("assigned_to", "done_by", "created_by")


def seen(tasks: QuerySet[Task], user: Any) -> QuerySet[Task]:
    """The tasks that a user sees: about subjects whom they see, and whatever they or their team gave or were given."""
    about = registry.seen(tasks, user)
    if about is tasks:
        return tasks
    theirs = Q(assigned_to=user) | Q(created_by=user)
    if getattr(user, "team_id", None):
        theirs |= Q(team=user.team_id) | Q(created_by__team=user.team_id)
    return tasks.filter(theirs | Q(pk__in=about.order_by().values("pk")))


def open_of(user: User) -> QuerySet[Task]:
    """What a user has still to do, by day, what has no day last."""
    return by_day(there().filter(assigned_to=user, done_at=None))


def by_day(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """In the order in which they are due, what has no day last."""
    return tasks.order_by(F("due_on").asc(nulls_last=True), "pk")


def add(
    title: str,
    *,
    by: User | None,
    now: datetime,
    subject_id: int | None = None,
    assigned_to: User | None = None,
    due_on: date | None = None,
    body: str = "",
) -> Task:
    """Ask somebody to do something, by a day of their own calendar; the user's team is asked with them."""
    task = Task.objects.create(
        title=title,
        body=body,
        subject_id=subject_id,
        assigned_to=assigned_to,
        team_id=assigned_to.team_id if assigned_to else None,
        due_on=due_on,
        created_by=by,
        created_at=now,
    )
    _audit("task.add", task, by, now)
    return task


@transaction.atomic
def change(task: Task, values: dict[str, Any], *, by: User | None, now: datetime) -> bool:
    """Write new values of FIELDS. True when anything was different."""
    held = Task.objects.select_for_update().get(pk=task.pk)
    told = {name: values[name] for name in FIELDS if name in values and getattr(held, name) != values[name]}
    if not told or held.removed_at:
        return False
    if "assigned_to" in told:
        told["team_id"] = told["assigned_to"].team_id if told["assigned_to"] else None
    Task.objects.filter(pk=task.pk).update(**told)
    _audit("task.change", task, by, now, {"columns": sorted(told)})
    return True


def finish(task: Task, *, by: User | None, now: datetime) -> bool:
    """It is done. False when it was already: of two, one did it."""
    won = Task.objects.filter(pk=task.pk, done_at=None, removed_at=None).update(done_at=now, done_by=by)
    if won:
        _audit("task.done", task, by, now)
    return bool(won)


def reopen(task: Task, *, by: User | None, now: datetime) -> bool:
    """It is not done after all. False when it is open."""
    won = Task.objects.filter(pk=task.pk, done_at__isnull=False).update(done_at=None, done_by=None)
    if won:
        _audit("task.reopen", task, by, now)
    return bool(won)


def remove(task: Task, *, by: User | None, now: datetime) -> bool:
    """Take a task off everybody's list; it can be taken back for a while. False when it was gone already."""
    gone = Task.objects.filter(pk=task.pk, removed_at=None).update(removed_at=now)
    if gone:
        _audit("task.remove", task, by, now)
    return bool(gone)


def restore(task: Task, *, by: User | None, now: datetime) -> bool:
    """Put a removed task back. False when it is there."""
    back = Task.objects.filter(pk=task.pk, removed_at__isnull=False).update(removed_at=None)
    if back:
        _audit("task.restore", task, by, now)
    return bool(back)


def forget(before: datetime) -> int:
    """Delete for good what was removed before an instant; how many."""
    return Task.objects.filter(removed_at__lt=before).delete()[0]


def described(tasks: Iterable[Task], user: Any, now: datetime, *, named: bool = True) -> list[Task]:
    """With what a page says of each to a user: `about` (the name and address of a subject whom they see), `days` late
    (0: today, None: no day).

    Not `named`: for the page of the one subject that they are about.
    """
    shown, today = list(tasks), timezone.localdate(now)
    names = registry.named({task.subject_id for task in shown if task.subject_id}, user) if named else {}
    for task in shown:
        task.about = names.get(task.subject_id or 0)  # type: ignore[attr-defined]
        task.days = (today - task.due_on).days if task.due_on and not task.done_at else None  # type: ignore[attr-defined]
    return shown


def panel(subject: Any, request: HttpRequest, now: datetime) -> dict[str, Any]:
    """The panel of a profile: what is to be done about the subject, and what was."""
    mine = there().filter(subject_id=subject.pk)
    done = list(mine.exclude(done_at=None).order_by("-done_at", "-pk")[:MOST])
    return {
        "subject": subject,
        "tasks": described(by_day(mine.filter(done_at=None))[:MOST], request.user, now, named=False),
        "done": done,
        "form": forms.Task(auto_id="task-%s", initial={"assigned_to": request.user.pk}),
        "may_note": rights.may(request.user, "note"),
    }


def home(_subject: None, request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """The panel of the home page: what is due; nothing for whoever has nothing to do."""
    if not isinstance(request.user, User):
        return None
    mine, today = open_of(request.user), timezone.localdate(now)
    first = described(mine[: SHOWN + 1], request.user, now)
    if not first:
        return None
    return {
        "tasks": first[:SHOWN],
        "more": len(first) > SHOWN,
        "overdue": mine.filter(due_on__lt=today).count(),
        "today": mine.filter(due_on=today).count(),
        "open": mine.count(),
        "may_note": rights.may(request.user, "note"),
    }


def _audit(action: str, task: Task, by: User | None, now: datetime, more: dict[str, Any] | None = None) -> None:
    """The trail names the task and its subject; the words stand in the task alone, where erasure finds them."""
    after = {"task": task.pk, "subject": task.subject_id} | (more or {})
    audit.record(action, f"task {task.pk}", by=by, now=now, after=after)

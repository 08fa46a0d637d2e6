"""What can be done to the chosen rows of a list: each app registers its own; few rows at once, many as long work.

    bulk.register("person", bulk.Action("tag", _("Add tags"), "tag", "note", read=…, run=…, undo=…))

`run` is one statement over a set. What it did is taken back by the instants at which it was done, so that a set of a
million needs no list of who was in it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core import signing
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from kit import audit, jobs, registry, rights
from kit.models import Job, User
from kit.sql import Sql, name, run, sql, value

AT_ONCE = 2_000  # rows; more are long work
CHUNK = 5_000  # rows of one transaction of long work
JOB = "bulk"
SALT = "kit.bulk"

Text = str | Promise
Data = dict[str, Any]  # what was said beside the choice of rows: goes through JSON


class Refused(ValueError):
    """It cannot be done so; the message says why, in the user's words."""


def _nothing(data: Mapping[str, str]) -> Data:
    return {}


def _silent(data: Data) -> str:
    return ""


def _not_here(*_given: Any, **_named: Any) -> int:
    return 0


def _done(count: int, data: Data) -> str:
    return ""


def _shows_nothing(rows: QuerySet[Any]) -> list[str]:
    return []


def _none(request: HttpRequest) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Action:
    """One thing that can be done to many rows.

    `read(form)` makes what was said out of the form's fields (raises Refused); `run(subjects, data, by=, now=)` does it
    to the statement `subjects` (yields `subject_id`) and gives the number of changes; `told(count, data)` says it.
    `undo(data, instants, by=, now=)` takes back what was done at those instants; None: it cannot be taken back.
    `says(data)`: what was said beside the choice of rows, in words, before it is done.
    `leads(rows)`: the address of the page on which it is done, for what is not done here (raises Refused).
    `template` draws the fields, whose names begin with the action's, out of `context(request)`.
    `typed`: the number of rows is typed before it is done, however few, below what `shows(rows)` says of them.
    More than `at_once` are long work, `chunk` of them at a time (None: as many as usual); with `own_transactions` `run`
    makes its own, and can be repeated without doing anything twice (raises Refused for what has to wait).
    """

    name: str
    label: Text
    icon: str
    right: str
    run: Callable[..., int] = _not_here
    told: Callable[[int, Data], str] = _done
    read: Callable[[Mapping[str, str]], Data] = _nothing
    undo: Callable[..., int] | None = None
    template: str = ""
    context: Callable[[HttpRequest], dict[str, Any]] = _none
    says: Callable[[Data], str] = _silent
    leads: Callable[[QuerySet[Any]], str] | None = None
    typed: bool = False
    shows: Callable[[QuerySet[Any]], list[str]] = _shows_nothing
    at_once: int | None = None
    chunk: int | None = None
    own_transactions: bool = False

    def is_long(self, count: int) -> bool:
        """Whether so many rows are long work."""
        return count > (AT_ONCE if self.at_once is None else self.at_once)


@dataclass(frozen=True)
class Done:
    """What came of it: a sentence, and the mark by which it is taken back ("" when it cannot be)."""

    told: str
    undo: str = ""
    job: Job | None = None


_actions: dict[str, dict[str, Action]] = {}


def register(of: str, action: Action) -> None:
    """Add an action to the lists of one sort of rows ("person"); call it in `AppConfig.ready`."""
    _actions.setdefault(of, {})[action.name] = action


def actions(of: str, user: Any) -> list[Action]:
    """What a user may do to rows of this sort, in the order of registration."""
    return [action for action in _actions.get(of, {}).values() if rights.may(user, action.right)]


def find(of: str, name: str) -> Action | None:
    """The action of that name; None when there is none."""
    return _actions.get(of, {}).get(name)


def do(of: str, action: Action, rows: QuerySet[Any], data: Data, *, count: int, by: User | None, now: datetime) -> Done:
    """Do it to the `count` rows of a query: at once, or as long work when they are many."""
    query, params = rows.order_by().values("pk").query.sql_with_params()
    if action.is_long(count):
        return _later(of, action, Sql(query, tuple(params)), data, count, by, now)
    subjects = sql("SELECT id AS subject_id FROM ({}) chosen (id)", Sql(query, tuple(params)))
    with transaction.atomic():
        changed = action.run(subjects, data, by=by, now=now)
    return Done(action.told(changed, data), _mark(of, action, data, [now], by) if changed else "")


def take_back(mark: str, user: Any, *, now: datetime) -> int:
    """Take back what a mark stands for; how many changes. Raises Refused for a mark that is none, or without right.

    What somebody else did is taken back only by those who see all whom it may have been done to.
    """
    try:
        of, asked, data, instants, by = signing.loads(mark, salt=SALT)
    except (signing.BadSignature, ValueError) as forged:
        raise Refused(_("This can no longer be taken back.")) from forged
    action = find(of, asked)
    theirs = isinstance(user, User) and (user.pk == by or registry.sees_everything(user))
    if action is None or action.undo is None or not theirs or not rights.may(user, action.right):
        raise Refused(_("This can no longer be taken back, or your role may not do it."))
    with transaction.atomic():
        return action.undo(data, [datetime.fromisoformat(each) for each in instants], by=user, now=now)


def work(held: jobs.Held) -> dict[str, Any]:
    """The long work: chunk by chunk, each with the instant at which it was done."""
    payload = held.payload
    action = find(payload["of"], payload["action"])
    if action is None:
        raise jobs.Refused(_("This version does not know what was asked for."))
    table, total = _table(payload["table"]), payload["count"]
    after, changed = held.cursor.get("after", 0), held.cursor.get("changed", 0)
    instants = held.cursor.get("instants", [])
    if held.now.isoformat() not in instants:
        instants = [*instants, held.now.isoformat()]
    lot = action.chunk or CHUNK
    while after < total:
        chosen = sql("SELECT id AS subject_id FROM {} WHERE n > {} AND n <= {}", table, after, after + lot)
        if action.own_transactions:
            try:
                changed += action.run(chosen, payload["data"], by=held.job.created_by, now=held.now)
            except Refused as refused:
                raise jobs.Refused(str(refused)) from refused
        with transaction.atomic():
            if not action.own_transactions:
                changed += action.run(chosen, payload["data"], by=held.job.created_by, now=held.now)
            after += lot
            held.progress(
                rows_done=min(after, total),
                rows_total=total,
                cursor={"after": after, "changed": changed, "instants": instants},
            )
    told = action.told(changed, payload["data"])
    at = [datetime.fromisoformat(each) for each in instants]
    return {
        "told": told,
        "undo": _mark(payload["of"], action, payload["data"], at, held.job.created_by) if changed else "",
    }


def tidy(job: Job) -> None:
    """The list of rows goes when all of it is done; failed or cancelled work may be taken up again, and needs it."""
    if Job.objects.filter(pk=job.pk, state=Job.State.DONE).exists():
        run(sql("DROP TABLE IF EXISTS {}", _table(job.payload["table"])))


def _later(of: str, action: Action, chosen: Sql, data: Data, count: int, by: User | None, now: datetime) -> Done:
    """The rows are written down as they are now: whoever fits the filter later is not among them."""
    told = uuid.uuid4().hex
    table = _table(told)
    with transaction.atomic():
        run(
            sql(
                "CREATE UNLOGGED TABLE {} AS SELECT row_number() OVER (ORDER BY id) AS n, id FROM ({}) chosen (id)",
                table,
                chosen,
            )
        )
        run(sql("CREATE INDEX ON {} (n)", table))
        exact = int(value(sql("SELECT count(*) FROM {}", table)))
        payload = {"of": of, "action": action.name, "data": data, "table": told, "count": exact}
        title = f"{action.label}: {exact:,}"
        job = jobs.enqueue(JOB, payload, by=by, now=now, title=title)
        audit.record("bulk.ask", title, by=by, now=now, after={"rows": exact, **data})
    return Done(_("This takes a while; here is how far it is."), job=job)


def _table(told: str) -> Sql:
    return Sql(f"work.{name(f'bulk_{told}').text}")


def _mark(of: str, action: Action, data: Data, instants: Sequence[datetime], by: User | None) -> str:
    if action.undo is None:
        return ""
    told = [of, action.name, data, [each.isoformat() for each in instants], by.pk if by else None]
    return signing.dumps(told, salt=SALT)

"""A file of any kind whose import is killed while it writes ends like one that was not, and is rolled back like it."""

from __future__ import annotations

import re
import signal
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.apps import apps
from django.db.models import Model

from audience import importing
from audience.importing import rollback
from audience.models import Import, ImportTrace
from campaigns.models import Campaign, Enrollment
from kit import jobs, leases
from kit.models import Job
from kit.registry import registry
from lifecycle.models import Membership, Movement
from tests import emptying, factories
from tests.audience.importing.bringing import NOW, counts
from tests.audience.importing.killing import in_a_process

ROWS = range(1, 7)
AT_ONCE = 2  # rows
SECOND_RANGE = 9  # begun, three batches, all read, compared, referred to, a range, another
NEVER = 0

# One file of each kind, in an order in which each finds what it speaks of; `{n}` is the number of the row.
FILES = {
    "people": "external_id,email,first_name,account_name,account_role|{n},p{n}@x.example,Pat {n},Firm {n},buyer",
    "accounts": "external_id,name,domain,parent|{n},Firm {n},firm{n}.example,Holding",
    "products": "external_id,name,family,price|{n},Saw {n},Tools,{n}.50",
    "activities": "external_id,person_email,kind,occurred|{n},p{n}@x.example,visit,2025-03-0{n}",
    "activity_people": "activity,person_email|later,p{n}@x.example",
    "deals": "external_id,name,person_email,product,stage,created|{n},Deal {n},p{n}@x.example,Saw {n},Talk,2025-01-0{n}",
    "deal_accounts": "deal,account_name|{n},Firm {n}",
    "deal_lines": "deal,product,quantity|{n},Blade {n},{n}",
    "deal_roles": "deal,person_email,role|{n},p{n}@x.example,champion",
    "deal_stages": "deal,stage,occurred|{n},Offer,2025-02-0{n}T10:00:00Z",
    "account_roles": "person_email,account_name,role|p{n}@x.example,Holding,adviser",
    "purchases": "external_id,person_email,product,occurred,amount|{n},p{n}@x.example,Saw {n},2025-04-0{n},{n}",
    "contracts": "external_id,account_name,product,starts_on,annual_value|{n},Firm {n},Saw {n},2025-01-0{n},{n}00",
    "contract_amendments": "contract,valid_from,annual_value|{n},2025-05-0{n},{n}50",
    "cases": "external_id,title,person_email,opened|{n},Broken {n},p{n}@x.example,2025-05-0{n}",
    "costs": "external_id,channel,starts_on,amount|{n},web,2025-05-0{n},{n}00",
    "exchange_rates": "currency,day,rate|USD,2025-05-0{n},0.9{n}",
    "consents": "person_email,given,occurred|p{n}@x.example,yes,2025-05-0{n}",
    "suppressions": "email,reason|away{n}@x.example,complained",
    "stage_movements": "person_email,lifecycle,stage,occurred|p{n}@x.example,small,known,2025-05-0{n}",
    "campaign_members": "person_email,campaign,assigned,arm|p{n}@x.example,Spring,2025-05-0{n},treatment",
}
NEVER_THE_SAME = {"pk", "subject_id", "path", "marked_at", "xid", "finished_at"}
# Numbers of rows in texts: an activity of several is one of each of its people, by the number of what says so.
NUMBERED = re.compile(r"(?<=later:)\d+")


def file_of(kind: str) -> tuple[bytes, dict[str, str]]:
    header, _bar, row = FILES[kind].partition("|")
    return "\n".join([header, *(row.format(n=n) for n in ROWS)]).encode(), {each: each for each in header.split(",")}


def begin(kind: str) -> Import:
    content, mapping = file_of(kind)
    return importing.start(BytesIO(content), kind, mapping=mapping, source="crm", by=None, now=NOW, name=f"{kind}.csv")


def tell_of_nobody() -> None:
    """An activity that does not say whose it is, which the file of its people waits for."""
    content = b"external_id,kind,occurred\nlater,webinar,2025-03-09\n"
    mapping = {each: each for each in ("external_id", "kind", "occurred")}
    file = importing.start(
        BytesIO(content), "activities", mapping=mapping, source="crm", by=None, now=NOW, name="a.csv"
    )
    assert jobs.run(file.job_id or 0, NOW)


def everything() -> dict[str, list[str]]:
    """All rows of all tables of the audience and of what else files write, without their numbers: those that were taken
    back are gone. Whom a row speaks of is told by that row's own words."""
    models = [each for each in apps.get_app_config("audience").get_models() if each is not ImportTrace]
    models += [Membership, Movement, Campaign, Enrollment]
    held = {
        model: {row["pk"]: row for row in model._default_manager.values("pk", *_columns(model))} for model in models
    }
    said = {model: {pk: _own_words(model, row) for pk, row in rows.items()} for model, rows in held.items()}
    return {
        model.__name__: sorted(
            str((said[model][pk], [_of(said, field, row[field.attname]) for field in _references(model)]))
            for pk, row in rows.items()
        )
        for model, rows in held.items()
    }


def _columns(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields if not field.primary_key]


def _references(model: type[Model]) -> list[Any]:
    return [field for field in model._meta.concrete_fields if field.remote_field and not field.primary_key]


def _own_words(model: type[Model], row: dict[str, Any]) -> list[tuple[str, str]]:
    of_others = {*NEVER_THE_SAME, *(field.attname for field in _references(model))}
    words = {name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()}
    return [(name, NUMBERED.sub("", str(value))) for name, value in words.items() if name not in of_others]


def _of(said: dict[type[Model], dict[int, Any]], field: Any, pk: int | None) -> Any:
    """What a row that is referred to says of itself; of rows of other tables that there is one."""
    if pk is None or field.remote_field.model not in said:
        return pk is not None
    return said[field.remote_field.model][pk]


def told(lines: list[rollback.Line]) -> list[tuple[str, bool, int, dict[str, int]]]:
    return [(each.table, each.values, each.goes, dict(each.stays)) for each in lines]


def bring_all(fatal: int, when: str) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """All files, each killed at that step and gone on with; what is there then, and what rolling each back would do."""
    goes = {}
    factories.published()
    for kind in FILES:
        if kind == "activity_people":
            tell_of_nobody()
        imported = begin(kind)
        job = imported.job_id or 0
        ended = in_a_process(job, fatal, when, AT_ONCE)
        assert ended.returncode == (-signal.SIGKILL if fatal else 0), (kind, ended)
        if fatal:
            held = Job.objects.get(pk=job)
            assert held.state == Job.State.RUNNING and held.cursor["phase"] == "write", kind
            assert held.cursor["written"] == (AT_ONCE if when == "before" else 2 * AT_ONCE), (kind, held.cursor)
            Job.objects.filter(pk=job).update(lease_until=leases.until(-timedelta(seconds=1)))
            assert jobs.run(job, NOW)
        imported.refresh_from_db()
        assert imported.finished_at, (kind, Job.objects.get(pk=job).error)
        done = counts(imported)
        assert done["rows"] == done.get("created", 0) + done.get("updated", 0) == len(ROWS), (kind, done)
        goes[kind] = told(rollback.preview(imported, now=NOW))
    return everything(), goes


def test_every_kind_has_its_file_here() -> None:
    assert set(FILES) == set(registry.import_kinds)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_it_writes_a_file_of_any_kind_ends_like_one_that_was_not(when: str) -> None:
    whole, goes = bring_all(NEVER, "never")
    emptying.emptied(None)
    killed, gone = bring_all(SECOND_RANGE, when)
    for name, rows in whole.items():
        assert killed[name] == rows, name
    assert gone == goes

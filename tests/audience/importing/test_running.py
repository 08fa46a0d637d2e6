"""An import goes on where it was interrupted, and ends as if it had not been."""

from __future__ import annotations

import signal
import threading
import tracemalloc
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.db import connection

from audience import importing
from audience.importing import Refused, reading, running, sniffing
from audience.models import Import, Person, Reject
from kit import jobs, leases
from kit.models import Job
from kit.sql import Sql, dicts, rows, sql
from tests.audience.importing.bringing import NOW, bring, counts
from tests.audience.importing.killing import in_a_process

LATER = NOW + timedelta(days=1)
HEADER = "id,email,title,company,website,role,size,first seen\n"


def first_file() -> str:
    return HEADER + "".join(f"{n},p{n}@x.de,CEO,Acme {n % 7},,buyer,{n},2024-01-01\n" for n in range(60))


def second_file() -> str:
    lines = [f"{n},p{n}@x.de,{'CTO' if n % 3 else 'CEO'},Acme {n % 9},,user,{n},2023-01-01\n" for n in range(40, 130)]
    lines += ["131,p131@x.de,,,,,no number,\n", "short\n", "132,not an email,,,,,1,\n", "45,p46@x.de,,,,,1,\n"]
    lines += ["50,p50@x.de,Buyer,Newest,newest.example,,7,\n"]
    return HEADER + "".join(lines)


MAPPING = {
    "id": "external_id", "email": "email", "title": "title", "company": "account_name", "website": "account_domain",
    "role": "account_role", "size": "custom.size:number", "first seen": "first_seen",
}  # fmt: skip

# Every table an import writes, its subjects by what they are called, so that ids need not be equal.
WHO = "(SELECT coalesce(nullif(p.email, ''), i.external_id) FROM audience_person p LEFT JOIN audience_identity i ON i.person_id = p.id WHERE p.id = {} LIMIT 1)"
FIRM = "(SELECT a.name || a.domain FROM audience_account a WHERE a.id = {})"
TABLES = {
    "people": f"SELECT to_jsonb(x) - 'id' - 'account_id' AS told, {FIRM.format('x.account_id')} FROM audience_person x",
    "accounts": "SELECT to_jsonb(x) - 'id' AS told FROM audience_account x",
    "identities": f"SELECT system, kind, external_id, created_at, {WHO.format('x.person_id')}, {FIRM.format('x.account_id')} FROM audience_identity x",
    "roles": f"SELECT role, {WHO.format('x.person_id')}, {FIRM.format('x.account_id')} FROM audience_accountrole x",
    "changes": f"SELECT field, CASE WHEN field = 'account' THEN {FIRM.format('x.old::bigint')} ELSE old END, source, occurred_at, recorded_at, {WHO.format('x.person_id')} FROM audience_fieldchange x",
    "fields": "SELECT of, slug, label, type FROM audience_field",
    "rejects": 'SELECT row, "column", reason, raw FROM audience_reject',
    "imports": "SELECT file_name, counts, finished_at IS NOT NULL FROM audience_import",
    "audit": "SELECT action, target, at, after - 'import' FROM kit_auditentry",
    "work": "SELECT tablename FROM pg_tables WHERE schemaname = 'work'",
}


def everything() -> dict[str, list[str]]:
    return {name: sorted(map(str, rows(Sql(query.replace("%", "%%"))))) for name, query in TABLES.items()}


def wipe() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL perennial.emptying = on; TRUNCATE audience_person, audience_account, audience_identity, "
            "audience_accountrole, audience_fieldchange, audience_field, audience_reject, audience_import, kit_auditentry, kit_job, kit_hint CASCADE"
        )


def ask_for_second() -> Import:
    return importing.start(
        BytesIO(second_file().encode()), "people", mapping=MAPPING, source="crm", by=None, now=LATER, name="second.csv"
    )


@pytest.mark.django_db(transaction=True)
def test_an_import_killed_in_any_phase_ends_like_one_that_was_not() -> None:
    def begin() -> Import:
        wipe()
        bring(first_file(), mapping=MAPPING)
        return ask_for_second()

    whole = in_a_process(begin().job_id or 0, 0, "never")
    assert whole.returncode == 0, whole.stderr
    steps = whole.stdout
    unkilled = everything()
    assert steps == 12  # begin, 3 batches, all read, compared, referred to, 3 ranges, all written, finished
    assert unkilled["rejects"] and unkilled["changes"] and not unkilled["work"]
    for fatal in range(1, steps + 1):
        when = "before" if fatal % 2 else "after"
        imported = begin()
        killed = in_a_process(imported.job_id or 0, fatal, when)
        assert killed.returncode == -signal.SIGKILL, (fatal, killed.stderr)
        Job.objects.update(lease_until=leases.until(-timedelta(seconds=1)))  # its lease runs out
        assert jobs.run(imported.job_id or 0, LATER)
        assert everything() == unkilled, (fatal, when)


@pytest.mark.django_db(transaction=True)
def test_tables_that_a_crash_of_the_database_emptied_are_filled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "WRITTEN_AT_ONCE", 40)
    bring(first_file(), mapping=MAPPING)
    imported = ask_for_second()
    child = in_a_process(imported.job_id or 0, 7, "after")
    assert child.returncode == -signal.SIGKILL
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE work.import_{imported.pk}_rows, work.import_{imported.pk}_plan")
    Job.objects.update(lease_until=leases.until(-timedelta(seconds=1)))
    jobs.run(imported.job_id or 0, LATER)
    imported.refresh_from_db()
    assert counts(imported) == {
        "rows": 95, "created": 70, "updated": 20, "repeated": 1, "rejected": 4, "accounts_created": 3,
    }  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_somebody_else_writing_the_same_person_meanwhile_is_no_harm() -> None:
    people = importing.kind_of("people")
    write = people.write

    def rival() -> None:
        Person.objects.create(email="a@x.de", first_seen_at=NOW)
        connection.close()

    def late(work: Any, after: int, last: int) -> Any:
        if not Person.objects.exists():
            thread = threading.Thread(target=rival)
            thread.start()
            thread.join()
        return write(work, after, last)

    # The rival writes between comparing and writing: the narrowest place, which no timing would hit every time.
    object.__setattr__(people, "write", late)
    try:
        imported = bring("email,first name\na@x.de,Ann\nb@x.de,Bob\n")
    finally:
        object.__setattr__(people, "write", write)
    assert counts(imported) == {"rows": 2, "created": 1, "updated": 1}
    assert Person.objects.get(email="a@x.de").first_name == "Ann"


@pytest.mark.django_db
def test_a_cancelled_import_leaves_no_tables_and_may_be_retried() -> None:
    imported = importing.start(BytesIO(b"email\na@x.de\n"), "people", mapping=None, source="x", by=None, now=NOW)
    assert jobs.cancel(imported.job_id or 0)
    assert not jobs.run(imported.job_id or 0, NOW)
    assert not Person.objects.exists()
    assert jobs.retry(imported.job_id or 0)
    jobs.run(imported.job_id or 0, NOW)
    assert Person.objects.count() == 1


@pytest.mark.django_db
def test_after_a_dry_run_the_same_upload_is_brought_in_and_only_once() -> None:
    imported = bring("email\na@x.de\nnone\n", dry_run=True)
    importing.begin(imported, mapping={"email": "email"}, by=None, now=LATER)
    with pytest.raises(Refused, match="under way"):
        importing.begin(imported, mapping=None, by=None, now=LATER)
    jobs.run(imported.job_id or 0, LATER)
    imported.refresh_from_db()
    assert counts(imported) == {"rows": 2, "created": 1, "rejected": 1}
    assert Reject.objects.count() == 1
    with pytest.raises(Refused, match="already"):
        importing.begin(imported, mapping=None, by=None, now=LATER)


@pytest.mark.django_db
def test_the_file_goes_once_it_is_brought_in(uploads: Any) -> None:
    bring("email\na@x.de\n", dry_run=True)
    waiting = sorted(uploads.iterdir())
    assert len(waiting) == 2, "the file, and the counts of its values"
    bring("email\na@x.de\n")
    assert sorted(uploads.iterdir()) == waiting


@pytest.mark.django_db
def test_a_file_that_is_too_large_or_has_no_rows_is_refused_and_not_kept(uploads: Any, settings: Any) -> None:
    with pytest.raises(Refused, match="no rows"):
        bring("email,name\n")
    settings.IMPORT_MAX_BYTES = 10
    with pytest.raises(Refused) as refusal:
        bring("email\naaaaaaaaaaa@x.de\n")
    assert refusal.value.code == "body_too_large"
    assert not list(uploads.iterdir()) and not Import.objects.exists()


@pytest.mark.django_db
def test_memory_does_not_grow_with_the_file(tmp_path: Any) -> None:
    path = tmp_path / "big.csv"
    with path.open("w") as file:
        file.write("email,first name,last name\n")
        for n in range(200_000):
            file.write(f'p{n}@example.com,"First {n}",Last\n')
    layout = sniffing.look(path)
    tracemalloc.start()
    total = sum(batch.good for batch in reading.batches(path, layout))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 200_000
    assert peak < 40 << 20
    assert dicts(sql("SELECT 1 AS one")) == [{"one": 1}]

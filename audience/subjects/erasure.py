"""A person's right to be forgotten: all that is personal goes, and what is counted stays as it was.

Ids, dates, stages, kinds and amounts stay, so that funnels, roll-ups and ledgers of the past are what they were; the
links to account, owner and “left out of figures” stay for the same reason. The rest is emptied by what each app has
said of its tables, and the names are struck out wherever else they stand (`kit.holding`). The address is kept as a
keyed hash alone, so that whoever brings it in again cannot have it written to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from audience import consent, importing, live, merging
from audience.models import FieldChange, Identity, Import, Merge, Person
from audience.subjects import names
from audience.subjects.people import TEXTS
from kit import audit, holding, jobs
from kit.models import Job, User
from kit.registry import registry
from kit.sql import sql

JOB = "erasure"
AT_ONCE = 1_000_000  # rows that are read while somebody waits: some two seconds
LATE = timedelta(days=2)  # after an erasure; no transaction that began before it lasts longer
REASON = "erased"  # of the suppression
ID = 6  # letters of a name in another system that is looked for wherever it stands
PHONE = 7  # digits that a telephone number has at least
PAIRS = 50  # first and last names of all times that are put together
BLOCK = 1 << 20  # letters of a file that are looked at together


class Refused(ValueError):
    """It cannot be done now; the message says why, and what to do."""


@dataclass(frozen=True)
class Known:
    """By what somebody is known, now and formerly: the addresses, and the words that mean nobody else."""

    addresses: list[str]
    words: list[str]


def confirms(person: Person, said: str) -> bool:
    """Whether what was typed is the person's email or name: so that nobody is erased in another's place."""
    return " ".join(said.split()).casefold() in {person.email.casefold(), names.of(person).casefold()} - {""}


@transaction.atomic
def begin(person: Person, *, by: User | None, now: datetime) -> Job | list[str] | None:
    """Erase at once, as `erase` does; in a database so large that nobody would wait for it, as long work."""
    if holding.rows_to_read() <= AT_ONCE:
        return erase(person, by=by, now=now)
    number = {"person": person.pk}
    audit.record("person.erase_ask", f"#{person.pk}", by=by, now=now, after=number)
    return jobs.enqueue(JOB, number, by=by, now=now, title=_("Erasure of person #%(id)s") % {"id": person.pk})


def work(held: jobs.Held) -> dict[str, Any]:
    """The long work. Raises jobs.Refused."""
    person = Person.objects.get(pk=held.payload["person"])
    try:
        still = erase(person, by=held.job.created_by, now=held.now)
    except Refused as refused:
        raise jobs.Refused(str(refused)) from refused
    return {"named_in": still or [], "link": person.get_absolute_url()}


@transaction.atomic
def erase(person: Person, *, by: User | None, now: datetime) -> list[str] | None:
    """Erase all that is personal, for good; None when that was done before.

    The answer names the tables of plans and contents in which the person's names stand still: what is said to everybody
    is changed by whoever wrote it. Raises Refused while a file with the person, or a message to them, is on its way.
    """
    live.hold(person.pk)
    held = Person.objects.select_for_update(no_key=True).filter(pk=person.pk, erased_at=None).first()
    if held is None:
        return None
    known = _known(held)
    _drop_files(known.words)
    consent.suppress_many(
        sql("SELECT unnest({}::text[]) AS address, {}::text AS reason", known.addresses, REASON), now=now
    )
    for end in registry.endings:
        end(held.pk, by=by, now=now)
    with holding.erasing():
        for number in (held.pk, *merging.absorbed(held.pk)):
            holding.empty(number)
        emptied = dict.fromkeys((*TEXTS, "excluded_reason"), "")
        Person.objects.filter(pk=held.pk).update(**emptied, custom={}, erased_at=now, updated_at=now)
        still = holding.strike_out(known.words, held.pk)
    live.judge_held(held.pk, now)
    audit.record("person.erase", f"#{held.pk}", by=by, now=now, after={"person": held.pk})
    return still


def look_again(now: datetime) -> None:
    """Empty once more what was written about somebody while they were being erased, by who had not heard of it."""
    for pk in Person.objects.filter(erased_at__gte=now - LATE).values_list("pk", flat=True):
        if merging.whither(pk):
            continue
        with transaction.atomic(), holding.erasing():
            holding.empty(pk)


def _known(person: Person) -> Known:
    was = FieldChange.objects.filter(person=person, old__isnull=False).exclude(old="")
    went = Merge.objects.filter(merged_id__in=merging.absorbed(person.pk))
    of = {
        column: {
            getattr(person, column),
            *(each.was.get(column) or "" for each in went),
            *was.filter(field=column).values_list("old", flat=True),
        }
        - {""}
        for column in ("email", "phone", "first_name", "last_name")
    }
    ids = Identity.objects.filter(person=person).values_list("external_id", flat=True)
    words = [*of["email"], *(each for each in ids if len(each) >= ID and not each.isdigit())]  # digits may be anything
    words += (each for each in of["phone"] if _is_own_phone(person, each))
    for first, last in list(product(of["first_name"], of["last_name"]))[:PAIRS]:
        if not _others(person).filter(first_name=first, last_name=last).exists():
            words += (f"{first} {last}", f"{last} {first}", f"{last}, {first}")
    return Known(sorted(of["email"]), words)


def _is_own_phone(person: Person, phone: str) -> bool:
    enough = sum(each.isdigit() for each in phone) >= PHONE
    return enough and not _others(person).filter(phone=phone).exists()


def _others(person: Person) -> QuerySet[Person]:
    return Person.objects.filter(erased_at=None).exclude(pk=person.pk)


def _drop_files(words: list[str]) -> None:
    """Uploaded files that were not brought in, and speak of the person, are deleted; one under way must end first."""
    waiting = Import.objects.exclude(finished_at__isnull=False, dry_run=False).select_related("job")
    for each in waiting:
        path = Path(each.path)
        if not any(_speaks(part, each.encoding, words) for part in importing.parts_of(path)):
            continue
        if each.job is not None and each.job.state in jobs.OPEN:
            said = _(
                "The import of “%(file)s” is under way and holds this person. Let it end, or cancel it, then erase."
            )
            raise Refused(said % {"file": each.file_name})
        transaction.on_commit(partial(importing.remove, path))


def _speaks(path: Path, encoding: str, words: list[str]) -> bool:
    wanted = [word.casefold() for word in words]
    return any(word in block for block in _blocks(path, encoding, max(map(len, wanted), default=0)) for word in wanted)


def _blocks(path: Path, encoding: str, longest: int) -> Iterator[str]:
    """The text of a file in pieces, each with the end of the one before it."""
    before = ""
    with path.open(encoding=encoding or "utf-8", errors="replace") as file:
        while block := file.read(BLOCK):
            yield (before + block).casefold()
            before = block[-longest:]

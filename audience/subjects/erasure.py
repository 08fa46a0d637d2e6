"""The right to be forgotten, of people and of accounts: all that is personal goes, what is counted stays as it was.

Ids, dates, stages, kinds and amounts stay, so that funnels, roll-ups and ledgers of the past are what they were; the
links to account, owner and “left out of figures” stay for the same reason. The rest is emptied by what each app has
said of its tables, and the names are struck out wherever else they stand (`kit.holding`). The address is kept as a
keyed hash alone, so that whoever brings it in again cannot have it written to.

Files that wait to be brought in are read before anybody is held, as that may take minutes; within the transaction it is
only looked whether anything has come since.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
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
from audience.models import Account, AccountRole, FieldChange, Identity, Import, Merge, Person
from audience.subjects import accounts, names, people
from kit import audit, holding, installation, jobs
from kit.models import Job, User
from kit.registry import registry
from kit.sql import rows, sql

JOB = "erasure"
AT_ONCE = 1_000_000  # rows that are read while somebody waits: some two seconds
TOGETHER = 20  # of many, who are erased in one transaction
LATE = timedelta(days=2)  # after an erasure; no transaction that began before it lasts longer
REASON = "erased"  # of the suppression
ID = 6  # letters of a name in another system that is looked for wherever it stands
NAME = 4  # letters that an account's name of one word has at least, to be looked for likewise
PHONE = 7  # digits that a telephone number has at least
PAIRS = 50  # first and last names of all times that are put together
BLOCK = 1 << 20  # letters of a file that are looked at together
LOOKS = 3  # how often what came meanwhile is looked at

Subject = Person | Account
NAMED_BY: Mapping[type[Subject], tuple[str, ...]] = {
    Person: ("email", "phone", "first_name", "last_name"), Account: ("name", "domain"),
}  # fmt: skip


class Refused(ValueError):
    """It cannot be done now; the message says why, and what to do."""


@dataclass(frozen=True)
class Known:
    """By what somebody is known, now and formerly: the addresses, and the words that mean nobody else."""

    addresses: frozenset[str]
    words: frozenset[str]


@dataclass(frozen=True)
class Looked:
    """What was found before anybody was held: the words by subject, the imports looked at, the files that go."""

    known: Mapping[int, Known]
    imports: frozenset[int]
    files: tuple[Path, ...]


def confirms(subject: Subject, said: str) -> bool:
    """Whether what was typed is the subject's name, email or domain: so that nobody is erased in another's place."""
    return " ".join(said.split()).casefold() in {each.casefold() for each in confirmed_by(subject)}


def confirmed_by(subject: Subject) -> list[str]:
    """What can be typed for that."""
    own = subject.email if isinstance(subject, Person) else subject.domain
    return [each for each in (own, names.of(subject)) if each]


def begin(subject: Subject, *, by: User | None, now: datetime) -> Job | list[str] | None:
    """Erase at once, as `erase` does; in a database so large that nobody would wait for it, as long work."""
    if holding.rows_to_read() <= AT_ONCE:
        return erase(subject, by=by, now=now)
    of = _of(type(subject))
    said = _("Erasure of person #%(id)s") if of == "person" else _("Erasure of account #%(id)s")
    with transaction.atomic():
        audit.record(f"{of}.erase_ask", f"#{subject.pk}", by=by, now=now, after={of: subject.pk})
        return jobs.enqueue(JOB, {of: subject.pk}, by=by, now=now, title=said % {"id": subject.pk})


def work(held: jobs.Held) -> dict[str, Any]:
    """The long work. Raises jobs.Refused."""
    model: type[Subject] = Person if "person" in held.payload else Account
    subject = model.objects.get(pk=held.payload[_of(model)])
    try:
        still = erase(subject, by=held.job.created_by, now=held.now)
    except Refused as refused:
        raise jobs.Refused(str(refused)) from refused
    return {"named_in": still or [], "link": subject.get_absolute_url()}


def erase(subject: Subject, *, by: User | None, now: datetime) -> list[str] | None:
    """Erase all that is personal, for good; None when that was done before.

    The answer names the tables of plans and contents in which the subject's names stand still: what is said to
    everybody is changed by whoever wrote it. Raises Refused while a file with them, or a message, is on its way.
    """
    done, still = erase_many(type(subject), [subject.pk], by=by, now=now)
    return still if done else None


def erase_many(model: type[Subject], pks: Collection[int], *, by: User | None, now: datetime) -> tuple[int, list[str]]:
    """Erase many of one kind; how many that were not yet, and where their names stand still. Raises Refused.

    Each lot is one transaction, so that whoever goes on after an interruption finds the rest.
    """
    done = 0
    still: set[str] = set()
    numbers = sorted(pks)
    for start in range(0, len(numbers), TOGETHER):
        number, named = _lot(model, numbers[start : start + TOGETHER], by, now)
        done, still = done + number, still | set(named)
    return done, sorted(still)


def look_again(now: datetime) -> None:
    """Empty once more what was written about somebody while they were being erased, by who had not heard of it."""
    late: list[int] = []
    for model in NAMED_BY:
        late += model.objects.filter(erased_at__gte=now - LATE).values_list("pk", flat=True)
    if late := sorted(set(late) - merging.merged(late)):
        with transaction.atomic(), holding.erasing():
            holding.empty(late)


def _lot(model: type[Subject], pks: list[int], by: User | None, now: datetime) -> tuple[int, list[str]]:
    for _look in range(LOOKS):
        looked = _look_at(model, pks)
        done = _erase(model, pks, looked, by, now)
        if done is not None:
            return done
    raise Refused(_("They are being written about at this very moment. Try again in a minute."))


@transaction.atomic
def _erase(
    model: type[Subject], pks: list[int], looked: Looked, by: User | None, now: datetime
) -> tuple[int, list[str]] | None:
    """How many were erased, and where their names stand still; None when more has come to be known of them since."""
    for shard in sorted({pk % live.SHARDS for pk in pks}):
        live.hold(shard)
    held = list(model.objects.select_for_update(no_key=True).filter(pk__in=pks, erased_at=None).order_by("pk"))
    if not held:
        return 0, []
    known = _known(model, held)
    unseen = not frozenset(_waiting().values_list("pk", flat=True)) <= looked.imports
    if unseen or any(not each.words <= looked.known.get(pk, Known(frozenset(), frozenset())).words
                     for pk, each in known.items()):  # fmt: skip
        return None
    numbers = [each.pk for each in held]
    for path in looked.files:
        transaction.on_commit(partial(importing.remove, path))
    addresses = sorted(frozenset().union(*(each.addresses for each in known.values())))
    consent.suppress_many(sql("SELECT unnest({}::text[]) AS address, {}::text AS reason", addresses, REASON), now=now)
    for end in registry.endings:
        for number in numbers:
            end(number, by=by, now=now)
    with holding.erasing():
        holding.empty([*numbers, *(went for number in numbers for went in merging.absorbed(number))])
        model.objects.filter(pk__in=numbers).update(**_nothing(model), erased_at=now, updated_at=now)
        if model is Account:
            open_roles = AccountRole.objects.filter(account_id__in=numbers, ends_on=None)
            open_roles.update(ends_on=now.astimezone(installation.zone()).date(), end_recorded_at=now)
        words = {word: pk for pk, each in sorted(known.items(), reverse=True) for word in each.words}
        still = holding.strike_out(words, in_addresses=model is Person)
    live.judge_at_once(sql("SELECT unnest({}::bigint[]) AS subject_id", numbers), now)
    of = _of(model)
    for number in numbers:
        audit.record(f"{of}.erase", f"#{number}", by=by, now=now, after={of: number})
    return len(numbers), still


def _of(model: type[Subject]) -> str:
    return "person" if model is Person else "account"


def _nothing(model: type[Subject]) -> dict[str, Any]:
    """What is left of a row's own values; links and whether it counts stay."""
    texts = people.TEXTS if model is Person else accounts.TEXTS
    numbers = dict.fromkeys(accounts.NUMBERS) if model is Account else {}
    return dict.fromkeys((*texts, "excluded_reason"), "") | numbers | {"custom": {}}


# ---- by what they are known ----


def _known(model: type[Subject], held: Sequence[Any]) -> dict[int, Known]:
    """By subject: its addresses and words, of today and of all times, also of those who went into it."""
    said = _said(model, held)
    taken = _taken(model, [each.pk for each in held], said)
    ids: dict[int, list[str]] = {}
    for pk, each in Identity.objects.filter(subject_id__in=said).values_list("subject_id", "external_id"):
        ids.setdefault(pk, []).append(each)
    found = {}
    for pk, of in said.items():
        words = [each for each in ids.get(pk, ()) if len(each) >= ID and not each.isdigit()]  # digits may be anything
        words += _words_of_person(of, taken) if model is Person else _words_of_account(of, taken)
        found[pk] = Known(frozenset(of.get("email", ())), frozenset(words))
    return found


def _said(model: type[Subject], held: Sequence[Any]) -> dict[int, dict[str, set[str]]]:
    """By subject and column: every value by which it is or was called."""
    columns, pks = NAMED_BY[model], [each.pk for each in held]
    said = {each.pk: {column: {getattr(each, column)} for column in columns} for each in held}
    was = FieldChange.objects.filter(subject_id__in=pks, field__in=columns).exclude(old=None)
    for pk, field, old in was.values_list("subject_id", "field", "old"):
        said[pk][field].add(old)
    for pk in pks:
        for went in Merge.objects.filter(merged_id__in=merging.absorbed(pk), undone_at=None):
            for column in columns:
                said[pk][column].add(went.was.get(column) or "")
    return {pk: {column: values - {""} for column, values in of.items()} for pk, of in said.items()}


def _taken(model: type[Subject], pks: list[int], said: Mapping[int, Mapping[str, set[str]]]) -> set[str]:
    """What somebody else is called by as well, folded: it means not only these, and is left alone."""
    asked = {value for of in said.values() for column, values in of.items() if column != "email" for value in values}
    if not asked:
        return set()
    if model is Person:
        called = """SELECT phone FROM audience_person p WHERE phone = ANY ({asked}) AND {others}
            UNION SELECT first_name || ' ' || last_name FROM audience_person p
            WHERE first_name = ANY ({asked}) AND last_name = ANY ({asked}) AND {others}"""
    else:
        called = """SELECT name FROM audience_account p WHERE lower(name) = ANY ({low}) AND {others}
            UNION SELECT domain FROM audience_account p WHERE lower(domain) = ANY ({low}) AND {others}
            UNION SELECT word FROM audience_person p,
                LATERAL (VALUES (first_name), (last_name), (city), (region), (country)) said (word)
            WHERE lower(word) = ANY ({low}) AND p.erased_at IS NULL"""
    pieces = {
        "asked": sql("{}::text[]", sorted(asked)),
        "low": sql("{}::text[]", sorted(each.lower() for each in asked)),
        "others": sql("p.erased_at IS NULL AND p.id <> ALL ({})", pks),
    }
    order = re.findall(r"\{(\w+)\}", called)
    statement = sql(re.sub(r"\{\w+\}", "{}", called), *(pieces[each] for each in order))
    return {text.casefold() for (text,) in rows(statement)}


def _words_of_person(of: Mapping[str, set[str]], taken: set[str]) -> Iterator[str]:
    yield from of["email"]
    yield from (each for each in of["phone"] if _is_phone(each) and each.casefold() not in taken)
    for first, last in list(product(sorted(of["first_name"]), sorted(of["last_name"])))[:PAIRS]:
        if f"{first} {last}".casefold() not in taken:
            yield from (f"{first} {last}", f"{last} {first}", f"{last}, {first}")
            if holding.runs_on(first + last):  # as Chinese names stand in running text
                yield from (f"{last}{first}", f"{first}{last}")
    if not (of["first_name"] and of["last_name"]):
        yield from (each for each in of["first_name"] | of["last_name"] if holding.runs_on(each) and len(each) > 2)


def _words_of_account(of: Mapping[str, set[str]], taken: set[str]) -> Iterator[str]:
    for each in of["name"]:
        long = len(each) >= NAME or (holding.runs_on(each) and len(each) > 1)
        if long and not each.isdigit() and each.casefold() not in taken:
            yield each
    for each in of["domain"]:
        if each.casefold() not in taken:
            yield from (each, f"www.{each}")


def _is_phone(phone: str) -> bool:
    return sum(each.isdigit() for each in phone) >= PHONE


# ---- files that wait ----


def _waiting() -> QuerySet[Import]:
    """Imports whose file may be brought in yet."""
    return Import.objects.exclude(finished_at__isnull=False, dry_run=False)


def _look_at(model: type[Subject], pks: list[int]) -> Looked:
    """By what the subjects are known, and which waiting files speak of them; reads the files, and holds nobody.

    Raises Refused for one that is under way.
    """
    known = _known(model, list(model.objects.filter(pk__in=pks, erased_at=None)))
    words = [word for each in known.values() for word in each.words]
    waiting = list(_waiting().select_related("job"))
    files = []
    for each in waiting:
        path = Path(each.path)
        if not words or not any(_speaks(part, each.encoding, words) for part in importing.parts_of(path)):
            continue
        if each.job is not None and each.job.state in jobs.OPEN:
            said = _("The import of “%(file)s” is under way and holds them. Let it end, or cancel it, then erase.")
            raise Refused(said % {"file": each.file_name})
        files.append(path)
    return Looked(known, frozenset(each.pk for each in waiting), tuple(files))


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

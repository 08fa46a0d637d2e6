"""Two who are one: made one in one transaction, and parted again.

All that speaks of the one who goes speaks of the one who stays from then on; ledgers keep whose a row was at first.
Nobody's row is deleted: the one who goes is emptied and stands as the erased do, so that no list, rule or message
meets them, while every address of theirs leads to the one who stays. What the values were stands in the merge itself.

As of an instant before the merge the survivor's own values answer, and the activities, purchases and stages of both.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from audience import consent, live
from audience.belonging import families
from audience.importing.run import TURN
from audience.merging import choosing, rows
from audience.merging.choosing import Choice
from audience.models import Account, Duplicate, FieldChange, Identity, Merge, Person
from audience.subjects import history, names
from audience.subjects.accounts import COLUMNS as OF_ACCOUNTS
from audience.subjects.people import COLUMNS as OF_PEOPLE
from audience.subjects.people import FORMERLY, has_email
from kit import audit
from kit.models import User
from kit.registry import MOVES, registry
from kit.sql import Sql, join, name, run, sql, value
from kit.sql import rows as found_rows

Subject = Person | Account
COLUMNS: Mapping[str, tuple[str, ...]] = {"person": OF_PEOPLE, "account": OF_ACCOUNTS}
LATE = timedelta(days=2)  # after a merge; no transaction that began before it lasts longer
ADDRESS = {"person": "email", "account": "domain"}  # by which the world finds a subject


class Refused(ValueError):
    """It cannot be done now; the message says why, in the user's words, `code` to programs."""

    def __init__(self, code: str, message: str, first: Merge | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.first = first  # the merge to undo before


@dataclass(frozen=True)
class Comparison:
    """Two subjects side by side: each field, and how many rows of what kind either has."""

    choices: list[Choice]
    ours: dict[str, int]
    theirs: dict[str, int]
    refusal: Refused | None

    @property
    def counts(self) -> list[tuple[str, int, int]]:
        """By what rows are called: how many each has."""
        labels = sorted({*self.ours, *self.theirs})
        return [(label, self.ours.get(label, 0), self.theirs.get(label, 0)) for label in labels]


# ---- who went where ----


def whither(pk: int) -> int | None:
    """Into whom the subject of this number went, in the end; None when it is itself."""
    found: int | None = value(
        sql(
            """
            WITH RECURSIVE way (id, step) AS (
                SELECT survivor_id, 1 FROM audience_merge WHERE merged_id = {} AND undone_at IS NULL
                UNION ALL SELECT m.survivor_id, way.step + 1 FROM way
                JOIN audience_merge m ON m.merged_id = way.id AND m.undone_at IS NULL)
            SELECT id FROM way ORDER BY step DESC LIMIT 1
            """,
            pk,
        )
    )
    return found


def merged(pks: Collection[int]) -> set[int]:
    """Those of these numbers that went into another."""
    return (
        set(Merge.objects.filter(merged_id__in=pks, undone_at=None).values_list("merged_id", flat=True))
        if pks
        else set()
    )


def absorbed(pk: int) -> list[int]:
    """The numbers of all who went into this subject, and into those."""
    found = found_rows(
        sql(
            """
            WITH RECURSIVE went (id) AS (
                SELECT merged_id FROM audience_merge WHERE survivor_id = {} AND undone_at IS NULL
                UNION SELECT m.merged_id FROM went
                JOIN audience_merge m ON m.survivor_id = went.id AND m.undone_at IS NULL)
            SELECT id FROM went
            """,
            pk,
        )
    )
    return [number for (number,) in found]


def of_subject(pk: int) -> list[Merge]:
    """The standing merges into a subject, the newest first."""
    return list(Merge.objects.filter(survivor_id=pk, undone_at=None).order_by("-pk"))


# ---- making one of two ----


def compare(survivor: Subject, other: Subject, chosen: Mapping[str, bool] | None = None) -> Comparison:
    """What would become of two subjects made one, before it is done."""
    of = _of(survivor)
    return Comparison(
        choosing.choices(survivor, other, chosen),
        rows.counted(of, survivor.pk),
        rows.counted(of, other.pk),
        refusal(survivor, other),
    )


def refusal(survivor: Subject, other: Subject) -> Refused | None:
    """Why these two cannot be made one; None when they can."""
    if survivor.pk == other.pk or type(survivor) is not type(other):
        return Refused("same_subject", _("A person or an account can be merged with another one of its kind alone."))
    for each in (other, survivor):
        if each.erased_at:
            into = whither(each.pk)
            said = _("#%(id)s was merged into #%(into)s already.") if into else _("#%(id)s was erased.")
            return Refused("already_merged" if into else "erased", said % {"id": each.pk, "into": into})
    if isinstance(survivor, Account) and isinstance(other, Account) and _is_below(survivor, other):
        said = _("“%(one)s” belongs to “%(other)s” by way of others. Merge it the other way round.")
        return Refused("circle", said % {"one": survivor, "other": other})
    return None


@transaction.atomic
def merge(
    survivor: Subject, other: Subject, *, chosen: Mapping[str, bool] | None = None, by: User | None, now: datetime
) -> Merge:
    """Make two subjects one: `survivor` stays, `other` goes into them. `chosen` says whose value is taken, by field.

    Of two who merge the same pair, or each other's, at once, one is refused. Raises Refused.
    """
    of = _of(survivor)
    if of == _of(other):
        survivor, other = _held(of, survivor.pk, other.pk)
    if refused := refusal(survivor, other):
        raise refused
    made = Merge.objects.create(
        of=of, survivor_id=survivor.pk, merged_id=other.pk, was=_snapshot(of, other.pk), merged_at=now, merged_by=by
    )
    given = choosing.values(survivor, other, choosing.choices(survivor, other, chosen))
    pair = [survivor.pk, other.pk]
    before, refusals, pauses = _flat(_snapshot(of, survivor.pk)), consent.refusals(pair), consent.pauses(pair, now)
    for join_them, _part in registry.joinings:
        join_them(made, by=by, now=now)
    made.moved = rows.move(made)
    _empty(of, other.pk, survivor.pk, now)
    _write(of, survivor.pk, _without_circle(given, survivor, other), source=_source(made), now=now)
    _see_first(of, survivor.pk, other.first_seen_at, now)
    _remember_addresses(made, before)
    consent.keep_refused(survivor.pk, refusals, source=_source(made), now=now)
    consent.keep_pause(survivor.pk, pauses, source=_source(made), now=now)
    _count_again(made, survivor, other, now)
    after = _flat(_snapshot(of, survivor.pk))
    made.values = {key: [before.get(key), after.get(key)] for key in sorted({*before, *after} - {"updated_at"})
                   if before.get(key) != after.get(key)}  # fmt: skip
    made.save(update_fields=["moved", "values"])
    _settle_pairs(made, now)
    live.mark(_both(made))
    told = {of: survivor.pk, "merged": other.pk, "merge": made.pk}
    audit.record(f"{of}.merge", names.of(survivor), by=by, now=now, after=told)
    return made


def _held(of: str, *pks: int) -> list[Any]:
    """The subjects, which nobody judges, imports into or merges until the transaction ends; in the order asked for."""
    for shard in sorted({pk % live.SHARDS for pk in pks}):
        live.hold(shard)
    if of == "account":
        families.hold()
    # Imports that write at this moment are waited for; they see that they have to look again.
    run(sql("SELECT pg_advisory_xact_lock(hashtext({})), nextval({})", TURN, TURN))
    held = rows.MODELS[of].objects.select_for_update(no_key=True).filter(pk__in=pks)
    found = {each.pk: each for each in held.order_by("pk")}
    if missing := [pk for pk in pks if pk not in found]:
        raise Refused("unknown_subject", _("There is no #%(id)s.") % {"id": missing[0]})
    return [found[pk] for pk in pks]


def _source(merge: Merge) -> str:
    """Under which the history and consents know what a merge wrote."""
    return f"merge {merge.pk}"


def _of(subject: Subject) -> str:
    return "person" if isinstance(subject, Person) else "account"


def _both(merge: Merge) -> Sql:
    return sql("SELECT unnest({}::bigint[]) AS subject_id", [merge.survivor_id, merge.merged_id])


def _snapshot(of: str, pk: int) -> dict[str, Any]:
    """A subject's row as the database writes it, so that it can be written again bit for bit."""
    return dict(json.loads(value(sql("SELECT to_jsonb(s)::text FROM {} s WHERE id = {}", _table(of), pk))))


def _table(of: str) -> Sql:
    return name(rows.MODELS[of]._meta.db_table)


def _flat(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """The values by name, custom ones one by one."""
    plain = {key: each for key, each in snapshot.items() if key != history.CUSTOM}
    return plain | {f"{history.CUSTOM}.{slug}": each for slug, each in snapshot[history.CUSTOM].items()}


def _empty(of: str, pk: int, into: int, now: datetime) -> None:
    run(sql("UPDATE {} SET {}, updated_at = {}, erased_at = {}, merged_into = {} WHERE id = {}",
            _table(of), history.emptied(rows.MODELS[of]), now, now, into, pk))  # fmt: skip


def _write(of: str, pk: int, given: Mapping[str, Any], *, source: str, now: datetime) -> None:
    """Give a subject values by column, with their history."""
    columns = list(given)
    told = sql(
        "SELECT {}::bigint AS id, {} FROM jsonb_populate_record(NULL::{}, {}::jsonb) g",
        pk, join(", ", (sql("g.{}", name(each)) for each in columns or ["id"])), _table(of), json.dumps(given),
    )  # fmt: skip
    history.update(rows.MODELS[of], told, columns, source=source, at=now, now=now, exact=True)


def _see_first(of: str, pk: int, at: datetime, now: datetime) -> None:
    run(sql("UPDATE {} SET first_seen_at = {}, updated_at = {} WHERE id = {} AND first_seen_at > {}",
            _table(of), at, now, pk, at))  # fmt: skip


def _is_below(one: Account, other: Account) -> bool:
    """Whether one account belongs to the other by way of a third, which would come to belong to itself."""
    above, seen = one.parent, {one.pk}
    while above is not None and above.pk not in seen:
        if above.parent_id == other.pk:
            return True
        seen.add(above.pk)
        above = above.parent
    return False


def _without_circle(given: Mapping[str, Any], survivor: Subject, other: Subject) -> dict[str, Any]:
    """An account that belonged to the other of the two belongs where that one did."""
    told = dict(given)
    if not (isinstance(survivor, Account) and isinstance(other, Account)):
        return told
    if told.get("parent_id", survivor.parent_id) in (survivor.pk, other.pk):
        told["parent_id"] = other.parent_id if other.parent_id != survivor.pk else None
    if told.get("parent_id") and families.is_circle(survivor.pk, told["parent_id"]):
        del told["parent_id"]  # what the other belonged to belongs to the one who stays
    return told


def _remember_addresses(merge: Merge, before: Mapping[str, Any]) -> None:
    """Whoever brings one of the two former addresses in again finds the one who stays."""
    column = ADDRESS[merge.of]
    now_there = str(_snapshot(merge.of, merge.survivor_id)[column]).lower()
    for address in {str(merge.was[column]).lower(), str(before[column]).lower()} - {"", now_there}:
        Identity.objects.get_or_create(
            system=FORMERLY,
            kind=column,
            external_id=address,
            defaults={f"{merge.of}_id": merge.survivor_id, "created_at": merge.merged_at},
        )


def _count_again(merge: Merge, survivor: Subject, other: Subject, now: datetime) -> None:
    """Whether somebody is left out of figures stays the survivor's; the other's stages come under that.

    Reports look again at who is left out when a change of that is written down; this one changes nothing else.
    """
    if survivor.is_excluded != other.is_excluded:
        FieldChange.objects.create(
            **{f"{merge.of}_id": survivor.pk}, field="is_excluded", old=str(survivor.is_excluded).lower(),
            source=_source(merge), occurred_at=now, recorded_at=now,
        )  # fmt: skip


def _settle_pairs(merge: Merge, now: datetime) -> None:
    """The one who went is in no pair any more; with whom they were said not to be the same, the other is neither."""
    run(
        sql(
            """
            WITH gone AS (
                DELETE FROM audience_duplicate d WHERE d.one_id = {} OR d.other_id = {} RETURNING d.*),
            others AS (
                SELECT DISTINCT ON (theirs) gone.*, theirs FROM gone
                CROSS JOIN LATERAL (SELECT CASE WHEN one_id = {} THEN other_id ELSE one_id END AS theirs) pair
                WHERE state = {} AND theirs <> {} ORDER BY theirs)
            INSERT INTO audience_duplicate
                ("of", one_id, other_id, why, confidence, state, found_at, decided_at, decided_by_id)
            SELECT "of", least(theirs, {}::bigint), greatest(theirs, {}::bigint), why, confidence, state, found_at,
                   decided_at, decided_by_id FROM others
            ON CONFLICT (one_id, other_id) DO UPDATE
            SET state = excluded.state, decided_at = excluded.decided_at, decided_by_id = excluded.decided_by_id
            """,
            merge.merged_id, merge.merged_id, merge.merged_id, str(Duplicate.State.TWO), merge.survivor_id,
            merge.survivor_id, merge.survivor_id,
        )
    )  # fmt: skip


def look_again(now: datetime) -> None:
    """What was written of somebody while they were being merged, by who had not heard of it, follows them."""
    for made in Merge.objects.filter(merged_at__gte=now - LATE, undone_at=None).order_by("pk"):
        with transaction.atomic():
            if whither(made.survivor_id) is None:
                _held(made.of, made.survivor_id, made.merged_id)
                for join_them, _part in registry.joinings:
                    join_them(made, by=None, now=now)
                rows.move(made)


# ---- parting ----


def part_refusal(merge: Merge) -> Refused | None:
    """Why a merge cannot be undone; None when it can."""
    if merge.undone_at:
        return Refused("parted", _("These two were parted again already."))
    survivor = rows.MODELS[merge.of].objects.filter(pk=merge.survivor_id).first()
    if survivor is None or survivor.erased_at:
        if into := whither(merge.survivor_id):
            said = _("#%(id)s was itself merged into #%(into)s since. Undo that first.")
            further = Merge.objects.filter(merged_id=merge.survivor_id, undone_at=None).first()
            return Refused("merged_further", said % {"id": merge.survivor_id, "into": into}, further)
        return Refused("erased", _("Whoever this was has been erased since, and with them what they were."))
    for newer in reversed(_newer(merge)):
        if tangled := rows.tangled(merge, newer):
            said = _("#%(other)s was merged into the same one later, and that put %(what)s of both into one order. "
                     "Undo that first.")  # fmt: skip
            what = ", ".join(_(each) for each in tangled)
            return Refused("newer", said % {"other": newer.merged_id, "what": what}, newer)
    return _taken(merge, survivor)


def _taken(merge: Merge, survivor: Any) -> Refused | None:
    """An email is one person's: either must get theirs back."""
    if merge.of != "person":
        return None
    before, after = merge.values.get("email") or (None, None)
    returns = before if after == survivor.email else survivor.email
    for pk, email in ((merge.survivor_id, returns), (merge.merged_id, merge.was.get("email"))):
        others = Person.objects.filter(has_email(email or "")).exclude(pk__in=(merge.survivor_id, merge.merged_id))
        if email and (others.exists() or (pk == merge.merged_id and email == returns)):
            return Refused("email_taken", _("“%(email)s” is somebody else's by now.") % {"email": email})
    return None


def _newer(merge: Merge) -> list[Merge]:
    """The standing merges into the same one that came later, in their order."""
    later = Merge.objects.filter(survivor_id=merge.survivor_id, undone_at=None, pk__gt=merge.pk)
    return list(later.order_by("pk"))


@transaction.atomic
def part(merge: Merge, *, by: User | None, now: datetime) -> Merge:
    """Part two who were made one: each has again what was theirs. What came since and names the one who went goes with
    them; what names nobody stays with the survivor, and so do values that somebody has changed since.

    Later merges into the same one stand, and are undone afterwards as if this one had never been. Both are said not to
    be the same. Raises Refused.
    """
    _held(merge.of, merge.survivor_id, merge.merged_id)
    merge = Merge.objects.select_for_update().get(pk=merge.pk)
    if refused := part_refusal(merge):
        raise refused
    of, source = merge.of, f"{_source(merge)} undone"
    _return_values(merge, source, now)
    columns = [name(str(each.column)) for each in rows.MODELS[of]._meta.concrete_fields if each.column != "id"]
    run(
        sql(
            "UPDATE {} s SET ({}) = (SELECT {} FROM jsonb_populate_record(NULL::{}, {}::jsonb) was) WHERE s.id = {}",
            _table(of), join(", ", columns), join(", ", (sql("was.{}", each) for each in columns)), _table(of),
            json.dumps(_living_links(merge)), merge.merged_id,
        )
    )  # fmt: skip
    own = [each.lower() for each in rows.MODELS[of].objects.filter(pk__in=(merge.survivor_id, merge.merged_id))
           .values_list(ADDRESS[of], flat=True)]  # fmt: skip
    Identity.objects.filter(system=FORMERLY, subject_id=merge.survivor_id, external_id__in=own).delete()
    rows.give_back(merge)
    if of == "person":  # those that the merge ended, and those that the survivor has left only now
        both = sql("SELECT unnest({}::bigint[])", [merge.survivor_id, merge.merged_id])
        history.roles_return(both, [merge.merged_at, now])
    rows.follow_names(merge)
    for newer in _newer(merge):
        _without(merge, newer)
        rows.stand_again(newer)
    for _join, part_them in registry.joinings:
        part_them(merge, by=by, now=now)
    consent.part(merge.survivor_id, merge.merged_id, since=merge.merged_at, source=_source(merge), by=by, now=now)
    survivor, other = _held(of, merge.survivor_id, merge.merged_id)
    _count_again(merge, survivor, other, now)
    merge.undone_at, merge.undone_by = now, by
    merge.save(update_fields=["undone_at", "undone_by"])
    _say_two(of, merge.survivor_id, merge.merged_id, by=by, now=now)
    live.mark(_both(merge))
    told = {of: survivor.pk, "merged": other.pk, "merge": merge.pk}
    audit.record(f"{of}.part", names.of(survivor), by=by, now=now, after=told)
    return merge


def _without(merge: Merge, newer: Merge) -> None:
    """What a later merge found is what there would have been without the earlier one."""
    for key, (before, after) in merge.values.items():
        if key in newer.values and newer.values[key][0] == after:
            newer.values[key][0] = before
    newer.save(update_fields=["values"])


def goes_since(merge: Merge) -> list[tuple[str, int]]:
    """What came since a merge and names the one who went, so that it goes with them: how many, by what they are."""
    return sorted(rows.naming(merge).items())


def since(merge: Merge) -> list[tuple[str, int]]:
    """What came since a merge and will stay with the survivor: how many rows, by what they are."""
    goes = rows.naming(merge)
    found: dict[str, int] = {}
    for link in rows.links(merge.of):
        written = next((each.column for each in link.model._meta.concrete_fields
                        if each.column in ("recorded_at", "created_at", "entered_at")), None)  # fmt: skip
        if written is None or link.model in rows.MODELS.values() or link.holder.merge != MOVES:
            continue
        number = value(
            sql(
                "SELECT count(*) FROM {} t WHERE {} AND t.{} > {}",
                link.table,
                link.names("t", merge.survivor_id),
                name(written),
                merge.merged_at,
            )
        )
        if number:
            found[link.label] = found.get(link.label, 0) + number
    stay = {label: number - goes.get(label, 0) for label, number in found.items()}
    return sorted((label, number) for label, number in stay.items() if number > 0)


def changed_since(merge: Merge) -> list[str]:
    """The fields whose value the merge gave and somebody has changed since: they stay."""
    now_there = _flat(_snapshot(merge.of, merge.survivor_id))
    return [key for key, (_before, after) in merge.values.items() if now_there.get(key) != after]


def _return_values(merge: Merge, source: str, now: datetime) -> None:
    kept = set(changed_since(merge))
    back = {key: before for key, (before, _after) in merge.values.items() if key not in kept}
    given: dict[str, Any] = {key: each for key, each in back.items() if key in COLUMNS[merge.of]}
    custom = {key.partition(".")[2]: each for key, each in back.items() if key.startswith(f"{history.CUSTOM}.")}
    _write(merge.of, merge.survivor_id, given | ({history.CUSTOM: custom} if custom else {}), source=source, now=now)
    if "first_seen_at" in back:
        run(sql("UPDATE {} SET first_seen_at = {}::timestamptz WHERE id = {}",
                _table(merge.of), back["first_seen_at"], merge.survivor_id))  # fmt: skip


def _living_links(merge: Merge) -> dict[str, Any]:
    """The row of the one who went, without links to what is not there any more."""
    was = dict(merge.was)
    for column, model in (("account_id", Account), ("parent_id", Account), ("owner_id", User)):
        if was.get(column) and not model.objects.filter(pk=was[column]).exists():
            was[column] = None
    return was


def _say_two(of: str, one: int, other: int, *, by: User | None, now: datetime) -> None:
    low, high = sorted((one, other))
    Duplicate.objects.update_or_create(
        one_id=low, other_id=high,
        defaults={"of": of, "confidence": 0, "state": Duplicate.State.TWO, "found_at": now, "decided_at": now,
                  "decided_by": by},
    )  # fmt: skip

"""Answers to hand-offs: accept, reject with a reason, not now, pass on. One is a set of one.

An answer is a move, so the ledger tells everything: accepting moves on, rejecting and “not now” move to the stages that
the hand-off names; a “not now” comes back on its day (`turning`). Of two who answer at once one wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from audience.models import Account, Person
from audience.subjects import owners
from kit import audit, installation, writing
from kit.audit import actor_of
from kit.models import User
from kit.sql import Sql, rows, run, sql
from lifecycle.handoffs import offering, routing
from lifecycle.ledger import stages
from lifecycle.models import Handoff, Lifecycle, Movement, Stage

State, Route = Handoff.State, Handoff.Route
USUAL_REASONS = (
    gettext_noop("Wrong contact"), gettext_noop("No budget"), gettext_noop("Competitor"), gettext_noop("No need"),
    gettext_noop("Cannot be reached"),
)  # fmt: skip
MOST_REASONS, LONGEST_REASON, LONGEST_WORDS = 30, 100, 500
FURTHEST = timedelta(days=730)  # that "not now" may look ahead
ACCEPTED, NOT_NOW = "Sales accepted the hand-off", "Not now"


class Refused(ValueError):
    """It cannot be done so; the message says why, in the user's words. `field` names what was told wrong."""

    def __init__(self, words: str, field: str = "") -> None:
        super().__init__(words)
        self.field = field


class Gone(ValueError):
    """Somebody was faster; the message says who, and what they did."""


@dataclass(frozen=True)
class Saying:
    """Who answers, by which way, when, and in which words of their own."""

    by: User | None
    route: str
    now: datetime
    words: str = ""


def one(handoff: Handoff) -> Sql:
    """The set of one hand-off."""
    return sql("SELECT {}::bigint AS id", handoff.pk)


def reasons(lifecycle: Lifecycle) -> list[str]:
    """The reasons for rejecting that are on offer in a lifecycle."""
    return lifecycle.reject_reasons or [_(each) for each in USUAL_REASONS]


def set_reasons(lifecycle: Lifecycle, told: Iterable[str], *, by: User | None, now: datetime) -> bool:
    """Offer other reasons from now on; what was given before stays. False when they are the same already."""
    new = list(dict.fromkeys(each.strip() for each in told if each.strip()))
    if len(new) > MOST_REASONS or any(len(each) > LONGEST_REASON for each in new):
        limits = {"most": MOST_REASONS, "letters": LONGEST_REASON}
        raise Refused(_("At most %(most)s reasons, each of %(letters)s letters at most.") % limits, "reasons")
    with transaction.atomic():
        held = Lifecycle.objects.select_for_update(no_key=True).get(pk=lifecycle.pk)
        if held.reject_reasons == new:
            return False
        before = {"reasons": held.reject_reasons}
        Lifecycle.objects.filter(pk=lifecycle.pk).update(reject_reasons=new)
        audit.record("handoff.reasons", str(lifecycle), by=by, now=now, before=before, after={"reasons": new})
    return True


def may_wait(stage: Stage) -> bool:
    """Whether “not now” can be answered: there is a stage to wait in from which one comes back."""
    return later_stage(stage) is not None


def later_stage(stage: Stage) -> Stage | None:
    """Where members of a hand-off wait after “not now”; None where a pass would end."""
    told = stage.hand_off or {}
    slug = told.get("later") or told.get("reject")
    return Stage.objects.filter(version=stage.version_id, slug=slug).exclude(kind=Stage.Kind.TERMINAL).first()


# ---- the verbs ----


def accept(handoffs: Sql, say: Saying) -> int:
    """Take them on: they move on to the stage behind. Who belongs to nobody belongs from now on to who accepted.

    How many were still waiting; of one that was not, `gone` tells why.
    """
    with transaction.atomic():
        taken = _answer(handoffs, State.ACCEPTED, "accept", ACCEPTED, say)
        if taken and say.by:
            _own(taken, say)
    return len(taken)


def reject(handoffs: Sql, reason: str, say: Saying) -> int:
    """Send them back with a reason of their lifecycle's list. Raises Refused for any other reason."""
    with transaction.atomic():
        for lifecycle in Lifecycle.objects.filter(pk__in=[pk for (pk,) in rows(_lifecycles(handoffs))]):
            if reason not in reasons(lifecycle):
                listed = ", ".join(reasons(lifecycle))
                raise Refused(_("Choose one of the reasons: %(listed)s.") % {"listed": listed}, "reason")
        return len(_answer(handoffs, State.REJECTED, "reject", reason, say))


def not_now(handoffs: Sql, until: date, say: Saying) -> int:
    """Put them off until a day, on which they come back by themselves. Raises Refused for a day that is none ahead."""
    today = timezone.localdate(say.now, installation.zone())
    if not today < until <= today + FURTHEST:
        raise Refused(_("Choose a day after today, within two years."), "until")
    return len(_answer(handoffs, State.NOT_NOW, "later", NOT_NOW, say, until))


def pass_on(handoffs: Sql, to: User, say: Saying) -> int:
    """Give them to a colleague; the time in which to answer goes on. Raises Refused for one who could not answer."""
    if not routing.is_able(to, say.now):
        words = _("%(user)s could not answer: away, closed, or without the right. Choose somebody else.")
        raise Refused(words % {"user": to}, "to")
    with transaction.atomic():
        _lock(handoffs)
        which = sql("held.id IN (SELECT id FROM ({}) asked) AND held.user_id IS DISTINCT FROM {}", handoffs, to.pk)
        receiver = sql("{}::bigint, {}::bigint, {}::timestamptz, 'hand'", to.pk, to.team_id, say.now)
        passed = rows(
            offering.anew(
                which, say.now, receiver=receiver, actor=actor_of(say.by), reason=say.words[:500],
                by=say.by.pk if say.by else None, route=say.route,
            )
        )  # fmt: skip
        if passed:
            told = sql("SELECT unnest({}::bigint[]) AS id, {}::bigint AS to_id", [row[0] for row in passed], to.pk)
            run(offering.note(told, "handed", say.now, telling=say.by != to))
            after = {"to": to.email, "count": len(passed)}
            whom = _whom([row[0] for row in passed])
            audit.record("handoff.passed_on", _target(handoffs), by=say.by, now=say.now, after=after, about=whom)
    return len(passed)


def gone(handoff: Handoff, now: datetime) -> Gone:
    """What a loser of a race is told: who was faster, with what, and how long ago."""
    held = Handoff.objects.select_related("user", "stage").get(pk=handoff.pk)
    told = {
        "what": held.get_state_display().lower(),
        "who": held.actor or _("somebody"),
        "ago": writing.span(max(now - held.answered_at, timedelta(0))) if held.answered_at else "",
    }
    if held.is_open:
        return Gone(_("Nothing was changed: it is there already."))
    if held.state == Handoff.State.EXPIRED:
        return Gone(_("Nobody can answer any more: a rule moved them on %(ago)s ago. Nothing was changed.") % told)
    return Gone(_("Somebody was faster: %(what)s by %(who)s %(ago)s ago. Nothing was changed.") % told)


# ---- within ----


def _answer(handoffs: Sql, state: str, leads: str, reason: str, say: Saying, until: date | None = None) -> list[int]:
    """Move the members of those that still wait to where the answer leads; the ids of the hand-offs that were."""
    with transaction.atomic():
        _lock(handoffs)
        waiting = rows(
            sql(
                """SELECT held.stage_id, array_agg(held.id ORDER BY held.id) FROM lifecycle_handoff held
                   JOIN lifecycle_membership membership ON membership.id = held.membership_id
                   WHERE held.id IN (SELECT id FROM ({}) asked) AND held.state = 'offered'
                     AND membership.seq = held.seq AND membership.ended_at IS NULL
                   GROUP BY 1 ORDER BY 1""",
                handoffs,
            )
        )
        answer = offering.Answer(state, say.by, say.route, say.words, until)
        done: list[int] = []
        for stage_id, ids in waiting:
            done += _move(stage_id, ids, leads, reason, answer, say)
        if done:
            after = {"count": len(done), "reason": reason} | ({"until": until.isoformat()} if until else {})
            whom = _whom(done)
            audit.record(f"handoff.{state}", _target(handoffs), by=say.by, now=say.now, after=after, about=whom)
    return done


def _move(stage_id: int, ids: list[int], leads: str, reason: str, answer: offering.Answer, say: Saying) -> list[int]:
    stage = Stage.objects.select_related("version__lifecycle").get(pk=stage_id)
    if leads == "later":
        target = later_stage(stage)
        if target is None:
            raise Refused(_("“%(stage)s” has no stage in which to wait. Accept or reject it.") % {"stage": stage})
    else:
        target = stage.version.stages.get(slug=(stage.hand_off or {})[leads])
    relation = sql(
        """SELECT membership.subject_id, membership.id AS membership_id, membership.seq, membership.pass_number,
                  1 AS step, membership.stage_id AS from_stage, {}::bigint AS to_stage, {}::timestamptz AS occurred_at,
                  {}::timestamptz AS evidence_at, NULL::bigint AS transition_id, {} AS reason
           FROM lifecycle_handoff held JOIN lifecycle_membership membership ON membership.id = held.membership_id
           WHERE held.id = ANY ({})""",
        target.pk, say.now, say.now, reason, ids,
    )  # fmt: skip
    kind = Movement.Kind.API if answer.route == Route.API else Movement.Kind.HAND
    stages.move_many(relation, stages.Ledgering(stage.version, kind, actor_of(say.by), say.now, answer=answer))
    return ids


def _own(ids: list[int], say: Saying) -> None:
    """Those of them who belong to nobody, and whose account does not either, belong to who accepted them."""
    of_people = sql(
        """SELECT person.id AS subject_id FROM lifecycle_handoff held
           JOIN lifecycle_membership membership ON membership.id = held.membership_id
           JOIN audience_person person ON person.id = membership.subject_id
           LEFT JOIN audience_account account ON account.id = person.account_id
           WHERE held.id = ANY ({}) AND person.owner_id IS NULL AND account.owner_id IS NULL""",
        ids,
    )
    of_accounts = sql(
        """SELECT account.id AS subject_id FROM lifecycle_handoff held
           JOIN lifecycle_membership membership ON membership.id = held.membership_id
           JOIN audience_account account ON account.id = membership.subject_id
           WHERE held.id = ANY ({}) AND account.owner_id IS NULL""",
        ids,
    )
    owners.give(Person, of_people, say.by, by=say.by, now=say.now)
    owners.give(Account, of_accounts, say.by, by=say.by, now=say.now)


def _lock(handoffs: Sql) -> None:
    """Whoever answers, moves or passes these members on waits: memberships first and in order, as movers lock them."""
    run(
        sql(
            """SELECT FROM lifecycle_membership WHERE id IN (
                   SELECT membership_id FROM lifecycle_handoff WHERE id IN (SELECT id FROM ({}) asked))
               ORDER BY id FOR NO KEY UPDATE""",
            handoffs,
        )
    )


def _lifecycles(handoffs: Sql) -> Sql:
    return sql(
        """SELECT DISTINCT version.lifecycle_id FROM lifecycle_handoff held
           JOIN lifecycle_stage stage ON stage.id = held.stage_id
           JOIN lifecycle_version version ON version.id = stage.version_id
           WHERE held.id IN (SELECT id FROM ({}) asked)""",
        handoffs,
    )


def _whom(ids: list[int]) -> Sql:
    """The subjects of these hand-offs."""
    return sql(
        """SELECT membership.subject_id FROM lifecycle_handoff h
           JOIN lifecycle_membership membership ON membership.id = h.membership_id WHERE h.id = ANY ({})""",
        ids,
    )


def _target(handoffs: Sql) -> str:
    """What the trail calls them: the one, or many."""
    ids = [str(pk) for (pk,) in rows(sql("SELECT id FROM ({}) asked ORDER BY id LIMIT 2", handoffs))]
    return f"hand-off {ids[0]}" if len(ids) == 1 else "hand-offs"

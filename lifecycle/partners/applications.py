"""Who asked to become a partner, and what was decided: approved for an account, or declined with a reason.

An application is a form that was sent. What is decided is told as activities of the account, and the rules of the
lifecycle move it: nothing here moves anybody.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from audience.activity import activities
from audience.belonging import domains
from audience.models import Account, Activity
from audience.subjects import people
from kit import audit, notices
from kit.models import User
from kit.sql import Sql, rows, run, sql
from lifecycle.models import Application
from lifecycle.partners import checklist, kinds

State = Application.State
NOTICE = "partner application"


class Refused(ValueError):
    """A decision that cannot be made, in the user's words."""


@transaction.atomic
def take_in(now: datetime) -> int:
    """Every form of a programme that was sent and is no application yet becomes one; how many.

    The account of an application is the person's own, else the one that the address's domain tells.
    """
    taken = rows(
        sql(
            """
            INSERT INTO lifecycle_application
                (programme_id, submission_id, person_id, account_id, state, applied_at, reason)
            SELECT programme.id, sent.id, sent.person_id, coalesce(person.account_id, told.account), {},
                   sent.occurred_at, ''
            FROM lifecycle_programme programme
            JOIN audience_submission sent ON sent.form_id = programme.form_id
            JOIN audience_person person ON person.id = sent.person_id AND person.erased_at IS NULL
            LEFT JOIN ({}) told ON told.domain = split_part(person.email, '@', -1) AND person.account_id IS NULL
            WHERE NOT EXISTS (SELECT FROM lifecycle_application known WHERE known.submission_id = sent.id)
            ORDER BY sent.id ON CONFLICT (submission_id) DO NOTHING
            RETURNING id
            """,
            State.WAITING,
            domains.accounts_of(
                Sql(
                    """SELECT split_part(applicant.email, '@', -1) AS domain FROM audience_submission sent
                       JOIN lifecycle_programme programme ON programme.form_id = sent.form_id
                       JOIN audience_person applicant ON applicant.id = sent.person_id
                       WHERE applicant.account_id IS NULL AND NOT EXISTS (
                           SELECT FROM lifecycle_application known WHERE known.submission_id = sent.id)"""
                )
            ),
        )
    )
    if taken:
        _tell_applied([pk for (pk,) in taken], now)
    return len(taken)


def waiting() -> QuerySet[Application]:
    """What nobody has decided yet, the oldest first."""
    return Application.objects.filter(state=State.WAITING, person__erased_at=None).order_by("applied_at", "pk")


@transaction.atomic
def approve(application: Application, account: Account, *, by: User | None, now: datetime) -> bool:
    """The account becomes a partner: what it has to do is written down, and the applicant is told.

    Whoever applied without an account belongs to this one from now on. Other applications of the same person, or for
    the same account, that wait are approved with it. False when somebody else decided first. Raises Refused.
    """
    if account.erased_at is not None:
        raise Refused(_("That account was erased."))
    if not _claim(application, State.APPROVED, account, "", by, now):
        return False
    if application.person.account_id is None:
        people.change(application.person, {"account_id": account.pk}, source=kinds.SOURCE, by=by, now=now)
    _tell_applied([application.pk], now)
    _record(application, kinds.APPROVED, now)
    checklist.begin(application.programme, account, now=now)
    title = _("You are welcome as a partner")
    body = _("Your application was approved. We will be in touch about what comes next.")
    _answer(application, title, body, now)
    audit.record("partner.approve", str(account), by=by, now=now, after=_told(application))
    return True


@transaction.atomic
def decline(application: Application, reason: str, *, tell: bool, by: User | None, now: datetime) -> bool:
    """It is declined, for a reason that stays with us; with `tell` the applicant hears that it was, not why.

    False when somebody else decided first. Raises Refused without a reason.
    """
    reason = " ".join(reason.split())
    if not reason or len(reason) > 300 or "\x00" in reason:
        raise Refused(_("Say why, in 300 letters at most."))
    if not _claim(application, State.DECLINED, application.account, reason, by, now):
        return False
    _record(application, kinds.DECLINED, now)
    if tell:
        _answer(
            application,
            _("Your application"),
            _("Thank you for applying. We cannot take you in as a partner now."),
            now,
        )
    audit.record("partner.decline", str(application), by=by, now=now, after=_told(application))
    return True


@transaction.atomic
def reconsider(application: Application, *, by: User | None, now: datetime) -> bool:
    """It waits again, as if nothing had been decided: what the decision told is taken back. False when it does wait.

    A stage to which the decision has led stays, until somebody takes that move back.
    """
    held = Application.objects.filter(pk=application.pk).exclude(state=State.WAITING)
    before = _told(application)
    if not held.update(state=State.WAITING, decided_at=None, decided_by=None, reason=""):
        return False
    said = sql(
        """SELECT x.id FROM audience_activity x WHERE x.source = {} AND starts_with(x.external_id, {})
           AND x.reversal_of_id IS NULL""",
        kinds.SOURCE,
        f"{application.pk}:decided:",
    )
    activities.reverse(said, now=now)
    audit.record("partner.reconsider", str(application), by=by, now=now, before=before)
    application.refresh_from_db()
    return True


def decided_meanwhile(application: Application) -> str:
    """Who was faster, and with what."""
    application.refresh_from_db()
    who = application.decided_by or _("somebody")
    if application.state == State.WAITING:
        return _("It waits again.")
    return _("%(who)s has decided already: %(state)s.") % {"who": who, "state": application.get_state_display()}


def _claim(
    application: Application, state: str, account: Account | None, reason: str, by: User | None, now: datetime
) -> bool:
    waits = Application.objects.filter(state=State.WAITING)
    decided = {"state": state, "account": account, "reason": reason, "decided_at": now, "decided_by": by}
    if not waits.filter(pk=application.pk).update(**decided):
        return False
    same = Q(person=application.person) | (Q(account=account) if account else Q(pk__in=[]))
    waits.filter(same, programme=application.programme).update(**decided)
    application.refresh_from_db()
    return True


def _tell_applied(pks: list[int], now: datetime) -> None:
    """That they applied, as activities of their accounts; whoever has no account yet is told of once it is known."""
    given = sql(
        """SELECT account_id, {}::text AS kind, applied_at AS occurred_at, id || ':applied' AS external_id,
                  {}::text AS channel, jsonb_build_object('person', person_id) AS properties
           FROM lifecycle_application WHERE id = ANY ({}::bigint[]) AND account_id IS NOT NULL""",
        kinds.APPLIED,
        kinds.CHANNEL,
        pks,
    )
    columns = ("account_id", "kind", "occurred_at", "external_id", "channel", "properties")
    activities.record_many(given, columns, source=kinds.SOURCE, now=now)


def _record(application: Application, kind: str, now: datetime) -> None:
    if application.account is None:
        return
    number = Activity.objects.filter(
        source=kinds.SOURCE, external_id__startswith=f"{application.pk}:decided:", reversal_of=None
    ).count()
    activities.record(
        application.account, kind=kind, at=now, source=kinds.SOURCE, now=now, channel=kinds.CHANNEL,
        external_id=f"{application.pk}:decided:{number}", properties={"person": application.person_id},
    )  # fmt: skip


def _answer(application: Application, title: str, body: str, now: datetime) -> None:
    person = application.person
    if person.email:
        notices.tell_subject(person.pk, person.email, NOTICE, title, body, now=now)


def _told(application: Application) -> dict[str, object]:
    return {
        "application": application.pk, "person": application.person_id, "account": application.account_id,
        "state": application.state,
    }  # fmt: skip


def end(subject_id: int, *, by: User | None, now: datetime) -> None:
    """Whoever is erased asks for nothing any more."""
    run(
        sql(
            """UPDATE lifecycle_application SET state = {}, decided_at = {}, reason = {}
               WHERE person_id = {} AND state = {}""",
            State.DECLINED,
            now,
            _("erased"),
            subject_id,
            State.WAITING,
        )
    )

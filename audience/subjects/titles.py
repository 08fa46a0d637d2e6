"""What a job title says: the group of work and the seniority, by rules of words that are tried in order.

Rules come in editions. One is in force; a draft is edited beside it, tried, and counted against everybody before it is
applied. Whoever has a value that followed the title follows it still; what somebody said of a person otherwise stays.
Titles in a file repeat, so a set of people asks for each distinct title once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from audience.models import Person, TitleRules
from audience.subjects import history
from kit import audit, jobs
from kit.models import Job, User
from kit.sql import Sql, join, sql
from kit.sql import rows as fetched
from kit.sql import value as value_of

Rule = Mapping[str, Any]  # of, value, words, unless
Rules = Sequence[Rule]
GROUP, SENIORITY = BOTH = ("title_group", "seniority")
OTHER = "other"
JOB = "title_rules"
SOURCE = "title rules"  # of the history of values
MOST_RULES, MOST_WORDS, LONGEST = 100, 200, 100
CHUNK = 20_000  # people whose titles are read together
SAMPLE = 10


class Refused(ValueError):
    """Rules that cannot be, or cannot be applied now, in the user's words."""


def _rule(of: str, value: str, words: str, unless: str = "") -> Rule:
    return {"of": of, "value": value, "words": words.split(", "), "unless": unless.split(", ") if unless else []}


# What `ensure_defaults` puts in force. Values are stored as they stand here; pages translate them.
DEFAULTS: Rules = (
    _rule(
        SENIORITY, "entry", "assistant to, assistant of, executive assistant, personal assistant, pa to, secretary to"
    ),
    _rule(SENIORITY, "vp", "vp, svp, evp, sevp, avp, vice president, vice-president", unless="assistant"),
    _rule(
        SENIORITY,
        "c_level",
        "chief, ceo, cfo, cio, coo, cro, cmo, cto, cdo, cxo, ciso, cpo, president, founder, cofounder, co-founder, "
        "proprietor, chair, chairman, chairwoman, chairperson, partner",
        unless="assistant, vice, manager, account",
    ),
    _rule(
        SENIORITY,
        "manager",
        "product owner, process owner, service owner, system owner, data owner",
        unless="assistant",
    ),
    _rule(SENIORITY, "c_level", "owner", unless="assistant, vice, manager, account"),
    _rule(SENIORITY, "director", "director, head, principal, dean, general manager, managing", unless="assistant"),
    _rule(
        SENIORITY,
        "manager",
        "manager, mgr, lead, leader, supervisor, teamlead, team lead, teamleader, team leader, foreman, controller",
        unless="assistant",
    ),
    _rule(
        SENIORITY,
        "entry",
        "intern, trainee, apprentice, student, working student, junior, jr, assistant, graduate",
    ),
    _rule(SENIORITY, "senior", "senior, sr, staff, expert, architect, fellow"),
    _rule(
        GROUP,
        "marketing",
        "marketing, brand, growth, demand, communication, communications, content, seo, sem, cmo, pr, "
        "public relations, advertising, media, event, events",
    ),
    _rule(
        GROUP,
        "sales",
        "sales, business development, account executive, account manager, bdr, sdr, cro, revenue, commercial, "
        "partnership, partnerships",
    ),
    _rule(GROUP, "customer", "customer, client, success, support, service desk, care"),
    _rule(GROUP, "product", "product, ux, ui, designer, design"),
    _rule(
        GROUP,
        "engineering",
        "engineer, engineering, developer, programmer, software, devops, architect, cto, r&d, research, scientist, "
        "technical, technology, qa",
    ),
    _rule(
        GROUP,
        "it",
        "it, information, system, systems, network, security, infrastructure, cio, ciso, data, database, administrator",
    ),
    _rule(
        GROUP,
        "finance",
        "finance, financial, accounting, accountant, controller, cfo, treasurer, treasury, audit, auditor, tax, "
        "billing",
    ),
    _rule(
        GROUP,
        "people",
        "hr, human resources, people, talent, recruiter, recruiting, recruitment, chro, training",
    ),
    _rule(GROUP, "purchasing", "purchasing, purchaser, procurement, buyer, sourcing, supply"),
    _rule(
        GROUP,
        "operations",
        "operation, operations, coo, logistics, facility, facilities, manufacturing, production, plant, quality, "
        "warehouse, office",
    ),
    _rule(GROUP, "legal", "legal, counsel, lawyer, attorney, compliance, paralegal, privacy"),
    _rule(
        GROUP,
        "medical",
        "doctor, physician, nurse, medical, clinical, pharmacy, pharmacist, dentist, surgeon",
    ),
    _rule(
        GROUP,
        "education",
        "teacher, professor, lecturer, student, education, school, university, academic, tutor",
    ),
    _rule(
        GROUP,
        "management",
        "ceo, president, founder, cofounder, co-founder, owner, chief executive, chair, chairman, chairwoman, "
        "chairperson, general manager, managing director, partner, executive",
    ),
)

# How seniority was read as delivered before editions wrote down what is in force; groups were read as they are.
FORMER: Rules = (
    _rule(SENIORITY, "entry", "assistant to, assistant of"),
    _rule(SENIORITY, "vp", "vp, svp, evp, sevp, avp, vice president, vice-president"),
    _rule(
        SENIORITY,
        "c_level",
        "chief, ceo, cfo, cio, coo, cro, cmo, cto, cdo, cxo, ciso, cpo, president, founder, cofounder, co-founder, "
        "owner, proprietor, chair, chairman, chairwoman, chairperson, partner",
        unless="assistant, vice, manager, account",
    ),
    _rule(SENIORITY, "director", "director, head, principal, dean, general manager, managing"),
    _rule(
        SENIORITY,
        "manager",
        "manager, mgr, lead, leader, supervisor, teamlead, team lead, teamleader, team leader, foreman, controller",
    ),
    _rule(
        SENIORITY,
        "entry",
        "intern, trainee, apprentice, student, working student, junior, jr, assistant, graduate",
    ),
    _rule(SENIORITY, "senior", "senior, sr, staff, expert, architect, fellow"),
    *(rule for rule in DEFAULTS if rule["of"] == GROUP),
)


def ensure_defaults(now: datetime) -> None:
    """An edition that says what is in force, where there is none, so that other defaults change no installation.

    Whoever has people with titles has read them as they were read before there was such an edition. Safe to repeat.
    """
    if not TitleRules.objects.exclude(applied_at=None).exists():
        rules = FORMER if Person.objects.exclude(title="").exists() else DEFAULTS
        TitleRules.objects.create(rules=list(rules), created_at=now, applied_at=now)


# ---- reading titles ----


def in_force() -> Rules:
    """The rules by which titles are read now."""
    edition = TitleRules.objects.exclude(applied_at=None).order_by("-applied_at").first()
    return edition.rules if edition else DEFAULTS


def derived(of: str, title: Sql, rules: Rules) -> Sql:
    """What a title says, as an expression: GROUP or SENIORITY; "" without a title, "other" when no rule fits."""
    lowered = sql("lower({})", title)
    mine = (rule for rule in rules if rule["of"] == of)
    cases = join(" ", (sql("WHEN {} ~ {} THEN {}", lowered, _pattern(rule), rule["value"]) for rule in mine))
    found = sql("CASE {} ELSE {} END", cases, OTHER) if cases else sql("{}", OTHER)
    return sql("CASE WHEN coalesce({}, '') = '' THEN '' ELSE {} END", title, found)


def read(title: str, rules: Rules) -> dict[str, str]:
    """What one title says by some rules: both values."""
    asked = sql("{}::text", title)
    ((group, seniority),) = fetched(
        sql("SELECT {}, {}", derived(GROUP, asked, rules), derived(SENIORITY, asked, rules))
    )
    return {GROUP: group, SENIORITY: seniority}


def _pattern(rule: Rule) -> str:
    """A title in lower case that has one of the words, and after it none of those that undo it."""
    undone = f"(?!.*{_any(rule['unless'])})" if rule["unless"] else ""
    return _any(rule["words"]) + undone


def _any(words: Sequence[str]) -> str:
    return "(" + "|".join(_edged(word.lower()) for word in words) + ")"


def _edged(word: str) -> str:
    """A word from edge to edge; where it begins or ends with a letter beyond ASCII, as in Chinese, there is no edge."""
    spelt = re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", word)
    before, after = (r"\y" if each.isascii() and each.isalnum() else "" for each in (word[0], word[-1]))
    return before + spelt + after


# ---- editions ----


def draft() -> TitleRules | None:
    """The edition that is being written, if there is one."""
    return TitleRules.objects.filter(applied_at=None).first()


@transaction.atomic
def write(rules: Rules, *, by: User | None, now: datetime) -> TitleRules:
    """Keep these rules as the draft. Raises Refused for rules that cannot be."""
    kept = [_checked(number, rule) for number, rule in enumerate(rules, 1)]
    if len(kept) > MOST_RULES:
        raise Refused(_("At most %(most)s rules.") % {"most": MOST_RULES})
    edition, _made = TitleRules.objects.update_or_create(
        applied_at=None, defaults={"rules": kept}, create_defaults={"rules": kept, "created_by": by, "created_at": now}
    )
    audit.record("title_rules.draft", str(edition), by=by, now=now, after={"rules": len(kept)})
    return edition


@transaction.atomic
def discard(*, by: User | None, now: datetime) -> bool:
    """Throw the draft away. False when there is none."""
    gone, _each = TitleRules.objects.filter(applied_at=None).delete()
    if gone:
        audit.record("title_rules.discard", _("draft"), by=by, now=now)
    return bool(gone)


@transaction.atomic
def apply(*, by: User | None, now: datetime) -> Job:
    """Put the draft in force, and have everybody follow it as long work. Raises Refused."""
    edition = TitleRules.objects.select_for_update().filter(applied_at=None).first()
    if edition is None:
        raise Refused(_("There is no draft to apply."))
    last = TitleRules.objects.exclude(applied_at=None).order_by("-applied_at").first()
    if last and last.job and last.job.state != Job.State.DONE:
        raise Refused(_("The rules before these are still being applied. Let that end first, or try it again."))
    former = last.rules if last else list(DEFAULTS)
    title = _("Job titles read anew")
    edition.job = jobs.enqueue(JOB, {"edition": edition.pk, "former": former}, by=by, now=now, title=title)
    edition.applied_at = now
    edition.save(update_fields=["applied_at", "job"])
    audit.record("title_rules.apply", str(edition), by=by, now=now, after={"rules": len(edition.rules)})
    return edition.job


def preview(rules: Rules, former: Rules) -> tuple[int, list[tuple[str, str, str, int]]]:
    """How many people would have another value, and the titles of most of them: what was, what would be, how many."""
    changed = sql("SELECT * FROM ({}) titled WHERE {}", _titled(Sql("true"), rules, former), _moves())
    found = fetched(
        sql(
            """SELECT titled.title, was_title_group || ' · ' || was_seniority,
                      title_group_now || ' · ' || seniority_now, count(*)
               FROM ({}) titled JOIN audience_person p ON {} GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1 LIMIT {}""",
            changed,
            _follows(),
            SAMPLE,
        )
    )
    count = value_of(sql("SELECT count(*) FROM ({}) titled JOIN audience_person p ON {}", changed, _follows()))
    return int(count), found


def work(held: jobs.Held) -> dict[str, Any]:
    """The long work: everybody whose value followed their title by the former rules follows it by the new ones."""
    edition = TitleRules.objects.get(pk=held.payload["edition"])
    former, at = held.payload["former"], edition.applied_at or held.now
    last = int(value_of(Sql("SELECT coalesce(max(id), 0) FROM audience_person")))
    after, changed = held.cursor.get("after", 0), held.cursor.get("changed", 0)
    while after < last:
        until = value_of(
            sql(
                "SELECT max(id) FROM (SELECT id FROM audience_person WHERE id > {} ORDER BY id LIMIT {}) next",
                after, CHUNK,
            )
        )  # fmt: skip
        if until is None:
            break
        with transaction.atomic():
            changed += _follow(after, until, edition.rules, former, at)
            after = until
            held.progress(rows_done=after, rows_total=last, cursor={"after": after, "changed": changed})
    return {"changed": changed}


def _follow(after: int, until: int, rules: Rules, former: Rules, now: datetime) -> int:
    within = sql("id > {} AND id <= {}", after, until)
    rows = sql(
        """SELECT p.id, CASE WHEN p.title_group = was_title_group THEN title_group_now END AS title_group,
                  CASE WHEN p.seniority = was_seniority THEN seniority_now END AS seniority
           FROM ({}) titled JOIN audience_person p ON {} AND p.id > {} AND p.id <= {} WHERE {}""",
        _titled(within, rules, former), _follows(), after, until, _moves(),
    )  # fmt: skip
    return history.update(Person, rows, (GROUP, SENIORITY), source=SOURCE, at=now, now=now)


def _titled(within: Sql, rules: Rules, former: Rules) -> Sql:
    """Each distinct title of some people, with what it said and what it says now."""
    said = Sql("said.title")
    return sql(
        """SELECT said.title, {} AS was_title_group, {} AS was_seniority, {} AS title_group_now, {} AS seniority_now
           FROM (SELECT DISTINCT title FROM audience_person WHERE title <> '' AND erased_at IS NULL AND {}) said
           OFFSET 0""",
        derived(GROUP, said, former), derived(SENIORITY, said, former), derived(GROUP, said, rules),
        derived(SENIORITY, said, rules), within,
    )  # fmt: skip


def _moves() -> Sql:
    return Sql("(was_title_group <> title_group_now OR was_seniority <> seniority_now)")


def _follows() -> Sql:
    return Sql(
        """p.title = titled.title AND p.erased_at IS NULL AND (
            (p.title_group = was_title_group AND was_title_group <> title_group_now)
            OR (p.seniority = was_seniority AND was_seniority <> seniority_now))"""
    )


def _checked(number: int, rule: Rule) -> Rule:
    if rule.get("of") not in (GROUP, SENIORITY):
        raise Refused(_("Rule %(number)s is of the title group, or of the seniority.") % {"number": number})
    value = str(rule.get("value") or "").strip()
    if not value or len(value) > 50:
        raise Refused(_("Rule %(number)s needs a value of at most 50 letters.") % {"number": number})
    words, unless = (_words(number, rule.get(each) or ()) for each in ("words", "unless"))
    if not words:
        raise Refused(_("Rule %(number)s needs at least one word.") % {"number": number})
    return {"of": rule["of"], "value": value, "words": words, "unless": unless}


def _words(number: int, given: Sequence[Any]) -> list[str]:
    words = list(dict.fromkeys(" ".join(str(each).split()).lower() for each in given if str(each).strip()))
    if len(words) > MOST_WORDS:
        raise Refused(_("Rule %(number)s has more than %(most)s words.") % {"number": number, "most": MOST_WORDS})
    for word in words:
        if len(word) > LONGEST or "\x00" in word or not (word[0].isalnum() and word[-1].isalnum()):
            said = {"number": number, "word": word[:LONGEST].replace("\x00", ""), "most": LONGEST}
            told = _("Rule %(number)s: “%(word)s” does not begin and end with a letter or digit, or is longer than")
            raise Refused((told + _(" %(most)s letters.")) % said)
    return words

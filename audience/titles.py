"""What a job title says: the group of work and the seniority, by rules that are tried in order.

Titles in a file repeat, so a set of people asks for each distinct title once. The rules are regular expressions on
the title in lower case; `\\y` is the edge of a word.
"""

from __future__ import annotations

from kit.sql import Sql, join, sql


def words(*alternatives: str) -> str:
    """The pattern of any of these words, each from edge to edge."""
    return rf"\y({'|'.join(alternatives)})\y"


# The first that fits wins. Values are stored as they stand here; pages translate them.
SENIORITY = (
    ("entry", words("assistant (to|of)")),
    ("vp", words("s?e?vp", "a?vp", "vice[ -]president")),
    (
        "c_level",
        words(
            "chief", "c[efiormt]o", "cmo", "cdo", "cxo", "ciso", "cpo", "cro", "president", "founder", "co-?founder",
            "owner", "proprietor", "chair(man|woman|person)?", "partner",
        )
        + r"(?!.*\y(assistant|vice|manager|account)\y)",
    ),
    ("director", words("director", "head", "principal", "dean", "general manager", "managing")),
    (
        "manager",
        words("manager", "mgr", "lead", "leader", "supervisor", "team ?lead(er)?", "foreman", "controller"),
    ),
    ("entry", words("intern", "trainee", "apprentice", "(working )?student", "junior", "jr", "assistant", "graduate")),
    ("senior", words("senior", "sr", "staff", "expert", "architect", "fellow")),
)  # fmt: skip
GROUPS = (
    (
        "marketing",
        words(
            "marketing", "brand", "growth", "demand", "communications?", "content", "seo", "sem", "cmo", "pr",
            "public relations", "advertising", "media", "events?",
        ),
    ),
    (
        "sales",
        words(
            "sales", "business development", "account (executive|manager)", "bdr", "sdr", "cro", "revenue",
            "commercial", "partnerships?",
        ),
    ),
    ("customer", words("customer", "client", "success", "support", "service desk", "care")),
    ("product", words("product", "ux", "ui", "designer", "design")),
    (
        "engineering",
        words(
            "engineer(ing)?", "developer", "programmer", "software", "devops", "architect", "cto", "r&d", "research",
            "scientist", "technical", "technology", "qa",
        ),
    ),
    (
        "it",
        words(
            "it", "information", "systems?", "network", "security", "infrastructure", "cio", "ciso", "data", "database",
            "administrator",
        ),
    ),
    (
        "finance",
        words(
            "finance", "financial", "accounting", "accountant", "controller", "cfo", "treasur(er|y)", "audit(or)?",
            "tax", "billing",
        ),
    ),
    ("people", words("hr", "human resources", "people", "talent", "recruit(er|ing|ment)", "chro", "training")),
    ("purchasing", words("purchas(ing|er)", "procurement", "buyer", "sourcing", "supply")),
    (
        "operations",
        words(
            "operations?", "coo", "logistics", "facilit(y|ies)", "manufacturing", "production", "plant", "quality",
            "warehouse", "office",
        ),
    ),
    ("legal", words("legal", "counsel", "lawyer", "attorney", "compliance", "paralegal", "privacy")),
    (
        "medical",
        words("doctor", "physician", "nurse", "medical", "clinical", "pharmac(y|ist)", "dentist", "surgeon"),
    ),
    (
        "education",
        words("teacher", "professor", "lecturer", "student", "education", "school", "university", "academic", "tutor"),
    ),
    (
        "management",
        words(
            "ceo", "president", "founder", "co-?founder", "owner", "chief executive", "chair(man|woman|person)?",
            "general manager", "managing director", "partner", "executive",
        ),
    ),
)  # fmt: skip
OTHER = "other"


def group(title: Sql) -> Sql:
    """The group of work of a title, as an expression; "" without a title, "other" when no rule fits."""
    return _first(GROUPS, title, OTHER)


def seniority(title: Sql) -> Sql:
    """The seniority of a title, as an expression; "" without a title, "other" when no rule fits."""
    return _first(SENIORITY, title, OTHER)


def _first(rules: tuple[tuple[str, str], ...], title: Sql, otherwise: str) -> Sql:
    lowered = sql("lower({})", title)
    cases = join(" ", (sql("WHEN {} ~ {} THEN {}", lowered, pattern, value) for value, pattern in rules))
    return sql("CASE WHEN coalesce({}, '') = '' THEN '' {} ELSE {} END", title, cases, otherwise)

"""What a job title says: the group of work and the seniority, by rules that are tried in order.

Titles in a file repeat, so a set of people asks for each distinct title once. The rules are regular expressions on
the title in lower case; `\\y` is the edge of a word.
"""

from __future__ import annotations

from kit.sql import Sql, join, sql

# The first that fits wins. Values are stored as they stand here; pages translate them.
SENIORITY = (
    ("entry", r"\yassistant (to|of)\y"),
    ("vp", r"\y(s?e?vp|a?vp|vice[ -]president)\y"),
    ("c_level", r"\y(chief|c[efiormt]o|cmo|cdo|cxo|ciso|cpo|cro|president|founder|co-?founder|owner|proprietor|chair(man|woman|person)?|partner|ceo)\y(?!.*\y(assistant|vice|manager|marketing manager|account)\y)"),
    ("director", r"\y(director|head|principal|dean|general manager|managing)\y"),
    ("manager", r"\y(manager|mgr|lead|leader|supervisor|team ?lead(er)?|superintendent|foreman|controller)\y"),
    ("entry", r"\y(intern|trainee|apprentice|student|working student|junior|jr|assistant|graduate)\y"),
    ("senior", r"\y(senior|sr|staff|expert|architect|fellow)\y"),
)  # fmt: skip
GROUPS = (
    ("marketing", r"\y(marketing|brand|growth|demand|communications?|content|seo|sem|cmo|pr|public relations|advertising|media|events?)\y"),
    ("sales", r"\y(sales|business development|account (executive|manager)|bdr|sdr|cro|revenue|commercial|partnerships?)\y"),
    ("customer", r"\y(customer|client|success|support|service desk|care)\y"),
    ("product", r"\y(product|ux|ui|designer|design)\y"),
    ("engineering", r"\y(engineer(ing)?|developer|programmer|software|devops|architect|cto|r&d|research|scientist|technical|technology|qa)\y"),
    ("it", r"\y(it|information|systems?|network|security|infrastructure|cio|ciso|data|database|administrator)\y"),
    ("finance", r"\y(finance|financial|accounting|accountant|controller|cfo|treasur(er|y)|audit(or)?|tax|billing)\y"),
    ("people", r"\y(hr|human resources|people|talent|recruit(er|ing|ment)|chro|training)\y"),
    ("purchasing", r"\y(purchas(ing|er)|procurement|buyer|sourcing|supply)\y"),
    ("operations", r"\y(operations?|coo|logistics|facilit(y|ies)|manufacturing|production|plant|quality|warehouse|office)\y"),
    ("legal", r"\y(legal|counsel|lawyer|attorney|compliance|paralegal|privacy)\y"),
    ("medical", r"\y(doctor|physician|nurse|medical|clinical|pharmac(y|ist)|therapist|dentist|surgeon)\y"),
    ("education", r"\y(teacher|professor|lecturer|student|education|school|university|academic|tutor)\y"),
    ("management", r"\y(ceo|president|founder|co-?founder|owner|chief executive|chair(man|woman|person)?|general manager|managing director|partner|executive)\y"),
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

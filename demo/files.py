"""The company as files: what its CRM, its shop and its mail would export, one CSV for each kind of rows."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

from demo import company as parts
from demo import spending
from demo.company import Act, Agreement, Bought, Company, Contact, Firm, Matter, Member, Sale, Step
from demo.net_new import HORIZON

Row = list[str]
COMPLETE = "complete"  # stands in the folder once all files do


def folder(under: Path, seed: int, end: date) -> Path:
    """Where the files of one company are."""
    return under / "demo" / f"{seed}-{end.isoformat()}"


def write(company: Company, into: Path) -> None:
    """Write all files; the same seed and end date give the same bytes."""
    into.mkdir(parents=True, exist_ok=True)
    written = company.calendar.written
    day = company.calendar.on
    _write(into / "products.csv", PRODUCT, ([*of[:3], _money(of[3])] for of in parts.PRODUCTS))
    firms = sorted(company.firms, key=lambda firm: (firm.seen, firm.key))
    people = sorted(company.people, key=lambda person: (person.seen, person.key))
    _write(into / "accounts.csv", ACCOUNT, (_account(firm, written) for firm in firms))
    _write(into / "people.csv", PERSON, (_person(person, written) for person in people))
    acts = sorted(company.acts, key=lambda act: act.at)
    _write(into / "activities.csv", ACTIVITY, (_act(number, act, written) for number, act in enumerate(acts, 1)))
    _write(into / "deals.csv", DEAL, (_sale(sale, written) for sale in company.sales))
    _write(into / "contracts.csv", CONTRACT, (_agreement(each, day) for each in company.agreements))
    _write(into / "purchases.csv", PURCHASE, (_bought(each, written) for each in company.bought))
    matters = sorted(company.matters, key=lambda each: each.opened)
    _write(into / "cases.csv", CASE, (_matter(number, each, written) for number, each in enumerate(matters, 1)))
    _write(into / "costs.csv", spending.COST, spending.costs(company.calendar))
    _write(into / "stages.csv", STAGE, (_step(step, written) for step in company.steps))
    _write(into / "members.csv", MEMBER, (_member(each, written) for each in company.members))
    (into / COMPLETE).touch()


def _write(path: Path, header: Row, rows: Iterable[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)


Written = Callable[[int], str]

PRODUCT = ["external_id", "name", "family", "price"]
ACCOUNT = [
    "external_id", "name", "domain", "industry", "employees", "country", "region", "city", "parent_external_id",
    "owner", "kind of account", "sites", "first_seen",
]  # fmt: skip
PERSON = [
    "external_id", "email", "first_name", "last_name", "title", "source", "country", "region", "city", "language",
    "owner", "account_external_id", "relation to us", "webinar programme", "first_seen",
]  # fmt: skip
ACTIVITY = [
    "external_id", "person_external_id", "account_external_id", "kind", "occurred", "channel", "platform", "direction",
    "actor", "value", "campaign", "reason", "content", "recorded", "deal",
]  # fmt: skip
DEAL = [
    "external_id", "name", "amount", "pipeline", "stage", "status", "reason", "created", "closed",
    "person_external_id", "role", "account_external_id", "product", "owner", "partner",
]  # fmt: skip
CONTRACT = [
    "external_id", "account_external_id", "name", "product", "starts_on", "renews_on", "notice_on", "ends_on",
    "annual_value", "auto_renew",
]  # fmt: skip
PURCHASE = [
    "external_id", "person_external_id", "account_external_id", "product", "occurred", "quantity", "amount", "cost",
]  # fmt: skip
CASE = ["external_id", "account_external_id", "title", "severity", "opened", "closed"]
STAGE = ["person_external_id", "lifecycle", "stage", "occurred", "reason", "recorded"]
MEMBER = [
    "person_external_id", "campaign", "assigned", "arm", "status", "sent", "responded", "kind", "lifecycle", "stage",
    "outcome_stage", "outcome_days", "planned_holdout",
]  # fmt: skip


def _account(firm: Firm, written: Written) -> Row:
    return [
        firm.key, firm.name, firm.domain, firm.industry, str(firm.employees or ""), firm.country, firm.region,
        firm.city, firm.parent.key if firm.parent else "", firm.owner, firm.relation,
        str(firm.sites) if firm.relation in ("customer", "former") else "", written(firm.seen),
    ]  # fmt: skip


def _person(person: Contact, written: Written) -> Row:
    return [
        person.key, person.email, person.first, person.last, person.title, person.source, person.country,
        person.region, person.city, person.language, person.owner, person.firm.key if person.firm else "",
        person.relation, person.program, written(person.seen),
    ]  # fmt: skip


def _act(number: int, act: Act, written: Written) -> Row:
    return [
        f"T{number:06}", act.whose, act.firm, act.kind, written(act.at), act.channel, act.platform, act.direction,
        act.actor, act.value, act.campaign, act.reason, act.content,
        written(act.recorded) if act.recorded is not None else "", act.deal,
    ]  # fmt: skip


def _sale(sale: Sale, written: Written) -> Row:
    return [
        sale.key, sale.name, _money(sale.amount), sale.pipeline, sale.stage, sale.status, sale.reason,
        written(sale.opened) if sale.opened is not None else "",
        written(sale.closed) if sale.closed is not None else "",
        sale.person.key if sale.person else "", "Decision maker" if sale.person else "",
        sale.firm.key if sale.firm else "", sale.product, sale.owner, sale.partner,
    ]  # fmt: skip


def _agreement(each: Agreement, day: Callable[[int], date]) -> Row:
    dates = [day(at).isoformat() if at is not None else "" for at in (each.starts, each.renews, each.notice, each.ends)]
    return [
        each.key, each.firm, f"{each.product}, {dates[0][:4]}", each.product, *dates, _money(each.annual),
        "yes" if each.auto_renew else "no",
    ]  # fmt: skip


def _bought(each: Bought, written: Written) -> Row:
    return [
        each.key, each.whose, each.firm, each.product, written(each.at), str(each.quantity), _money(each.amount),
        _money(each.cost),
    ]  # fmt: skip


def _matter(number: int, each: Matter, written: Written) -> Row:
    closed = written(each.closed) if each.closed is not None else ""
    return [f"S{number:04}", each.firm, each.title, each.severity, written(each.opened), closed]


def _step(step: Step, written: Written) -> Row:
    return [step.whose, "net_new", step.stage, written(step.at), step.reason, written(step.recorded)]


def _member(each: Member, written: Written) -> Row:
    times = [written(at) if at else "" for at in (each.invited, each.attended)]
    return [
        each.whose, "Explore webinars", written(each.at), each.arm, each.status, *times, "nurture", "net_new",
        "engaged", "mql", str(HORIZON), "20",
    ]  # fmt: skip


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"

"""Prints the funnel of a lifecycle."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audience.subjects import exclusions
from kit import writing
from kit.statistics import Share
from lifecycle.models import Lifecycle
from reporting import filling, flows, plans, splits
from reporting.funnel import Body, Funnel, NeverPublished, as_json, funnel, today


class Command(BaseCommand):
    help = "Print the funnel of a lifecycle, out of the tables that pages read, which are filled first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("lifecycle", help="the lifecycle's slug")
        parser.add_argument(
            "--from", dest="start", type=_day, help="the first day counted (default: that of the first move)"
        )
        parser.add_argument(
            "--to", dest="end", type=_day, help="the day behind the last one counted (default: tomorrow)"
        )
        parser.add_argument("--within", type=_days, help="days that a cohort is given (default: any time since)")
        parser.add_argument("--split", help="a field to split by, such as person.source")
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        lifecycle = self._lifecycle(options["lifecycle"])
        filling.fill(lifecycle, now=now)
        day = today(now)
        try:
            split = splits.find(options["split"], lifecycle.of) if options["split"] else None
            answer = funnel(
                lifecycle,
                start=options["start"] or flows.first_day(lifecycle.pk) or day,
                end=options["end"] or day + timedelta(days=1),
                today=day,
                split=split,
                within=options["within"],
            )
        except NeverPublished as refused:
            raise CommandError(f"{lifecycle.slug} was never published, so it has no funnel.") from refused
        except ValueError as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(json.dumps(as_json(answer)) if options["json"] else "\n".join(_lines(answer)))

    def _lifecycle(self, slug: str) -> Lifecycle:
        found = Lifecycle.objects.filter(slug=slug).first()
        if found is None:
            names = ", ".join(lifecycle.slug for lifecycle in plans.readable()) or "none yet"
            raise CommandError(f"There is no lifecycle “{slug}”. Published lifecycles: {names}.")
        return found


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"“{text}” is no day; write it as 2025-01-31") from error


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 3650:
        raise ArgumentTypeError("a number of days from 1 to 3650")
    return int(text)


def _lines(answer: Funnel) -> list[str]:
    head = (
        f"{'':24} {'start':>9} {'in':>9} {'out':>9} {'end':>9} {'next step':>10} {'from first':>10} {'median days':>12}"
    )
    lines = [f"{answer.plan.lifecycle.name}, {answer.window}", head]
    for row in answer.everybody.rows:
        lines.append(
            f"{row.place.name[:24]:24} {row.balance_start:9} {row.in_flow:9} {row.out_flow:9} {row.balance_end:9} "
            f"{_rate(row.next_step):>10} {_rate(row.cumulative):>10} {writing.number(row.stays.median, 1):>12}"
        )
    lines.append(_way(answer.everybody))
    for bucket in answer.buckets:
        won = bucket.body.won or Share(0, 0)
        lines.append(f"  {bucket.label[:40]:40} {bucket.body.entered:9} {won.hits:9} {_rate(won):>10}")
    if answer.excluded:
        lines.append(f"{answer.excluded} left out of all figures ({exclusions.in_words(answer.excluded_by)})")
    return lines


def _rate(share: Share | None) -> str:
    return writing.percent(share.rate, 3) if share else writing.NOTHING


def _way(body: Body) -> str:
    days = body.first_to_last
    if not days:
        return "Nobody went from the first stage to the last in this time span."
    told = f"First stage to last: {days.count}, median {writing.number(days.median, 1)} days, p90 {days.p90}"
    return f"{told}, of which {days.negative} are dated the other way round" if days.negative else told

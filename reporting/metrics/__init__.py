"""The numbers: one file each, with its definition in words, its SQL, and the people behind it.

A metric's module docstring is what the page prints; `METRIC` registers it. `people(question, part)` selects the ids of
the `StageEntry` rows (or, where `unit` says so, of the memberships) that the figure counts, so that a figure and the
length of its list are one statement apart at most. Metrics of `CUSTOMERS` are about customers and their money, and
about partners; those of `CAMPAIGNS` about what campaigns led to, those of `DEALS` about deals.
"""

from reporting.metrics import (
    acceptance,
    accepted_so_fast,
    age,
    attainment,
    balance,
    by_version,
    cohort_conversion,
    concentration,
    corrections,
    cost_per_stage,
    cumulative_time,
    detour_value,
    detoured_wins,
    excluded,
    first_and_repeat,
    first_deal,
    first_touch,
    in_flow,
    latest_time,
    lift,
    lift_in_money,
    neglect,
    onward,
    open_pipeline,
    out_flow,
    partner_wins,
    period_conversion,
    pipeline_velocity,
    recorded_late,
    recurring,
    recycled,
    registration_conflicts,
    renewals,
    stalled,
    subjects,
    survival,
    throughput,
    time_in_stage,
    time_to_accept,
    time_until_return,
    velocity,
    win_rate,
)
from reporting.metrics.metric import CampaignMetric, CustomerMetric, DealMetric, Metric

ALL: dict[str, Metric] = {
    module.METRIC.name: module.METRIC
    for module in (
        balance,
        in_flow,
        out_flow,
        by_version,
        corrections,
        period_conversion,
        cohort_conversion,
        time_in_stage,
        velocity,
        acceptance,
        attainment,
        time_to_accept,
        accepted_so_fast,
        recycled,
        time_until_return,
        detoured_wins,
        detour_value,
        neglect,
        first_and_repeat,
        recorded_late,
        cost_per_stage,
        throughput,
        age,
        survival,
        onward,
        latest_time,
        cumulative_time,
        first_touch,
        stalled,
        subjects,
        excluded,
    )
}

CUSTOMERS: dict[str, CustomerMetric] = {
    module.METRIC.name: module.METRIC
    for module in (recurring, renewals, concentration, partner_wins, first_deal, registration_conflicts)
}


CAMPAIGNS: dict[str, CampaignMetric] = {module.METRIC.name: module.METRIC for module in (lift, lift_in_money)}


DEALS: dict[str, DealMetric] = {
    module.METRIC.name: module.METRIC for module in (open_pipeline, win_rate, pipeline_velocity)
}


def find(name: str) -> Metric | CustomerMetric | CampaignMetric | DealMetric:
    """A metric by its name. Raises KeyError."""
    if name in ALL:
        return ALL[name]
    if name in DEALS:
        return DEALS[name]
    return CUSTOMERS[name] if name in CUSTOMERS else CAMPAIGNS[name]


__all__ = ["ALL", "CAMPAIGNS", "CUSTOMERS", "DEALS", "CampaignMetric", "CustomerMetric", "DealMetric", "Metric", "find"]

"""Deals that are neither won nor lost, now, and what they come to.

Amounts in other currencies are converted at today's exchange rate; those without one, and deals whose amount is not
known, are counted and not added. Weighted is each stage's sum times its probability.
"""

from django.utils.translation import gettext_lazy as _

from reporting.metrics.metric import DealMetric

METRIC = DealMetric(
    name="open_pipeline",
    label=_("Open pipeline"),
    definition=_(
        "Deals that are neither won nor lost, now, and what they come to. Amounts in other currencies are converted at "
        "today's exchange rate; those without one, and deals whose amount is not known, are counted and not added. "
        "Weighted is each stage's sum times its probability."
    ),
)

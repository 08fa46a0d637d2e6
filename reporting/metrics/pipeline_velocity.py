"""Money per day: open deals × mean won value × win rate / median days from creation to won.

Open deals are those of now; won value, win rate and days are those of the deals closed in the window. Won deals whose
amount is not known, or has no exchange rate, are not in the mean. Days are between local dates.
"""

from django.utils.translation import gettext_lazy as _

from reporting.metrics.metric import DealMetric

METRIC = DealMetric(
    name="pipeline_velocity",
    label=_("Pipeline velocity"),
    definition=_(
        "Money per day: open deals × mean won value × win rate / median days from creation to won. Open deals are "
        "those of now; won value, win rate and days are those of the deals closed in the window. Won deals whose "
        "amount is not known, or has no exchange rate, are not in the mean. Days are between local dates."
    ),
)

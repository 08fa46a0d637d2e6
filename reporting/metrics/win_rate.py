"""Won / (won + lost), of the deals that were closed in the window.

What was won is converted at the exchange rate of the day on which it was won.
"""

from django.utils.translation import gettext_lazy as _

from reporting.metrics.metric import DealMetric

METRIC = DealMetric(
    name="win_rate",
    label=_("Win rate"),
    definition=_(
        "Won / (won + lost), of the deals that were closed in the window. What was won is converted at the exchange "
        "rate of the day on which it was won."
    ),
)

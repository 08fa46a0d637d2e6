"""What entries of the trail about keys and webhooks are called."""

from django.utils.translation import gettext_lazy as _

ACTIONS = {
    "key.make": _("Key made"),
    "key.revoke": _("Key revoked"),
    "webhook.add": _("Webhook added"),
    "webhook.change": _("Webhook changed"),
    "webhook.pause": _("Webhook paused"),
    "webhook.resume": _("Webhook resumed"),
    "webhook.rotate": _("Webhook given another secret"),
    "webhook.remove": _("Webhook removed"),
    "webhook.test": _("Webhook tried out"),
    "webhook.replay": _("Deliveries of a webhook sent again"),
}

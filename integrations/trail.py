"""What entries of the trail about keys are called."""

from django.utils.translation import gettext_lazy as _

ACTIONS = {
    "key.make": _("Key made"),
    "key.revoke": _("Key revoked"),
}

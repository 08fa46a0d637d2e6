"""What entries of the trail about reports are called."""

from django.utils.translation import gettext_lazy as _

ACTIONS = {
    "chart_note.add": _("Note put into charts"),
    "chart_note.remove": _("Note taken out of charts"),
    "ledger.check": _("Ledger check asked for"),
    "reports.pars": _("Pars changed"),
}

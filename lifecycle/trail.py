"""What entries of the trail about lifecycles are called."""

from django.utils.translation import gettext_lazy as _

ACTIONS = {
    "lifecycle.backtest": _("Backtest of a lifecycle version asked for"),
    "lifecycle.backtest_remove": _("Backtest removed"),
    "lifecycle.draft_number": _("Number in a rule of a draft changed"),
    "lifecycle.bulk_move": _("Many moved to a stage"),
    "lifecycle.bulk_undo": _("Move of many taken back"),
    "lifecycle.discard": _("Lifecycle draft discarded"),
    "lifecycle.draft": _("Lifecycle drafted"),
    "lifecycle.move": _("Moved to a stage"),
    "lifecycle.place": _("Starting points accepted"),
    "lifecycle.placing": _("Starting points looked for"),
    "lifecycle.preview": _("Preview of a lifecycle draft asked for"),
    "lifecycle.publish": _("Lifecycle published"),
    "lifecycle.resume": _("Rules of a lifecycle run again"),
    "lifecycle.stop": _("Rules of a lifecycle stopped"),
    "lifecycle.undo": _("Move taken back"),
    "partner.approve": _("Partner approved"),
    "partner.certify": _("Partner certified"),
    "partner.decline": _("Partner declined"),
    "partner.programme": _("Partner programme set up"),
    "partner.reconsider": _("Decision about a partner taken back"),
    "partner.step_done": _("Step of a partner done"),
    "partner.step_open": _("Step of a partner to be done again"),
}

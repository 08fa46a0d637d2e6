"""What entries of the trail about lifecycles are called."""

from django.utils.translation import gettext_lazy as _

ACTIONS = {
    "handoff.accepted": _("Hand-off accepted"),
    "handoff.not_now": _("Hand-off put off"),
    "handoff.offer": _("Those who waited handed over to sales"),
    "handoff.passed_on": _("Hand-off passed on"),
    "handoff.reasons": _("Reasons for rejecting changed"),
    "handoff.rejected": _("Hand-off rejected"),
    "lifecycle.bulk_move": _("Many moved to a stage"),
    "lifecycle.bulk_undo": _("Move of many taken back"),
    "lifecycle.discard": _("Lifecycle draft discarded"),
    "lifecycle.draft": _("Lifecycle drafted"),
    "lifecycle.move": _("Moved to a stage"),
    "lifecycle.preview": _("Preview of a lifecycle draft asked for"),
    "lifecycle.publish": _("Lifecycle published"),
    "lifecycle.resume": _("Rules of a lifecycle run again"),
    "lifecycle.stop": _("Rules of a lifecycle stopped"),
    "lifecycle.undo": _("Move taken back"),
    "routing.add": _("Rule of routing added"),
    "routing.adopt": _("Usual rules of routing made one’s own"),
    "routing.change": _("Rule of routing changed"),
    "routing.move": _("Rule of routing moved up or down"),
    "routing.remove": _("Rule of routing removed"),
}

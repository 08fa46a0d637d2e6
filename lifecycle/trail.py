"""What entries of the trail about lifecycles are called."""

from django.utils.translation import gettext_lazy as _

ACTIONS = {
    "lifecycle.bulk_move": _("Many moved to a stage"),
    "lifecycle.bulk_undo": _("Move of many taken back"),
    "lifecycle.card": _("Stage card amended"),
    "lifecycle.discard": _("Lifecycle draft discarded"),
    "lifecycle.draft": _("Lifecycle drafted"),
    "lifecycle.edit": _("Lifecycle draft changed"),
    "lifecycle.move": _("Moved to a stage"),
    "lifecycle.preview": _("Preview of a lifecycle draft asked for"),
    "lifecycle.publish": _("Lifecycle published"),
    "lifecycle.resume": _("Rules of a lifecycle run again"),
    "lifecycle.roll_back": _("Lifecycle rolled back to its version before"),
    "lifecycle.stop_rule": _("A rule of a lifecycle stopped"),
    "lifecycle.withdraw": _("Publication of a lifecycle taken back"),
    "lifecycle.plan": _("Plan for the members of a lifecycle changed"),
    "lifecycle.stop": _("Rules of a lifecycle stopped"),
    "lifecycle.undo": _("Move taken back"),
}

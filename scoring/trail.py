"""What entries of the trail about scoring are called."""

from django.utils.translation import gettext_lazy as _

ACTIONS = {
    "scoring.discard": _("Scoring draft discarded"),
    "scoring.draft": _("Scoring drafted"),
    "scoring.publish": _("Scoring published"),
    "scoring.retire": _("Scoring model retired"),
    "scoring.rule": _("Scoring rule written"),
    "scoring.preview": _("Preview of a scoring draft asked for"),
    "scoring.rescore": _("New scores asked for"),
    "scoring.rule_moved": _("Scoring rule moved"),
    "scoring.rule_removed": _("Scoring rule removed"),
    "scoring.thresholds": _("Scoring thresholds changed"),
}

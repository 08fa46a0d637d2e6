"""What job titles say, edition by edition."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class TitleRules(models.Model):
    """One row is one edition of the rules that read job titles: a draft, or in force since a moment.

    `rules` is a list of {"of", "value", "words", "unless"}, tried in order; the first that fits wins.
    """

    rules = models.JSONField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(_("begun"))
    applied_at = models.DateTimeField(_("in force since"), null=True)
    job = models.ForeignKey("kit.Job", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name_plural = "rules of job titles"
        constraints = [  # one draft at a time
            models.UniqueConstraint(fields=["applied_at"], name="title_rules_one_draft", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

"""Who goes through a campaign, and each step that they took."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from audience.models.subjects import OneSubject, one_subject
from campaigns.models.plans import Campaign, CampaignVersion, Step


class Enrollment(OneSubject):
    """One row is one subject's nth pass through one campaign, on the version it entered: the hot state.

    `step` is what is to be done next, `step_at` since when, `visit` the how manieth time it is at that step, and
    `wake_at` when to look at it again (empty: when something happens). `strikes` counts looks that failed.
    """

    class State(models.TextChoices):
        ACTIVE = "active", _("on the way")
        HOLDOUT = "holdout", _("held out")  # gets nothing, for comparison
        FINISHED = "finished", _("went through")
        GOAL = "goal", _("reached the goal")
        EXITED = "exited", _("left")
        STOPPED = "stopped", _("stopped with the campaign")
        QUARANTINED = "quarantined", _("set aside after errors")

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, db_index=False)
    version = models.ForeignKey(CampaignVersion, on_delete=models.PROTECT, db_index=False)
    pass_number = models.IntegerField(_("pass"), default=1, db_default=1)
    state = models.CharField(_("state"), max_length=11, choices=State.choices, default=State.ACTIVE)
    step = models.ForeignKey(Step, null=True, on_delete=models.PROTECT, db_index=False, related_name="+")
    step_at = models.DateTimeField(null=True)
    visit = models.IntegerField(default=1, db_default=1)
    wake_at = models.DateTimeField(_("next look"), null=True)
    strikes = models.IntegerField(default=0, db_default=0)
    why = models.CharField(_("why it entered"), max_length=300, blank=True)
    reason = models.CharField(_("why it ended"), max_length=300, blank=True)
    entered_at = models.DateTimeField(_("entered"))
    ended_at = models.DateTimeField(_("ended"), null=True)
    request_id = models.CharField(max_length=64, blank=True, db_default="", default="")  # by which it entered, if any

    class Meta:
        constraints = [
            one_subject("enrollment"),
            models.UniqueConstraint(fields=["campaign", "subject_id", "pass_number"], name="enrollment_once"),
            models.UniqueConstraint(
                fields=["campaign", "subject_id"], condition=Q(state="active"), name="one_active_enrollment"
            ),
        ]
        indexes = [
            # The tick asks each running campaign who is due, so that who waits in a paused one is not even read.
            models.Index(
                fields=["campaign", "wake_at"],
                condition=Q(state="active", wake_at__isnull=False),
                name="enrollment_due",
            ),
            models.Index(  # dead letters
                fields=["campaign", "step"], condition=Q(state="quarantined"), name="enrollment_set_aside"
            ),
            models.Index(fields=["subject_id"], name="enrollments_of_subject"),
            models.Index(fields=["version", "step"], condition=Q(state="active"), name="enrollment_at_step"),
        ]

    def __str__(self) -> str:
        return f"{self.subject_id} in {self.campaign_id}"


class StepRun(models.Model):
    """One row is one step done for one enrollment. Written in the transaction that moves the enrollment on.

    `outcome` says what came of it (a branch: yes or no; a wait: happened or in vain), `next` where it went from there.
    """

    enrollment = models.ForeignKey(Enrollment, on_delete=models.PROTECT, db_index=False)
    step = models.ForeignKey(Step, on_delete=models.PROTECT, db_index=False, related_name="+")
    visit = models.IntegerField(default=1, db_default=1)
    at = models.DateTimeField(_("when"))
    outcome = models.CharField(_("what came of it"), max_length=12)
    detail = models.CharField(max_length=300, blank=True, db_default="", default="")
    next = models.ForeignKey(Step, null=True, on_delete=models.PROTECT, db_index=False, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["enrollment", "step", "visit"], name="step_run_once")]
        indexes = [
            models.Index(fields=["step", "outcome"], name="step_runs_of_step"),  # the counts beside each step
            models.Index(fields=["next"], name="step_runs_leading_to"),  # the invariant: who came to a step
        ]

    def __str__(self) -> str:
        return f"{self.enrollment_id} {self.step_id} {self.outcome}"

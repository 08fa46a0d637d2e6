"""Which tables of campaigns hold a person, and what erasure empties in them; what is said to everybody stays."""

from campaigns import models
from kit import registry

# What one of us was told about somebody is a letter of theirs too.
OF_LETTER = """SELECT t.id, COALESCE(m.subject_id, n.subject_id) AS subject_id FROM campaigns_letter t
    JOIN campaigns_message m ON m.id = t.message_id LEFT JOIN kit_notice n ON n.id = m.notice_id"""
OF_MESSAGE = "SELECT t.id, m.subject_id FROM {} t JOIN campaigns_message m ON m.id = t.message_id"
RUNS_OF = "SELECT r.id, e.subject_id FROM campaigns_steprun r JOIN campaigns_enrollment e ON e.id = r.enrollment_id"


def register_all() -> None:
    """Make every table of this floor that speaks of a subject known to merge, export and erasure."""
    registry.holder(models.Enrollment, "enrollments", merge=registry.JOINED)
    registry.holder(models.StepRun, "steps in campaigns", personal=("detail",), whose=RUNS_OF)
    registry.holder(models.Message, "messages", personal=("links", "reason"))
    attempts, responses = (OF_MESSAGE.format(table) for table in ("campaigns_messageattempt", "campaigns_response"))
    registry.holder(models.MessageAttempt, "attempts to send", personal=("reply",), whose=attempts)
    registry.holder(models.Letter, "letters", personal=("recipient", "subject", "raw"), whose=OF_LETTER)
    registry.holder(models.Response, "responses to messages", whose=responses)
    registry.spare(
        models.Campaign, models.CampaignVersion, models.Step, models.Content, models.ContentVersion, models.Sender
    )

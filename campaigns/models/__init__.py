"""The tables of campaigns: plans and their steps, content, who goes through them, and what was sent."""

from campaigns.models.channels import ChannelSetting, DomainPause, Letter, Sender
from campaigns.models.content import Content, ContentVersion
from campaigns.models.journeys import Enrollment, StepRun
from campaigns.models.messages import (
    Message,
    MessageAttempt,
    Response,
    message_id,
    message_id_sql,
)
from campaigns.models.plans import Campaign, CampaignVersion, Step

__all__ = [
    "Campaign",
    "CampaignVersion",
    "ChannelSetting",
    "Content",
    "ContentVersion",
    "DomainPause",
    "Enrollment",
    "Letter",
    "Message",
    "MessageAttempt",
    "Response",
    "Sender",
    "Step",
    "StepRun",
    "message_id",
    "message_id_sql",
]

"""Forms of campaigns, one file per noun."""

from campaigns.forms.campaigns import Enroll, Launch, NewCampaign, Settings
from campaigns.forms.contents import SenderForm, Written
from campaigns.forms.sending import ChannelSettings, FrequencyCap
from campaigns.forms.steps import STEPS, BranchStep

__all__ = [
    "BranchStep",
    "ChannelSettings",
    "Enroll",
    "FrequencyCap",
    "Launch",
    "NewCampaign",
    "STEPS",
    "SenderForm",
    "Settings",
    "Written",
]

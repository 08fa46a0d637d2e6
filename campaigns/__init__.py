"""What we say, to whom, when: campaigns with their steps, who goes through them, and messages that leave at most once.

About: nurture campaigns and broadcasts, content, channels, and what recipients answer.
Nouns: Campaign, CampaignVersion, Step, Enrollment, StepRun, Content, Sender, Message, MessageAttempt, Response.
Read first: models/, plans.py (drafting and launching), entry.py, journeys.py (advance), sending/ (the fence).
May import: kit, audience, scoring, lifecycle.
Not here: consent and suppression (audience), figures over many campaigns (reporting).
"""

"""The campaigns' place in Django, and what they register."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    name = "campaigns"

    def ready(self) -> None:
        from audience import live as engine
        from audience.conditions import uses
        from campaigns import (
            channels,
            content,
            entry,
            fields,
            holders,
            importing,
            inbulk,
            journeys,
            live,
            merges,
            operations,
            panels,
            plans,
            responses,
            sending,
            styles,
            supporting,
            trail,
        )
        from campaigns.channels import mailbox, smtp
        from campaigns.sending import showing
        from kit import audit, jobs, navigation, notices
        from kit.api import problems
        from kit.registry import defaults, ending, import_kind, joining, panel
        from lifecycle.editions import checking

        problems.register(
            plans.Refused, lambda error: problems.Problem(409, "campaign_refused", str(error), count=error.count)
        )
        problems.register(entry.Refused, problems.refusal(409, "enroll_refused"))
        problems.register(sending.Refused, problems.refusal(409, "sending_refused"))
        audit.named(trail.ACTIONS)
        notices.register(plans.PAUSED, _("A campaign of yours has paused by itself"))
        engine.register(engine.Judge("campaigns", 40, live.judge, live.clock))
        jobs.register(live.JOB, live.work, tidy=live.tidy)
        fields.register_all()
        inbulk.register_all()
        supporting.register_all()
        uses.register(plans.kept)
        uses.register(entry.kept)
        uses.register(content.kept)
        import_kind(importing.KIND)
        channels.register(mailbox.Mailbox)
        channels.register(smtp.Smtp)
        defaults(responses.ensure_defaults)
        checking.register(styles.of_version)
        holders.register_all()
        ending(journeys.erase)
        joining(merges.join, merges.part)
        panel("stage_card", _("Campaigns"), "campaigns/_stage_campaigns.html", panels.of_stage)
        panel("person", _("Campaigns"), "campaigns/_person_panel.html", panels.of_person, order=20)
        panel("segment", _("Use it"), "campaigns/_segment_panel.html", panels.from_segment)
        panel("form", _("Confirmations"), "campaigns/_form_without_sender.html", panels.without_sender)
        panel("settings", _("Messages to one person"), "kit/_setting.html", panels.cap, order=20)
        navigation.register(area="main", label=_("Campaigns"), url_name="campaigns", icon="megaphone", order=25)
        navigation.register(area="main", label=_("Content"), url_name="contents", icon="file-text", order=27)
        operations.register_all()
        for place in ("jobs", "outbox", "system"):
            panel(place, _("Sending"), "campaigns/_sending_panel.html", showing.how_far)
        panel("urgent", _("Sending"), "campaigns/_sending_trouble.html", showing.trouble, order=1)
        navigation.register(area="operations", label=_("Outbox"), url_name="outbox", icon="send", order=20)
        navigation.register(area="operations", label=_("Mailbox"), url_name="mailbox", icon="inbox", order=22)
        navigation.register(area="operations", label=_("How mail leaves"), url_name="channel", icon="plug", order=24)
        navigation.register(area="operations", label=_("Senders"), url_name="senders", icon="at-sign", order=30)

"""What runs by itself, and when. Any number of beats may run: turns are claimed as rows, sweeps find the same rows."""

from typing import Any

from celery.schedules import crontab

SCHEDULE: dict[str, dict[str, Any]] = {
    # every few seconds: rows that wait for a worker, whether or not their hint arrived
    "sweep jobs": {"task": "kit.tasks.sweep_jobs", "schedule": 5.0, "options": {"expires": 5}},
    "judge": {"task": "audience.tasks.judge", "schedule": 2.0, "options": {"expires": 2}},
    "advance": {"task": "campaigns.tasks.advance", "schedule": 2.0, "options": {"expires": 2}},
    "hand over": {"task": "lifecycle.tasks.hand_over", "schedule": 5.0, "options": {"expires": 5}},
    "send": {"task": "campaigns.tasks.send", "schedule": 2.0, "options": {"expires": 2}},
    "deliver": {"task": "integrations.tasks.deliver", "schedule": 2.0, "options": {"expires": 2}},
    "sweep messages": {"task": "campaigns.tasks.sweep_messages", "schedule": 15.0, "options": {"expires": 15}},
    # every minute on the minute, and so right after midnight: what time alone changes
    "tell time": {"task": "audience.tasks.tell_time", "schedule": crontab(), "options": {"expires": 60}},
    "start imports": {"task": "audience.tasks.start_imports", "schedule": crontab(), "options": {"expires": 60}},
    "hand over again": {"task": "lifecycle.tasks.hand_over_again", "schedule": crontab(), "options": {"expires": 60}},
    "take in partners": {"task": "lifecycle.tasks.take_in_partners", "schedule": crontab(), "options": {"expires": 60}},
    # twice a minute: what moved since is in the figures
    "fill reports": {"task": "reporting.tasks.fill_reports", "schedule": 30.0, "options": {"expires": 30}},
    # every night (UTC)
    "forget old": {"task": "kit.tasks.forget_old", "schedule": crontab(hour=3, minute=17)},
    "look again": {"task": "audience.tasks.look_again", "schedule": crontab(hour=3, minute=7)},
    "measure readiness": {"task": "audience.tasks.measure_readiness", "schedule": crontab(hour=1, minute=37)},
    "find duplicates": {"task": "audience.tasks.find_duplicates", "schedule": crontab(hour=3, minute=37)},
    "forget strangers": {"task": "audience.tasks.forget_strangers", "schedule": crontab(hour=3, minute=37)},
    "forget changes": {"task": "integrations.tasks.forget_changes", "schedule": crontab(hour=3, minute=27)},
    "forget deliveries": {"task": "integrations.tasks.forget_deliveries", "schedule": crontab(hour=3, minute=27)},
    "measure stays": {"task": "lifecycle.tasks.measure_stays", "schedule": crontab(hour=1, minute=17)},
    "check ledgers": {"task": "reporting.tasks.check_ledgers", "schedule": crontab(hour=3, minute=47)},
}

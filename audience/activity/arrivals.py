"""What an activity's properties tell of how it came about, where nobody has said: its channel, platform and actor.

`referrer`, `url` and the `utm_` tags tell the channel, `user_agent` the platform and whether a human did it. What the
sender has said is kept. Whoever neither calls itself a browser nor a machine, such as an app, is left to be a human.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audience.activity import agents, origins

READ = ("referrer", "referer", "url", "page_url", "utm_source", "utm_medium", "user_agent")
FILLED = ("channel", "platform", "actor")


def told(properties: Mapping[str, Any] | None) -> dict[str, str]:
    """Those of channel, platform and actor that the properties tell."""
    if not properties or not any(name in properties for name in READ):
        return {}
    agent = properties.get("user_agent")
    judged = agents.judge(agent) if isinstance(agent, str) else agents.Judged()
    found = {"channel": origins.of_properties(properties), "platform": judged.platform, "actor": judged.actor}
    return {name: value for name, value in found.items() if value}

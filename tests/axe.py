"""What axe finds wrong with a page that stands in a browser."""

from __future__ import annotations

from importlib import resources
from typing import Any

SCRIPT = (resources.files("axe_playwright_python") / "axe.min.js").read_text()
# What is sound is neither told nor handed over, and style sheets, which no rule of these looks into, are not fetched anew.
QUICKLY = {"resultTypes": ["violations"], "preload": False}


def violations(page: Any, **options: Any) -> list[dict[str, Any]]:
    """The rules that the page breaks, each with its nodes; `options` are those of `axe.run`."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(SCRIPT)
    return page.evaluate("options => axe.run(document, options).then(told => told.violations)", QUICKLY | options)

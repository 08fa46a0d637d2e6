"""Readiness: how complete, how fresh and from where the data is, what it supports today, and what a gap costs.

`measures`: which fields are measured, of whom, and for whom of them each applies. `completeness`: known of
applicable, at an instant and over time. `origins`: when and by whom values were filled. `gaps`: what filling one
would change. `abilities`: what the data supports, asked of every floor.
"""

from audience.readiness import abilities, completeness, gaps, measures, origins, overview

__all__ = ["abilities", "completeness", "gaps", "measures", "origins", "overview"]

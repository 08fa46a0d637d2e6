"""Campaigns over the API: what runs and what came of it, who goes through, what was sent."""

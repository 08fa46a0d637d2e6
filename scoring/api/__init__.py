"""Scoring over the API: models with their versions, everybody's scores and why they are what they are."""

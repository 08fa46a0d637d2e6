"""Reporting's commands."""

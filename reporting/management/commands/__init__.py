"""Reporting's commands: fill_reports, check_ledger, funnel."""

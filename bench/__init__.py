"""Workloads, each beside the best hand-written SQL for the same result, run on purpose and never as timed tests."""

"""Faults by number, E01 to E60: what the platform does with each; docs/faults.md is the table."""

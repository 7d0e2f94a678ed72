"""Dagster wiring and the lending command; no business rule."""

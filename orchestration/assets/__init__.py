"""Dagster assets, named as the tables they write."""

"""Drift, stability and delayed-label performance of the scores."""

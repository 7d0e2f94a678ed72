"""Scores over HTTP and in batch, from a verified model bundle and the online store."""

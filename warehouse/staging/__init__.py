"""Typed and deduplicated versions of delivered rows; rows that break a rule go to quarantine."""

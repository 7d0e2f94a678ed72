"""Deliveries as they came: verified, copied to landing and stored as text."""

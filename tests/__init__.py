"""Tests; this file keeps tests/features from shadowing the features package."""

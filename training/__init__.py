"""What happened after a date, and the model that learns from it."""

"""Plain-Python answers to what the platform computes: loops over dicts, dates and decimals, written from the definitions alone.

Nothing here imports the code that it checks, not even the calendar rules. Simple and slow on purpose.
"""

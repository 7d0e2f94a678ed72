"""Named crash points, so that tests can end a real process at the worst moments.

They do nothing unless Settings.crash_at names one, either alone or with a table: `after_add_files:curated.fact_contract`.
"""

import os

POINTS = (
    "before_write",
    "after_data_files",
    "after_add_files",
    "before_release_row",
    "after_release_row",
    "before_main_moved",
)
EXIT_CODE = 137  # what a shell reports for SIGKILL


def crash_point(crash_at: str, name: str, table: str = "") -> None:
    """End the process at once, without clean-up, if the settings ask for it here."""
    if crash_at and crash_at in (name, f"{name}:{table}"):
        os._exit(EXIT_CODE)

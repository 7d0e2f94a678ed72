"""docs/features.md and docs/tables.md, written from the declarations: `python -m features.catalog docs`.

Both pages are generated here because this is the lowest place that sees the warehouse and the features; a test compares them with the
files, so a declaration cannot change without its documentation.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from features.declare import DOCS_HEADER, Feature, docs_row
from features.tables import CLIENT_REPAYMENT, CLIENT_REPAYMENT_SPEC
from warehouse.catalog import GENERATED, tables_page, warehouse_specs

VIEWS: dict[str, tuple[Feature, ...]] = {"client_repayment": CLIENT_REPAYMENT}

INTRODUCTION = """\
A feature is a value of one client as of a date T, by what was known at the end of T. A window of W months holds the events after its
start and up to T; it is cut by due date, or by the day of the event for settlements and penalties. Sign: `+` means that a greater value
can only raise the predicted risk, `-` that it can only lower it, `0` that it may do either. `never (0)` means that the value is never
missing and is 0 when there is nothing to count."""


def features_page(views: dict[str, tuple[Feature, ...]]) -> str:
    """The Markdown page of all features.

    Args:
        views: declarations per Feast feature view, in the order of the columns.
    """
    lines = [GENERATED, "", "# Features", "", INTRODUCTION, ""]
    for view, features in views.items():
        lines += [f"## {view}", "", *DOCS_HEADER, *map(docs_row, features), ""]
        lines += [f"### Reason codes of {view}", "", *_reasons(features), ""]
    return "\n".join(lines).rstrip() + "\n"


def _reasons(features: Sequence[Feature]) -> list[str]:
    """The sentences that clients read, by code."""
    rows = [f"| `{feature.code}` | `{feature.name}` | {feature.reason} |" for feature in sorted(features, key=lambda f: f.code)]
    return ["| Code | Feature | What the client reads |", "|---|---|---|", *rows]


def pages() -> dict[str, str]:
    """File name and text of each generated page."""
    return {"features.md": features_page(VIEWS), "tables.md": tables_page([*warehouse_specs(), CLIENT_REPAYMENT_SPEC])}


def main(folder: Path) -> None:
    """Write the generated pages into a folder."""
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

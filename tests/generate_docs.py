"""The generated pages of docs/: `python -m tests.generate_docs` writes them, a test compares them with the files.

Tables are found where they are declared, in any package, so that a new one cannot be left out.
"""

import importlib
from pathlib import Path

from features.catalog import features_page
from tests.architecture.modules import ROOT, source_files
from warehouse.catalog import schema_versions_page, tables_page
from warehouse.simulate.page import with_tables
from warehouse.sources import SOURCES
from warehouse.table import TableSpec

DOCS = ROOT / "docs"


def declared_specs() -> list[TableSpec]:
    """Every table of every package: those of the source tables, and each constant that is a TableSpec."""
    specs = [spec for source in SOURCES for spec in (source.raw_spec(), source.staging_spec())]
    for file in source_files():
        if "TableSpec(" in file.read_text():
            module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
            specs += [value for value in vars(module).values() if isinstance(value, TableSpec)]
    return specs


def pages() -> dict[Path, str]:
    """Path and text of each generated page."""
    return {
        DOCS / "features.md": features_page(),
        DOCS / "tables.md": tables_page(declared_specs()),
        DOCS / "schema-versions.md": schema_versions_page(SOURCES),
    }


def pages_with_tables() -> dict[Path, str]:
    """Path and text of each page that people write and that has generated tables in it."""
    path = DOCS / "simulator.md"
    return {path: with_tables(path.read_text(encoding="utf-8"))}


if __name__ == "__main__":
    for path, text in (pages() | pages_with_tables()).items():
        path.write_text(text, encoding="utf-8")

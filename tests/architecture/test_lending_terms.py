"""docs/lending-terms.md explains every column that we derive, and names code that exists."""

import importlib
import re

import pytest

from tests.architecture.modules import ROOT
from warehouse.curated import FACT_CONTRACT, FACT_CONTRACT_MONTH, FACT_CONTRACT_STATUS, FACT_INSTALLMENT, FACT_PENALTY, FACT_REPAYMENT
from warehouse.sources import SOURCES

PAGE = (ROOT / "docs" / "lending-terms.md").read_text()
DELIVERED = {column.name for source in SOURCES for column in source.all_columns}
TERMS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| Term ")]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize(
    "spec",
    [FACT_CONTRACT, FACT_CONTRACT_MONTH, FACT_CONTRACT_STATUS, FACT_INSTALLMENT, FACT_PENALTY, FACT_REPAYMENT],
    ids=lambda spec: spec.name,
)
def test_every_derived_column_is_explained(spec):
    derived = set(spec.column_names) - DELIVERED - {"month_on", "known_at"}
    assert {name for name in derived if f"`{name}`" not in PAGE} == set()


def test_every_term_has_a_formula_edges_what_it_is_not_code_and_a_source():
    rows = [cells(line) for line in TERMS if len(cells(line)) > 4]
    assert len(rows) > 40
    for row in rows:
        assert len(row) == 7, row[0]
        assert all(row), row[0]
    names = [row[0] for row in rows]
    assert len(set(names)) == len(names)


def test_the_code_that_it_names_exists():
    named = set(re.findall(r"`([a-z_]+)\.([a-z_0-9]+)`", PAGE)) - {("tests", "golden")}
    checked = 0
    for module, function in named:
        if (ROOT / "warehouse" / "curated" / f"{module}.py").exists():
            assert callable(getattr(importlib.import_module(f"warehouse.curated.{module}"), function)), f"{module}.{function}"
            checked += 1
    assert checked == len(named), named
    for path in re.findall(r"`((?:warehouse|features|training)/[a-z_/]+\.py)`", PAGE):
        assert (ROOT / path).exists(), path

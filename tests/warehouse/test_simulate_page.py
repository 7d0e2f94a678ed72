"""docs/simulator.md says what the generator does."""

import pytest

from tests.generate_docs import pages_with_tables
from warehouse.simulate.catalog import DEFECTS, ELSEWHERE
from warehouse.simulate.page import with_tables


def test_the_tables_of_the_page_are_fresh() -> None:
    stale = [path.name for path, text in pages_with_tables().items() if path.read_text(encoding="utf-8") != text]

    assert stale == [], "run `make docs`"


def test_the_page_names_every_defect_once_for_each_expectation() -> None:
    ((_, page),) = pages_with_tables().items()

    for defect in (*DEFECTS, *ELSEWHERE):
        rows = [line for line in page.splitlines() if line.startswith(f"| {defect.id} |") and defect.what in line]
        assert len(rows) == len({(other.rule, other.disposition) for other in (*DEFECTS, *ELSEWHERE) if other.what == defect.what})
        assert any(defect.rule in row and defect.disposition in row and (defect.column or defect.table) in row for row in rows)


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for table versions"):
        with_tables("# Nothing\n")

"""Generated pages are what the declarations say now, whatever the order in which they are found."""

import random

import pytest

from features.tables import CLIENT_REPAYMENT
from tests.architecture.modules import ROOT
from tests.generate_docs import declared_specs, pages
from warehouse.catalog import GENERATED, tables_page
from warehouse.table import Column, TableSpec

EXPECTED = {"features.md", "tables.md", "schema-versions.md"}


@pytest.fixture(scope="module")
def generated():
    return pages()


def test_the_pages_in_docs_are_fresh(generated):
    assert {path.name for path in generated} == EXPECTED
    stale = [str(path.relative_to(ROOT)) for path, text in generated.items() if not path.exists() or path.read_text() != text]
    assert stale == [], "run `make docs`"


def test_every_page_says_that_it_is_generated_and_how(generated):
    assert "make docs" in GENERATED
    assert all(text.startswith(GENERATED + "\n") for text in generated.values())


def test_the_order_in_which_tables_are_found_does_not_matter(generated):
    specs = declared_specs()
    shuffled = random.Random(1).sample(specs, len(specs))
    assert tables_page(shuffled) == tables_page(specs)


def test_every_table_has_a_name_of_its_own():
    by_name: dict[str, TableSpec] = {}
    for spec in declared_specs():
        assert by_name.setdefault(spec.name, spec) == spec, f"{spec.name} is declared twice"


def test_every_feature_is_on_its_page_and_in_the_tables(generated):
    texts = {path.name: text for path, text in generated.items()}
    for feature in CLIENT_REPAYMENT:
        assert f"| `{feature.name}` |" in texts["features.md"]
        assert f"| {feature.name} |" in texts["tables.md"]
        assert feature.reason in texts["features.md"]


def test_every_row_of_a_table_has_as_many_cells_as_its_header(generated):
    for text in generated.values():
        width = 0
        for line in text.splitlines():
            cells = line.replace("\\|", "").count("|")
            width = (width or cells) if line.startswith("|") else 0
            assert cells == width, line


def test_a_table_shows_its_key_its_partition_and_the_allowed_values():
    spec = TableSpec(
        "marts.example",
        "What it is.",
        ("a_id",),
        (Column("a_id", "string", "Its a|b.", values=("x", "y")), Column("day", "date", "When.", True)),
        "day",
    )
    page = tables_page([spec])
    assert "Key: a_id. Partitioned by day." in page
    assert "| a_id | string | no | Its a\\|b. One of: x, y. |" in page
    assert "| day | date | yes | When. |" in page

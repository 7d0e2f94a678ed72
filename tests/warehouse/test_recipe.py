"""A recipe changes with terms, columns and code, with that of imported modules too, and not with comments."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from warehouse import recipe as recipes
from warehouse.curated import FACT_CONTRACT_MONTH, FACT_CONTRACT_STOCK
from warehouse.recipe import code_of, recipe
from warehouse.terms import Terms

ROOT = "warehouse.months"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of ours, made of a root, what it imports, and a module that nobody imports."""
    folder = tmp_path / "made"
    folder.mkdir()
    for name, text in {"__init__": "", "root": "from made import inner\n", "inner": "LIMIT = 1\n", "apart": "LIMIT = 1\n"}.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(recipes, "OURS", ("made",))
    return folder


def code() -> str:
    code_of.cache_clear()
    return code_of("made.root")


def test_the_code_of_imported_modules_counts_and_comments_do_not(package):
    first = code()
    (package / "inner.py").write_text("# how many\n\nLIMIT = 1  # one\n")
    (package / "apart.py").write_text("LIMIT = 2\n")
    assert code() == first
    (package / "inner.py").write_text("LIMIT = 2\n")
    assert code() != first
    code_of.cache_clear()


def test_terms_and_columns_count():
    made = recipe(FACT_CONTRACT_MONTH, Terms(), ROOT)
    assert recipe(FACT_CONTRACT_MONTH, Terms(), ROOT) == made
    assert recipe(FACT_CONTRACT_MONTH, replace(Terms(), settlement_tolerance_amount=Decimal("0.01")), ROOT) != made
    assert recipe(replace(FACT_CONTRACT_MONTH, columns=FACT_CONTRACT_MONTH.columns[:-1]), Terms(), ROOT) != made
    assert recipe(FACT_CONTRACT_STOCK, Terms(), ROOT) != made

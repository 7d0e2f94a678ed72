"""docs/faults.md and the tests say the same: every number once, every test named there exists, every numbered test is named there."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.modules import ROOT

PAGE = (ROOT / "docs" / "faults.md").read_text()
LAST = 60  # the numbers after it belong to the feature store, training and serving
ROW = re.compile(r"^\| E(\d\d) \|(.*)$", re.MULTILINE)
TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
NUMBERED = re.compile(r"test_((?:(?:e\d\d[a-c]?|d\d\d|and)_)+)")


def numbers(name: str) -> set[int]:
    """Numbers of the faults that a test shows, by its name."""
    found = NUMBERED.match(name)
    return {int(digits) for digits in re.findall(r"e(\d\d)", found.group(1))} if found else set()


def numbered_tests() -> Iterator[tuple[int, str, str]]:
    """Number, file and name of every test that has a number up to the last."""
    for file in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef):
                yield from ((number, str(file.relative_to(ROOT / "tests")), node.name) for number in numbers(node.name) if number <= LAST)


@pytest.fixture(scope="module")
def named() -> set[tuple[int, str, str]]:
    """Number, file and name of every test in the table."""
    return {(int(number), *test) for number, cells in ROW.findall(PAGE) for test in TEST.findall(cells)}


def test_every_number_is_in_the_table_once_and_in_order() -> None:
    assert [int(number) for number, _ in ROW.findall(PAGE)] == list(range(1, LAST + 1))


def test_the_table_and_the_tests_are_the_same(named: set[tuple[int, str, str]]) -> None:
    tests = set(numbered_tests())
    assert named - tests == set(), "in docs/faults.md, and no such test"
    assert tests - named == set(), "not in docs/faults.md"


def test_every_case_has_a_test(named: set[tuple[int, str, str]]) -> None:
    assert {number for number, _, _ in named} == set(range(1, LAST + 1))


def test_every_rule_in_the_table_exists() -> None:
    from warehouse.staging.rules import BY_ID

    rules = {rule for number, cells in ROW.findall(PAGE) for rule in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", cells.split("|")[2])}
    assert len(rules) > 20
    assert rules <= set(BY_ID)

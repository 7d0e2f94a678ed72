"""`lending quarantine`: which rows are shown, how, and what is judged again."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestration.cli import main
from orchestration.instance import open_instance
from tests.conftest import arrow
from warehouse.lake import Lake
from warehouse.settings import Settings
from warehouse.sources import SOURCES
from warehouse.staging.quarantine import QUARANTINE

JULY, AUGUST = date(2024, 7, 1), date(2024, 8, 1)


def entry(number: int, rule: str, **values: Any) -> dict[str, Any]:
    return {
        "business_date": JULY, "table_name": "repayments", "source_sha256": "ab", "source_row_number": number, "rule": rule,
        "column_name": "", "severity": "reject", "disposition": "quarantined", "reason": f"The row broke {rule}; deliver it again.",
        "raw_row": '{"repayment_id": "Y1"}', "source_file": "repayments.csv", "is_escalated": False, **values,
    }  # fmt: skip


ROWS = [
    entry(2, "bad_date", column_name="repayment_date"),
    entry(3, "bad_number", column_name="repayment_amount"),
    entry(3, "bad_date", column_name="repayment_date"),
    entry(4, "amount_rounded", severity="warn", disposition="accepted"),
    entry(5, "bad_date", disposition="duplicate"),  # a later row of the delivery has replaced it
    entry(9, "orphan", severity="park", disposition="parked", is_escalated=True, table_name="installments", source_file="installments.csv"),
    entry(2, "bad_date", business_date=AUGUST, table_name="clients", source_file="\x1b[31mclients.csv", raw_row='{"client_name": "***"}'),
]

Lending = Callable[..., tuple[int, str, str]]


@pytest.fixture
def lending(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Lending:
    monkeypatch.setenv("LENDING_HOME", str(settings.home))

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["quarantine", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def held(settings: Settings) -> None:
    """A lake whose quarantine holds the rows above."""
    with Lake(settings) as lake:
        candidate = lake.candidate("intake", "seed")
        candidate.write(QUARANTINE, arrow(QUARANTINE, ROWS))
        candidate.audit(QUARANTINE)
        candidate.publish(JULY)


def listed(lending: Lending, *arguments: str) -> list[tuple[str, int, str]]:
    code, out, _ = lending("list", "--json", *arguments)
    assert code == 0
    answer = json.loads(out)
    rows = [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]
    return [(row["table_name"], row["source_row_number"], row["rule"]) for row in rows]


@pytest.mark.usefixtures("held")
def test_the_list_shows_what_needs_somebody_and_all_on_demand(lending: Lending) -> None:
    needed = [
        ("installments", 9, "orphan"),  # has waited too long: first
        ("clients", 2, "bad_date"),  # newest
        ("repayments", 2, "bad_date"),
        ("repayments", 3, "bad_date"),
        ("repayments", 3, "bad_number"),
    ]
    assert listed(lending) == needed
    assert len(listed(lending, "--all")) == len(ROWS)
    assert listed(lending, "--limit", "1") == needed[:1]
    assert listed(lending, "--severity", "warn") == [("repayments", 4, "amount_rounded")]
    assert listed(lending, "--disposition", "duplicate") == [("repayments", 5, "bad_date")]
    assert listed(lending, "--table", "repayments", "--rule", "bad_number") == [("repayments", 3, "bad_number")]
    assert listed(lending, "--business-date", "2024-08-01") == [("clients", 2, "bad_date")]
    assert listed(lending, "--file", "installments.csv") == [("installments", 9, "orphan")]


@pytest.mark.usefixtures("held")
def test_a_person_reads_the_place_the_reason_with_its_fix_and_the_masked_row(lending: Lending) -> None:
    code, out, err = lending("list", "--limit", "2")
    assert code == 0
    assert out == (
        "2024-07-01 installments installments.csv line 9: orphan (park, parked, escalated)\n"
        "    The row broke orphan; deliver it again.\n"
        '    {"repayment_id": "Y1"}\n'
        "2024-08-01 clients  [31mclients.csv line 2: bad_date (reject, quarantined)\n"
        "    The row broke bad_date; deliver it again.\n"
        '    {"client_name": "***"}\n'
    )
    assert "(2 of 5 entries; --limit shows more)" in err


@pytest.mark.usefixtures("held")
def test_the_summary_counts_rows_by_table_and_rule(lending: Lending) -> None:
    _, out, _ = lending("list", "--summary", "--json")
    answer = json.loads(out)
    counts = {(row[0], row[1]): row[4:] for row in answer["rows"]}
    assert counts[("repayments", "bad_date")] == [2, 0, "2024-07-01", "2024-07-01"]
    assert counts[("installments", "orphan")] == [1, 1, "2024-07-01", "2024-07-01"]
    _, out, _ = lending("list", "--summary")
    assert out.splitlines()[0].split() == [
        "table_name", "rule", "severity", "disposition", "rows", "escalated", "first_business_date", "last_business_date",
    ]  # fmt: skip


def test_an_unknown_table_or_rule_is_wrong_usage(lending: Lending) -> None:
    code, _, err = lending("list", "--table", "payments")
    assert code == 2
    assert "--table 'payments': must be one of regions, " in err
    assert lending("replay", "--rule", "bad_day")[0] == 2


def test_nothing_in_quarantine_is_said_and_publishes_nothing(lending: Lending) -> None:
    assert lending("list")[:2] == (0, "")
    assert lending("replay")[:2] == (0, "no row in quarantine fits; nothing changed\n")
    code, out, _ = lending("replay", "--json", "--table", "clients")
    assert (code, json.loads(out)) == (0, {"released": {}, "changed": False})


@contextmanager
def mistaken(table: str, column: str, values: tuple[str, ...]) -> Iterator[None]:
    """A contract as a version of the platform had it that allowed too few values."""
    (declared,) = (found for source in SOURCES if source.name == table for found in source.columns if found.name == column)
    right = declared.values
    object.__setattr__(declared, "values", values)
    try:
        yield
    finally:
        object.__setattr__(declared, "values", right)


@pytest.mark.integration
def test_e57_replay_merges_rows_once_after_the_contract_was_corrected(lending: Lending, settings: Settings, tmp_path: Path) -> None:
    delivered = tmp_path / "delivered"
    delivered.mkdir()
    (delivered / "regions.csv").write_text("region_id,region_name,region_level\nR1,North,province\nR2,South,province\nR3,,\n")
    with mistaken("regions", "region_level", ("country",)):
        assert main(["ingest", str(delivered), "--business-date", "2024-07-01"]) == 0
    lending("list")
    assert head(settings) == (1, [])
    assert lending("replay", "--rule", "bad_date")[1] == "no row in quarantine fits; nothing changed\n"

    code, out, _ = lending("replay", "--business-date", "2024-07-01", "--table", "regions")
    assert (code, out) == (0, "2 rows left quarantine (2 of regions); 0 still wait, 1 are still rejected\n")
    assert head(settings) == (2, ["R1", "R2"])
    for options in ([], ["--everything"]):
        code, out, _ = lending("replay", *options)
        assert (code, out) == (0, "nothing changed: 0 still wait, 1 are still rejected\n")
    assert head(settings) == (2, ["R1", "R2"])
    with open_instance(settings) as instance:
        runs = [(run.job_name, run.status.value) for run in instance.get_runs()]
    assert runs == [("replay", "SUCCESS")] * 3 + [("ingest", "SUCCESS")]


def head(settings: Settings) -> tuple[int, list[str]]:
    """Number of the intake, and the regions that it holds."""
    with Lake(settings) as lake:
        intake = lake.intake()
        assert intake is not None
        regions = intake.table("staging.regions").order_by("region_id").to_pyarrow()["region_id"].to_pylist()
        return intake.release.release_id, regions

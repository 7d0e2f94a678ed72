"""The benchmark's own machinery: measuring, guards, claims, the page, and stages end to end on tiny sizes. No figure is judged here."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import bench as benches
from tests.benchmarks import generating, intake, online, retrieval, run
from tests.benchmarks.bench import Bench
from tests.benchmarks.harness import Measured, Meter, Run, latencies, measure, summary, tree_bytes
from tests.benchmarks.page import page
from tests.benchmarks.plain_sql import connect, scan, snapshot_sql, type_delivery
from tests.benchmarks.report import MET, MISSED, UNMEASURED, Claim, Report, Section, Step, least_claim, limit_claim, ratio_claim
from tests.benchmarks.sizes import SIZES, Sizes

LARGE = 200 * 1024**2


def busy(meter: Meter, seconds: float, repeats: int) -> dict[str, Any]:
    """Work that uses a core for so long, and prepares for as long without being measured."""
    for _ in range(repeats):
        _burn(seconds)
        with meter.run() as facts:
            _burn(seconds)
            facts["rows"] = 7
    return {"repeats": repeats}


def _burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def large(meter: Meter) -> None:
    """Work that holds memory in a child of its own."""
    with meter.run():
        code = f"import time; held = b'x' * {LARGE}; time.sleep(1)"
        subprocess.run([sys.executable, "-c", code], check=True)


def endless(meter: Meter, note: str) -> None:
    """Work that never ends, with a child in a session of its own."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    Path(note).write_text(str(child.pid))
    time.sleep(600)


def wrong(meter: Meter) -> None:
    """Work that fails."""
    raise ValueError("the value 7 is\nnot allowed")


def test_only_the_marked_part_of_the_work_is_measured():
    found = measure(busy, {"seconds": 0.2, "repeats": 3}, 60)
    assert found.is_done
    assert len(found.runs) == 3
    assert all(0.19 <= run.cpu <= 0.3 for run in found.runs)
    assert found.wall >= 0.19
    assert 0 <= found.spread < 1
    assert Step.of("busy", found).facts == {"repeats": 3, "rows": 7}
    assert Step.of("busy", found).rows == 7


def test_memory_of_children_counts():
    found = measure(large, {}, 60)
    assert LARGE < found.peak_bytes < LARGE + 500 * 1024**2  # the rest is Python with what the harness imports


def test_work_past_its_limit_is_ended_with_all_it_started(tmp_path):
    note = tmp_path / "pid"
    found = measure(endless, {"note": str(note)}, 3)
    assert found.problem == "not finished in 3 s"
    assert not found.is_done
    assert tree_bytes(int(note.read_text())) == 0


def test_work_past_its_memory_is_ended():
    assert "GB of memory" in measure(large, {}, 60, limit_bytes=LARGE // 2).problem


def test_failing_work_says_why(capsys):
    found = measure(wrong, {}, 60)
    assert found.problem == "failed: ValueError: the value 7 is not allowed"
    assert "Traceback" in capsys.readouterr().err


def test_no_step_is_begun_when_the_time_is_over(tmp_path):
    bench = Bench("tiny", 1, replace(SIZES["tiny"], limit_seconds=3), tmp_path)
    assert bench.step("late", busy, seconds=0.1, repeats=1).problem == "the 3 s of the run were over"


def test_median_and_spread():
    found = Measured(tuple(Run(wall, cpu) for wall, cpu in ((1, 10), (9, 12), (2, 11))))
    assert (found.wall, found.cpu) == (2, 11)
    assert found.spread == pytest.approx(2 / 11)
    assert Measured((Run(1, 1),)).spread is None


def test_callees_take_turns_and_warm_rounds_do_not_count():
    seen: list[tuple[str, int]] = []
    calls = {name: (lambda asked, name=name: seen.append((name, asked))) for name in ("a", "b")}
    taken = latencies(calls, [1, 2, 3], warm=1)
    assert seen == [("a", 1), ("b", 1), ("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3), ("b", 3)]
    assert [len(spent) for spent in taken.values()] == [3, 3]
    spent = [(0.001, 0.0005)] * 98 + [(0.002, 0.001), (0.5, 0.001)]
    assert summary(spent) == {"calls": 100, "p50_ms": 1, "p99_ms": 500, "cpu_p50_ms": 0.5}


STEP = Step("work", wall=1.0, cpu=10.0, runs=1)
OTHER = Step("scan", wall=1.0, cpu=4.0, runs=1)


def test_claims_are_judged_at_their_edge():
    assert ratio_claim("x", STEP, OTHER, 2.5).verdict == MET
    assert ratio_claim("x", STEP, OTHER, 2.49).verdict == MISSED
    assert limit_claim("x", 1.0, "GB", 1, STEP).verdict == MET
    assert limit_claim("x", 1.01, "GB", 1, STEP).verdict == MISSED
    assert least_claim("x", 999, "rows/s", 1000, STEP).verdict == MISSED
    assert least_claim("x", 1000, "rows/s", 1000, STEP).verdict == MET


def test_a_missing_figure_is_said_and_never_met():
    failed = Step("scan", problem="not finished in 9 s")
    claim = ratio_claim("x", STEP, failed, 5)
    assert (claim.verdict, claim.note) == (UNMEASURED, "scan: not finished in 9 s")
    assert limit_claim("x", 1.0, "GB", 1, failed).verdict == UNMEASURED


def report() -> Report:
    claims = (
        Claim("one", "1 s", "scan: 2 s", "0.5x", "at most 1x", "met"),
        Claim("two | three", "5 s", "scan: 2 s", "2.5x", "at most 1x", "missed"),
        Claim("four", "", "", "", "at most 1x", "not measured", "it\nfailed"),
        Claim("five", "1 s", "", "", "none set", "met"),
    )
    calls = Step(
        "reads", wall=1.0, cpu=1.0, facts={"calls": 9, "p50_ms": 0.5, "p99_ms": 1.25, "cpu_p50_ms": 0.25, "clients_per_second": 1234.5}
    )
    steps = (replace(STEP, rows=1000, spread=0.25), calls, Step("late", problem="not finished in 9 s"))
    return Report("tiny", 1, {"cpu": "2 cores"}, {"repeats": 3}, 90.0, (Section("Stage", "How.", steps, claims, ("A note.",)),))


def test_the_page_says_first_what_was_missed_and_what_was_not_measured():
    text = page([report()])
    assert "1 of 3 targets are met.\n\nMissed: two | three.\n\nNot measured: four." in text
    assert "| two \\| three | 5 s | scan: 2 s | 2.5x | at most 1x | **missed** |  |" in text
    assert "| work | 1,000 | 1.00 | 10.00 | 1 | 25% | 1,000 | 0 |" in text
    assert "| reads | 9 | 0.500 | 1.250 | 0.250 | 1,234 | 0 |" in text
    assert "| late |  | not finished in 9 s |" in text
    assert "A note." in text


def test_every_line_of_a_table_has_as_many_cells_as_its_head():
    width = 0
    for line in page([report()]).splitlines():
        cells = line.replace("\\|", "").count("|")
        width = (width or cells) if line.startswith("|") else 0
        assert not line.startswith("|") or cells == width, line


def test_a_report_is_the_same_after_json():
    assert Report.from_json(json.loads(json.dumps(report().as_json()))) == report()


def test_the_page_in_docs_is_that_of_the_results_beside_it():
    held = run.held_reports(run.DOCS / "benchmarks")
    assert not held or (run.DOCS / "benchmarks.md").read_text() == page(held), "run python -m tests.benchmarks.run --render"


def test_every_size_belongs_to_a_profile():
    from warehouse.simulate import PROFILES

    assert set(SIZES) <= set(PROFILES)


def test_the_plain_scan_reads_every_kind_of_column(tmp_path):
    con = connect()
    columns = "'ab' AS text, 1.25::DECIMAL(18, 2) AS money, DATE '2025-01-01' AS day, now() AS moment, true AS flag, 0.5::DOUBLE AS ratio"
    con.execute(f"COPY (SELECT {columns} FROM range(5)) TO '{tmp_path}/rows.parquet'")
    assert scan(con, f"read_parquet('{tmp_path}/rows.parquet')", ["text", "money", "day", "moment", "flag", "ratio"]) == 5


def test_the_reference_types_a_delivery(tmp_path):
    folder, out = tmp_path / "2025-01-31", tmp_path / "typed"
    folder.mkdir()
    (folder / "regions.csv").write_text("region_id,region_name\nR1,North\nR2,South\n")
    (folder / "repayments.csv").write_text(
        "repayment_id,repayment_date,repayment_amount,installment_id\nP1,2025-01-05,100.50,I1\nP2,never,x,I1\n"
    )
    con = connect()
    assert type_delivery(con, folder, out) == 4
    rows = con.execute(f"SELECT repayment_date, repayment_amount FROM '{out}/repayments.parquet' ORDER BY repayment_id").fetchall()
    assert (rows[0][0], str(rows[0][1])) == (date(2025, 1, 5), "100.50")
    assert rows[1] == (None, None)


def test_the_plain_statement_counts_what_it_says():
    con = connect()
    known = "TIMESTAMPTZ '2025-01-01' AS known_at, false AS is_deleted"
    contract = "'K' AS contract_number, 'C' AS client_id, 300 AS principal_amount, DATE '2025-01-01' AS start_date"
    con.execute(f"CREATE TABLE contracts AS SELECT {contract}, {known}")
    con.execute(
        "CREATE TABLE installments AS SELECT 'I' || n AS installment_id, 'K' AS contract_number, "
        f"DATE '2025-01-31' + (30 * n)::INTEGER AS due_date, "
        f"100 AS inst_amt_principal, 10 AS inst_amt_interest, NULL::INTEGER AS inst_amt_fee, {known} FROM range(3) AS r(n)"
    )
    con.execute(
        "CREATE TABLE repayments AS SELECT 'P' AS repayment_id, 'I0' AS installment_id, 110 AS repayment_amount, "
        f"DATE '2025-02-05' AS repayment_date, {known}"
    )
    tables = {name: name for name in ("contracts", "installments", "repayments")}
    answer = con.execute(snapshot_sql(tables, date(2025, 3, 10), "2025-03-10T16:59:59+00:00")).to_arrow_table().to_pylist()
    assert len(answer) == 1
    assert answer[0]["client_id"] == "C"
    assert len(answer[0]) == 1 + 43
    assert {name: answer[0][name] for name in ("due_12", "late_12", "skipped_12", "dpd", "unpaid_count", "open_contract_count")} == {
        "due_12": 2, "late_12": 2, "skipped_12": 1, "dpd": 8, "unpaid_count": 1, "open_contract_count": 1,
    }  # fmt: skip
    assert answer[0]["overdue_amount"] == 110
    assert answer[0]["outstanding_principal_amount"] == 200


SMALLEST = Sizes(
    book_clients=20,
    smaller_books=(),
    feature_rows=5_000,
    entity_rows=500,
    stock_entity_rows=50,
    online_clients=300,
    stock_clients=40,
    requests=10,
    repeats=1,
)


@pytest.fixture
def here(monkeypatch) -> None:
    """Stages run in this process, which saves the imports of each; the other tests measure in processes of their own."""

    def run_here(work: Any, arguments: Any, limit_seconds: float, limit_bytes: int) -> Measured:
        meter = Meter()
        facts = work(meter, **json.loads(json.dumps(arguments)))
        return Measured(tuple(meter.runs), json.loads(json.dumps(facts or {})), 1)

    monkeypatch.setattr(benches, "measure", run_here)


@pytest.mark.integration
def test_the_stages_without_a_built_book_run_on_the_smallest_sizes(here, tmp_path):
    bench = Bench("tiny", 1, SMALLEST, tmp_path)
    sections = [retrieval.stage(bench), *online.stages(bench)]
    made = generating.for_book(bench, 20, tmp_path / "book")
    sections.append(intake.stage(bench, tmp_path / "book", tmp_path / "home")[0])
    assert made.is_done
    for section in sections:
        assert [step.name for step in section.steps if not step.is_done] == []
        assert [claim.what for claim in section.claims if claim.verdict == UNMEASURED] == []
    assert list((tmp_path / "home").iterdir())

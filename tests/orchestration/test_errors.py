"""What an operator reads when the machine is at fault: one sentence from real errors of the real libraries, never a trace."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from orchestration.cli import main
from orchestration.errors import of_the_machine

FULL = Path("/dev/full")


def raised(call: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:
        call()
    return caught.value


@pytest.mark.skipif(not FULL.exists(), reason="needs the device that is always full")
def test_e43_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    def write() -> None:
        with FULL.open("w") as file:
            file.write("x" * 10_000)

    assert str(of_the_machine(raised(write))).startswith("the disk is full: free some space")
    copied = raised(lambda: duckdb.sql(f"copy (select * from range(100000)) to '{FULL}' (format parquet)"))
    assert "the disk is full" in str(of_the_machine(copied))


def test_e43_a_full_database_is_one_sentence(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/small.db")
    with engine.connect() as connection:
        connection.exec_driver_sql("pragma max_page_count = 4")
        connection.exec_driver_sql("create table t (x blob)")
        full = raised(lambda: connection.exec_driver_sql("insert into t values (zeroblob(100000))"))
    engine.dispose()
    assert isinstance(full, sa.exc.OperationalError)
    assert "the disk is full: free some space below LENDING_HOME" in str(of_the_machine(full))


def test_e43_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    sqlite3.connect(path).close()
    path.write_bytes(b"")
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    read_only = raised(lambda: connection.execute("create table t (x)"))
    connection.close()
    assert "LENDING_HOME cannot be written: make the folder" in str(of_the_machine(read_only))
    assert "make it readable and writable" in str(of_the_machine(PermissionError(13, "Permission denied", str(path))))


def test_e52_a_damaged_file_is_one_sentence_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"x": list(range(10_000))}), path)
    path.write_bytes(path.read_bytes()[:-100])
    for call in (lambda: duckdb.sql(f"select sum(x) from '{path}'").fetchall(), lambda: pq.read_table(path)):
        sentence = str(of_the_machine(raised(call)))
        assert "a data file is damaged: restore it from a backup" in sentence
    assert sentence
    engine = raised(lambda: duckdb.sql(f"select sum(x) from '{path}'").fetchall())
    assert str(of_the_machine(engine)).startswith(str(path))


def test_what_is_no_fault_of_the_machine_keeps_its_trace() -> None:
    assert of_the_machine(ValueError("disk is full")) is None
    assert of_the_machine(raised(lambda: duckdb.sql("select 1 + 'x'").fetchall())) is None


def test_the_reason_is_found_behind_the_errors_that_wrap_it() -> None:
    def fail() -> None:
        try:
            raise OSError(28, "No space left on device", "/home/lake/x.parquet")
        except OSError as full:
            raise RuntimeError("the step failed") from full

    assert str(of_the_machine(raised(fail))).startswith("/home/lake/x.parquet: the disk is full")


def test_a_home_that_is_no_folder_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "home").write_text("not a folder")
    monkeypatch.setenv("LENDING_HOME", str(tmp_path / "home"))
    assert main(["status"]) != 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Traceback" not in said


def test_status_goes_on_when_the_online_store_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LENDING_HOME", str(tmp_path))
    monkeypatch.setenv("LENDING_ONLINE_STORE", "redis://:secret@127.0.0.1:1/0")
    assert main(["status", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["online_release_id"], facts["unsent_alerts"]) == (None, 0)
    assert "redis 127.0.0.1:1/0 cannot be reached" in facts["online_error"]
    assert "secret" not in facts["online_error"]
    assert main(["status"]) == 0
    assert "online error         online store redis 127.0.0.1:1/0 cannot be reached" in capsys.readouterr().out

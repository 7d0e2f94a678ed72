"""Candidates and releases: what readers see, what two runs do to each other, channels, rollback."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from tests.warehouse.lake_book import ACCOUNTS, BALANCES, BOOK, DAYS, DELIVERED, LEDGER, SCORES, STAGED, rows, settings_of, stage, values_of
from warehouse.lake import AUDIT_RESULT, AuditFailed, CandidateClosed, Lake, LakeError, NoRelease, PublishConflict, Release, UnknownTable
from warehouse.settings import Settings
from warehouse.table import Column, TableSpec


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        yield opened


def ingest(lake: Lake, run_id: str, value: int, business_date: date = DAYS[0]) -> Release:
    """One delivery: raw, staging and the ledger, published together."""
    candidate = lake.candidate("intake", run_id, fresh=True)
    candidate.write(
        DELIVERED, rows(DELIVERED, [{"business_date": business_date, "account_id": "a", "value": str(value)}]), replace="append"
    )
    candidate.write(STAGED, rows(STAGED, [{"account_id": "a", "value": value}]))
    candidate.write(LEDGER, rows(LEDGER, [{"run_id": run_id, "row_count": 1}]), replace="append")
    for spec in (DELIVERED, STAGED, LEDGER):
        candidate.audit(spec)
    return candidate.publish(business_date)


def main_of(lake: Lake, spec: TableSpec) -> int:
    """The snapshot that a foreign reader of the table sees."""
    return lake.catalog.reload(spec.name).current_snapshot().snapshot_id


def test_nothing_is_published_before_the_first_release(lake: Lake) -> None:
    stage(lake, "run", 1)
    assert lake.release() is None
    assert lake.releases() == []
    assert lake.intake() is None
    with pytest.raises(NoRelease, match=r"^no release yet; run lending build$"):
        lake.at()


def test_release_holds_what_was_staged(lake: Lake) -> None:
    before = datetime.now(UTC)
    release = stage(lake, "run", 1).publish(DAYS[1], note="first")
    assert (release.release_id, release.business_date, release.run_id, release.note) == (1, DAYS[1], "run", "first")
    assert before <= release.created_at <= datetime.now(UTC)
    assert lake.release() == release == lake.at().release == lake.at(1).release
    assert lake.at().tables() == sorted(spec.name for spec in BOOK)
    assert values_of(lake.at()) == {1}
    assert len(lake.at().files(BALANCES.name)) == 2
    with pytest.raises(NoRelease, match="no release 7; there are 1"):
        lake.at(7)


def test_reader_keeps_its_release(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    pinned = lake.at()
    stage(lake, "second", 2).publish(DAYS[1])
    assert values_of(pinned) == {1}
    assert values_of(lake.at()) == {2}
    assert values_of(lake.at(1)) == {1}


def test_untouched_tables_stay_in_the_release(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    second = stage(lake, "second", 2, [SCORES]).publish(DAYS[0])
    assert second.tables[ACCOUNTS.name] == lake.at(1).release.tables[ACCOUNTS.name]
    assert second.tables[SCORES.name] != lake.at(1).release.tables[SCORES.name]


def test_candidate_reads_its_own_tables_first(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    candidate = stage(lake, "second", 2, [ACCOUNTS])
    assert set(candidate.table(ACCOUNTS.name).value.to_pyarrow().to_pylist()) == {2}
    assert set(candidate.table(SCORES.name).value.to_pyarrow().to_pylist()) == {1}
    assert candidate.has(SCORES.name)
    assert not candidate.has("marts.other")
    with pytest.raises(UnknownTable, match=r"did you mean features.scores\?"):
        candidate.table("features.score")


def test_another_process_goes_on_with_a_candidate(lake: Lake, settings: Settings) -> None:
    stage(lake, "run", 1, [ACCOUNTS])
    with Lake(settings) as other:
        assert other.candidate("release", "run").has(ACCOUNTS.name)
        stage(other, "run", 1, [BALANCES, SCORES])
    release = lake.candidate("release", "run").publish(DAYS[0])
    assert set(release.tables) == {spec.name for spec in BOOK}


def test_fresh_candidate_starts_over(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    for _ in range(2):  # the second time is the run again after a kill
        candidate = lake.candidate("release", "second", fresh=True)
        candidate.write(BALANCES, rows(BALANCES, [{"account_id": "c", "day_on": DAYS[0], "value": 2}]), replace="append")
    assert candidate.table(BALANCES.name).count().to_pyarrow().as_py() == 5


def test_publishing_again_changes_nothing(lake: Lake) -> None:
    candidate = stage(lake, "run", 1)
    release = candidate.publish(DAYS[0])
    assert candidate.publish(DAYS[0]) == release
    reopened = lake.candidate("release", "run")
    assert reopened.is_published
    assert reopened.publish(DAYS[0]) == release
    assert len(lake.releases()) == 1


def test_run_that_was_published_may_write_again(lake: Lake) -> None:
    stage(lake, "run", 1).publish(DAYS[0])
    stage(lake, "other", 2).publish(DAYS[0])
    stage(lake, "run", 3).publish(DAYS[0])
    assert [release.run_id for release in lake.releases()] == ["run", "other", "run"]
    assert values_of(lake.at()) == {3}


def test_candidate_without_writes_moves_to_the_head(lake: Lake) -> None:
    lake.candidate("release", "slow")
    stage(lake, "fast", 1).publish(DAYS[0])
    stage(lake, "slow", 2).publish(DAYS[0])
    assert values_of(lake.at()) == {2}


def test_unaudited_table_is_not_published(lake: Lake) -> None:
    candidate = stage(lake, "run", 1)
    candidate.write(SCORES, rows(SCORES, [{"account_id": "z", "value": 1}]))  # after its audit
    with pytest.raises(AuditFailed, match=r"features.scores: staged but not audited"):
        candidate.publish(DAYS[0])
    assert lake.release() is None


def test_empty_candidate_is_not_published(lake: Lake) -> None:
    with pytest.raises(LakeError, match="run staged no table"):
        lake.candidate("release", "run").publish(DAYS[0])


def test_e53_failed_audit_publishes_nothing(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    candidate = stage(lake, "second", 2)
    candidate.write(ACCOUNTS, pa.table({"account_id": ["a", "a", None], "value": [1, 2, 3]}))
    results = candidate.audit(ACCOUNTS)
    assert [(result.rule, result.failed_rows) for result in results if not result.passed] == [("not_null(account_id)", 1), ("grain", 2)]
    with pytest.raises(AuditFailed, match=r"curated.accounts: grain: 2 rows break the rule.*branch release-second is kept") as raised:
        candidate.publish(DAYS[0])
    assert {result.rule for result in raised.value.failed} == {"not_null(account_id)", "grain"}
    assert values_of(lake.at()) == {1}
    assert "release-second" in lake.catalog.reload(ACCOUNTS.name).refs()
    recorded = lake.ops(AUDIT_RESULT)
    failed = recorded.filter(~recorded.passed, recorded.run_id == "second").order_by("rule")
    assert failed.select("table_name", "rule", "failed_rows").to_pyarrow().to_pylist() == [
        {"table_name": ACCOUNTS.name, "rule": "grain", "failed_rows": 2},
        {"table_name": ACCOUNTS.name, "rule": "not_null(account_id)", "failed_rows": 1},
    ]


def test_failed_table_is_corrected_and_published(lake: Lake) -> None:
    candidate = stage(lake, "run", 1)
    candidate.write(ACCOUNTS, pa.table({"account_id": ["a", "a"], "value": [1, 1]}))
    candidate.audit(ACCOUNTS)
    stage(lake, "run", 1, [ACCOUNTS]).publish(DAYS[0])
    assert values_of(lake.at()) == {1}


def test_audit_reads_changed_partitions_only(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    read = []
    monkeypatch.setattr(lake.con, "read_parquet", spied(lake.con.read_parquet, read))
    candidate = lake.candidate("release", "second")
    twice = [{"account_id": "a", "day_on": DAYS[1], "value": 2}] * 2
    for values, replace, rule in ((twice[:1], DAYS[1:], None), (twice, DAYS[1:], "grain"), (twice[:1], "append", "grain")):
        candidate.write(BALANCES, rows(BALANCES, values), replace=replace)
        failed = [result.rule for result in candidate.audit(BALANCES) if not result.passed]
        assert failed == ([rule] if rule else [])
    assert read
    assert not any("day_on=2025-01-31" in path for paths in read for path in paths)


def spied(call, seen: list):
    """The same function, which also notes its first argument."""

    def wrapper(first, **options):
        seen.append(first)
        return call(first, **options)

    return wrapper


def test_audit_reads_all_partitions_of_a_table_that_gained_a_column(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    wider = TableSpec(
        BALANCES.name, "Wider.", BALANCES.grain, (*BALANCES.columns, Column("branch", "string", "Branch.")), partition_by="day_on"
    )
    candidate = lake.candidate("release", "second")
    candidate.write(wider, rows(wider, [{"account_id": "a", "day_on": DAYS[1], "value": 2, "branch": "x"}]), replace=DAYS[1:])
    failed = {result.rule: result.failed_rows for result in candidate.audit(wider) if not result.passed}
    assert failed == {"not_null(branch)": 2}  # the rows of the first date were never written with it


def test_audit_results_are_recorded_once(lake: Lake) -> None:
    candidate = stage(lake, "run", 1)
    candidate.publish(DAYS[0])
    candidate.publish(DAYS[0])
    recorded = lake.ops(AUDIT_RESULT)
    assert recorded.count().to_pyarrow().as_py() == recorded.select("table_name", "rule").distinct().count().to_pyarrow().as_py()
    assert set(recorded.table_name.to_pyarrow().to_pylist()) == {spec.name for spec in BOOK}


def test_discarded_candidate_leaves_only_its_audits(lake: Lake) -> None:
    candidate = stage(lake, "run", 1)
    candidate.discard()
    assert not candidate.has(ACCOUNTS.name)
    assert "release-run" not in lake.catalog.reload(ACCOUNTS.name).refs()
    assert lake.ops(AUDIT_RESULT).count().to_pyarrow().as_py() > 0
    with pytest.raises(CandidateClosed, match="was discarded"):
        candidate.publish(DAYS[0])
    stage(lake, "run", 2).publish(DAYS[0])  # the same run may begin again
    assert values_of(lake.at()) == {2}


def test_candidate_dropped_elsewhere_is_not_published(lake: Lake, settings: Settings) -> None:
    candidate = stage(lake, "run", 1)
    staged = candidate.staged()
    with Lake(settings) as other:
        other.candidate("release", "run").discard()
    assert staged
    with pytest.raises(LakeError):
        candidate.publish(DAYS[0])
    release = Release(1, DAYS[0], datetime.now(UTC), "run", {})
    with pytest.raises(CandidateClosed):  # and if it is dropped at the last moment, the release row goes too
        lake.log.add(release, candidate_run_id="run")
    assert lake.release() is None


def test_e45_stale_candidate_conflicts_on_the_same_table(lake: Lake) -> None:
    # moving main to a stale branch, as PyIceberg allows, would undo the other publish without a word
    stage(lake, "first", 1).publish(DAYS[0])
    slow, fast = stage(lake, "slow", 2, [ACCOUNTS]), stage(lake, "fast", 3, [ACCOUNTS])
    fast.publish(DAYS[0])
    with pytest.raises(PublishConflict, match=r"another run published curated.accounts after release 1, on which run slow is based"):
        slow.publish(DAYS[0])
    assert set(lake.at().table(ACCOUNTS.name).value.to_pyarrow().to_pylist()) == {3}
    slow.discard()
    stage(lake, "slow", 4, [ACCOUNTS]).publish(DAYS[0])
    assert set(lake.at().table(ACCOUNTS.name).value.to_pyarrow().to_pylist()) == {4}


def test_stale_candidate_keeps_the_other_runs_tables(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    slow, fast = stage(lake, "slow", 2, [ACCOUNTS]), stage(lake, "fast", 3, [SCORES])
    fast.publish(DAYS[0])
    slow.publish(DAYS[0])
    pinned = lake.at()
    assert set(pinned.table(ACCOUNTS.name).value.to_pyarrow().to_pylist()) == {2}
    assert set(pinned.table(SCORES.name).value.to_pyarrow().to_pylist()) == {3}
    assert set(pinned.table(BALANCES.name).value.to_pyarrow().to_pylist()) == {1}


def test_two_first_candidates_of_one_new_table(lake: Lake) -> None:
    one, two = stage(lake, "one", 1, [ACCOUNTS]), stage(lake, "two", 2, [ACCOUNTS])
    two.publish(DAYS[0])
    with pytest.raises(PublishConflict):
        one.publish(DAYS[0])
    assert lake.at().table(ACCOUNTS.name).count().to_pyarrow().as_py() == 2  # never the rows of both


def test_new_table_of_a_failed_run_starts_empty(lake: Lake) -> None:
    stage(lake, "failed", 1, [BALANCES])
    candidate = lake.candidate("release", "run")
    candidate.write(BALANCES, rows(BALANCES, [{"account_id": "c", "day_on": DAYS[0], "value": 2}]), replace="append")
    assert candidate.table(BALANCES.name).count().to_pyarrow().as_py() == 1


def test_channels_publish_their_own_tables(lake: Lake) -> None:
    with pytest.raises(LakeError, match=r"curated.accounts is not published in channel intake, which holds raw, staging"):
        lake.candidate("intake", "run").write(ACCOUNTS, rows(ACCOUNTS, []))
    with pytest.raises(LakeError, match=r"ops.delivery_ledger is not published in channel release"):
        lake.candidate("release", "run").write(LEDGER, rows(LEDGER, []))
    with pytest.raises(LakeError, match="must be intake or release"):
        lake.candidate("other", "run")


def test_intake_is_a_channel_of_its_own(lake: Lake) -> None:
    first = ingest(lake, "monday", 1)
    assert (first.release_id, first.channel) == (1, "intake")
    assert lake.release() is None
    ingest(lake, "tuesday", 2, DAYS[1])
    intake = lake.intake()
    assert intake is not None
    assert intake.release.release_id == 2
    assert intake.tables() == [LEDGER.name, DELIVERED.name, STAGED.name]
    assert intake.table(LEDGER.name).count().to_pyarrow().as_py() == 2
    assert intake.table(DELIVERED.name).count().to_pyarrow().as_py() == 2
    assert intake.table(STAGED.name).value.to_pyarrow().to_pylist() == [2]


def test_release_pins_the_intake_it_was_built_from(lake: Lake) -> None:
    ingest(lake, "monday", 1)
    candidate = lake.candidate("release", "build")
    ingest(lake, "tuesday", 2, DAYS[1])  # while the build runs
    built_from = candidate.table(STAGED.name)
    candidate.write(ACCOUNTS, built_from)
    candidate.audit(ACCOUNTS)
    release = candidate.publish(DAYS[0])
    assert release.intake == 1
    assert lake.at().tables() == [ACCOUNTS.name, DELIVERED.name, STAGED.name]  # ops is not part of a release
    assert lake.at().table(STAGED.name).value.to_pyarrow().to_pylist() == [1]


def test_scores_keep_the_intake_of_the_tables_they_come_from(lake: Lake) -> None:
    # else a release of scores alone would look as if it were built from a delivery that its curated tables do not know
    ingest(lake, "monday", 1)
    stage(lake, "build", 1).publish(DAYS[0])
    ingest(lake, "tuesday", 2, DAYS[1])
    scored = stage(lake, "score", 2, [SCORES]).publish(DAYS[0])
    assert scored.intake == 1
    assert lake.at().table(STAGED.name).value.to_pyarrow().to_pylist() == [1]
    assert stage(lake, "rebuild", 3).publish(DAYS[1]).intake == 2


def test_rollback_is_a_new_release(lake: Lake) -> None:
    ingest(lake, "monday", 1)
    stage(lake, "first", 1).publish(DAYS[0])
    ingest(lake, "tuesday", 2, DAYS[1])
    stage(lake, "second", 2).publish(DAYS[1])
    release = lake.rollback(to=1)
    assert (release.release_id, release.business_date, release.intake, release.note) == (3, DAYS[0], 1, "rollback to release 1")
    assert values_of(lake.at()) == {1}
    assert values_of(lake.at(2)) == {2}
    assert {spec.name: main_of(lake, spec) for spec in BOOK} == {spec.name: release.tables[spec.name] for spec in BOOK}
    with pytest.raises(NoRelease, match="no release 9; there are 1, 2, 3"):
        lake.rollback(to=9)
    stage(lake, "third", 3).publish(DAYS[1])
    assert values_of(lake.at()) == {3}


def test_candidate_from_before_a_rollback_conflicts(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    stage(lake, "second", 2).publish(DAYS[0])
    candidate = stage(lake, "slow", 3)
    lake.rollback(to=1)
    with pytest.raises(PublishConflict):
        candidate.publish(DAYS[0])


def test_foreign_readers_follow_the_release(lake: Lake) -> None:
    ingest(lake, "monday", 1)
    release = stage(lake, "first", 1).publish(DAYS[0])
    stage(lake, "unfinished", 2)
    for spec in BOOK:
        table = lake.catalog.reload(spec.name)
        assert table.current_snapshot().snapshot_id == release.tables[spec.name]
        assert set(table.refs()) == {"main", "release-unfinished"}  # the branch of a published run is gone
    assert main_of(lake, STAGED) == lake.intake().release.tables[STAGED.name]
    assert lake.catalog.reload(ACCOUNTS.name).scan().to_arrow().num_rows == 2


def test_main_is_repaired_at_the_next_start(lake: Lake, settings: Settings) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    candidate = stage(lake, "second", 2)
    lake.settle = lambda *args, **kwargs: None  # as if killed right after the release row
    release = candidate.publish(DAYS[0])
    assert main_of(lake, ACCOUNTS) != release.tables[ACCOUNTS.name]
    assert values_of(lake.at()) == {2}
    with Lake(settings):
        pass
    assert {spec.name: main_of(lake, spec) for spec in BOOK} == release.tables


def test_repair_does_not_wait_for_a_writer(lake: Lake, settings: Settings) -> None:
    candidate = stage(lake, "first", 1)
    lake.settle = lambda *args, **kwargs: None
    release = candidate.publish(DAYS[0])
    with lake.catalog.lock(ACCOUNTS.name), Lake(settings) as reader:
        assert reader.release() == release
    with Lake(settings) as later:
        assert main_of(later, ACCOUNTS) == release.tables[ACCOUNTS.name]


def test_catalog_uri_may_be_left_out(settings: Settings) -> None:
    with Lake(settings_of(settings.home / "other")) as lake:
        stage(lake, "first", 1).publish(DAYS[0])
    assert (settings.home / "other" / "catalog.db").exists()


def test_note_of_time(lake: Lake) -> None:
    stage(lake, "first", 1).publish(DAYS[0])
    assert lake.release().created_at.utcoffset() == timedelta(0)

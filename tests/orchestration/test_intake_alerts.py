"""What a delivery that was taken calls for all the same, from a ledger and a quarantine as they are after it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from orchestration.alerts import AlertBook
from orchestration.intake_alerts import intake_alerts, orphans_scope
from tests.conftest import arrow
from warehouse.lake import Lake
from warehouse.settings import Settings
from warehouse.staging.ledger import COUNTS, DELIVERY_LEDGER
from warehouse.staging.quarantine import QUARANTINE

DAY = date(2024, 7, 1)
AT = datetime(2024, 7, 2, tzinfo=UTC)


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        yield opened


def file(seq: int, name: str, sha256: str, status: str = "ingested", **values: Any) -> dict[str, Any]:
    return {
        "delivery_seq": seq, "business_date": DAY, "table_name": "clients", "source_file": name, "source_sha256": sha256, "rows_in": 0,
        **dict.fromkeys(COUNTS, 0), "warned": 0, "status": status, "ingested_at": AT, "run_id": f"run-{seq}-{DAY}", **values,
    }  # fmt: skip


def orphan(number: int, day: date = DAY, is_escalated: bool = True) -> dict[str, Any]:
    return {
        "business_date": day, "table_name": "installments", "source_sha256": "ab", "source_row_number": number, "rule": "orphan",
        "column_name": "contract_number", "severity": "park", "disposition": "parked", "reason": "It waits.", "value": "L-secret",
        "raw_row": "{}", "source_file": "installments.csv", "is_escalated": is_escalated,
    }  # fmt: skip


def publish(lake: Lake, run_id: str, files: list[dict[str, Any]], waiting: list[dict[str, Any]]) -> None:
    candidate = lake.candidate("intake", run_id)
    for spec, rows in ((DELIVERY_LEDGER, files), (QUARANTINE, waiting)):
        candidate.write(spec, arrow(spec, rows))
        candidate.audit(spec)
    candidate.publish(DAY)


def test_e16_a_file_that_came_again_with_other_content_and_one_that_was_rejected(lake: Lake) -> None:
    before = [file(1, "clients.csv", "a1"), file(1, "regions.csv", "r1"), file(1, "clients_2.csv", "c1", "rejected")]
    again = [
        file(2, "clients.csv", "a2"),
        file(2, "clients_2.csv", "c2"),
        file(2, "regions.csv", "r2", "rejected", message="line 3: a quote"),
    ]
    publish(lake, "one", before + again, [])
    found = {(alert.kind, alert.subject): alert.message for alert in intake_alerts(lake, "run-2", AT)}
    assert found == {
        ("file_replaced", "clients.csv of 2024-07-01"): "delivery 2 has this file with other content than before; "
        "its rows go before the earlier ones",
        ("file_rejected", "regions.csv of 2024-07-01"): "line 3: a quote",
    }
    assert [alert.kind for alert in intake_alerts(lake, "run-1", AT)] == ["file_rejected"]
    assert list(intake_alerts(lake, "run-3", AT)) == []


def test_e31_orphans_that_waited_too_long_are_told_once_and_resolved_when_they_are_gone(lake: Lake, settings: Settings) -> None:
    book, scopes = AlertBook(lake, settings), [orphans_scope("installments")]
    publish(lake, "one", [], [orphan(2), orphan(3), orphan(4, is_escalated=False)])
    (told,) = book.record(intake_alerts(lake, "run-1", AT), scopes, AT)
    assert (told.kind, told.subject) == ("orphan_escalated", "installments of 2024-07-01")
    assert told.message.startswith(
        "2 rows have waited 10 business dates for a row that they name; lending quarantine list --table installments"
    )
    assert "L-secret" not in told.message

    later = DAY + timedelta(days=1)
    publish(lake, "two", [], [orphan(2), orphan(5, later)])  # one found its parent, one of the next day has waited as long
    news = book.record(intake_alerts(lake, "run-2", AT + timedelta(days=1)), scopes, AT + timedelta(days=1))
    assert [alert.subject for alert in news] == ["installments of 2024-07-02"]
    publish(lake, "three", [], [])
    assert book.record(intake_alerts(lake, "run-3", AT + timedelta(days=2)), scopes, AT + timedelta(days=2)) == []
    assert book.open() == []


def test_before_the_first_delivery_nothing_is_told(lake: Lake) -> None:
    assert list(intake_alerts(lake, "run-1", AT)) == []

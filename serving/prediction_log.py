"""The prediction log: each answer of the endpoint in a local spool file, which an asset moves into ops.prediction_log exactly once.

A spool file is appended to by one process and closed after a while; the table records which file a row came from, so that a move that was
killed half-way is finished without a second copy.
"""

import json
import os
import threading
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import numpy as np
import pyarrow as pa

from serving.bundle import Bundle
from serving.scorer import FeatureRows, Score
from warehouse.lake import Lake
from warehouse.table import TIMESTAMP, TableSpec, columns

OPEN, CLOSED = ".open", ".jsonl"
ROTATE_SECONDS = 60.0

PREDICTION_LOG = TableSpec(
    name="ops.prediction_log",
    description="One row per client of each answered scoring request, with the feature values that the score was made of.",
    grain=("request_id", "row_number"),
    columns=columns(
        [
            ("request_id", "string", "Request that the row answered."),
            ("row_number", "int64", "Position of the client in the request, from 0."),
            ("scored_at", TIMESTAMP, "When the answer was made."),
            ("client_id", "string", "Client key."),
            ("status", "string", "scored, or why there is no score."),
            ("probability", "float64?", "Calibrated probability of default."),
            ("score", "int64?", "Score points."),
            ("grade", "string?", "Grade A to E."),
            ("reason_codes", "string", "Reason codes, strongest first, separated by commas."),
            ("feature_timestamp", TIMESTAMP + "?", "Event time of the feature row."),
            ("features", "string?", "Feature values by name, as a JSON object."),
            ("model_name", "string", "Model that answered."),
            ("model_version", "string", "Its version."),
            ("business_date", "date?", "Business date of the online generation."),
            ("release_id", "int64?", "Release of the online generation."),
            ("spool_file", "string", "Spool file that held the row."),
        ]
    ),
)


class PredictionLog:
    """Appends answers to a spool file of this process; safe for several threads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        self._file: TextIO | None = None
        self._opened = 0.0

    def append(self, bundle: Bundle, rows: FeatureRows, scores: Iterable[Score], release_id: int | None) -> str:
        """Write the answer to a request before it is sent.

        Returns:
            The request id.

        Raises:
            OSError: the spool cannot be written; the caller refuses the request, since a score without a record is no score.
        """
        request_id = uuid.uuid4().hex
        lines = [
            json.dumps(_line(request_id, number, score, values, bundle, rows, release_id))
            for number, (score, values) in enumerate(zip(scores, rows.values, strict=True))
        ]
        with self._lock:
            file = self._current()
            file.write("\n".join(lines) + "\n")
            file.flush()
        return request_id

    def close(self) -> None:
        """Hand the current file over to the asset."""
        with self._lock:
            self._rotate()

    def _current(self) -> TextIO:
        if self._file is not None and time.monotonic() - self._opened > ROTATE_SECONDS:
            self._rotate()
        if self._file is None:
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{os.getpid()}{OPEN}"
            self._file, self._opened = (self._folder / name).open("a", encoding="utf-8"), time.monotonic()
        return self._file

    def _rotate(self) -> None:
        if self._file is not None:
            self._file.close()
            path = Path(self._file.name)
            path.rename(path.with_suffix(CLOSED))
            self._file = None


def _line(
    request_id: str, number: int, score: Score, values: np.ndarray, bundle: Bundle, rows: FeatureRows, release_id: int | None
) -> dict:
    named = {feature.name: None if np.isnan(value) else float(value) for feature, value in zip(bundle.features, values, strict=True)}
    return {
        "request_id": request_id,
        "row_number": number,
        "scored_at": datetime.now(UTC).isoformat(),
        "client_id": score.client_id,
        "status": score.status,
        "probability": score.probability,
        "score": score.score,
        "grade": score.grade,
        "reason_codes": ",".join(reason.code for reason in score.reasons),
        "feature_timestamp": score.feature_timestamp and score.feature_timestamp.isoformat(),
        "features": json.dumps(named) if score.feature_timestamp else None,
        "model_name": bundle.model_name,
        "model_version": bundle.model_version,
        "business_date": rows.business_date and rows.business_date.isoformat(),
        "release_id": release_id,
    }


def compact(lake: Lake, folder: Path) -> int:
    """Move all closed spool files into ops.prediction_log and return the number of rows moved.

    Files of processes that ended without closing them are taken too; a file of a live process waits until it is closed.
    """
    _close_abandoned(folder)
    files = sorted(folder.glob(f"*{CLOSED}"))
    held = lake.ops(PREDICTION_LOG)
    done = set(held.select("spool_file").distinct().to_pyarrow()["spool_file"].to_pylist())
    new = [file for file in files if file.name not in done]
    rows = [row for file in new for row in _read(file)]
    if rows:
        lake.append(PREDICTION_LOG, _table(rows))
    for file in files:
        file.unlink()
    return len(rows)


def _close_abandoned(folder: Path) -> None:
    for file in sorted(folder.glob(f"*{OPEN}")):
        if not _alive(int(file.stem.rpartition("-")[2])):
            file.rename(file.with_suffix(CLOSED))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _read(file: Path) -> list[dict]:
    text = file.read_text(encoding="utf-8")
    # A process that was killed while writing leaves a last line without an end: its answer was never sent.
    complete = text[: text.rfind("\n") + 1]
    return [json.loads(line) | {"spool_file": file.name} for line in complete.splitlines()]


def _table(rows: list[dict]) -> pa.Table:
    schema = PREDICTION_LOG.ibis_schema().to_pyarrow()
    for row in rows:
        for name in ("scored_at", "feature_timestamp"):
            row[name] = row[name] and datetime.fromisoformat(row[name])
        row["business_date"] = row["business_date"] and datetime.fromisoformat(row["business_date"]).date()
    return pa.Table.from_pylist(rows, schema=schema)

"""Scoring as one object: the promoted bundle, the online lookup that fits it, the clock and the prediction log.

The endpoint and the `lending score` command share it. A promotion swaps the bundle between two requests, never inside one.
"""

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from features.online_of_settings import online_backend
from serving.bundle import Bundle, current_folder, load_bundle
from serving.lookup import LookedUp, Lookup
from serving.prediction_log import PredictionLog
from serving.scorer import Score, score_rows
from warehouse.settings import Settings


@dataclass(frozen=True)
class Answer:
    """Scores in the order of the request, with the model and the generation that made them."""

    bundle: Bundle
    looked_up: LookedUp
    scores: list[Score]

    def body(self) -> dict[str, Any]:
        """The JSON body of a 200 answer."""
        day = self.looked_up.rows.business_date
        return {
            "model": {"name": self.bundle.model_name, "version": self.bundle.model_version},
            "business_date": day and day.isoformat(),
            "results": [_result(score) for score in self.scores],
        }


class Scoring:
    """Scores clients with the promoted model and the online features."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._loaded: tuple[Bundle, Lookup] | None = None
        self._log: PredictionLog | None = None

    def answer(self, client_ids: Sequence[str], with_reasons: bool = True) -> Answer:
        """Score clients and record the answer in the prediction log.

        Raises:
            NoBundle, BundleInvalid, LookupNotReady: there is nothing to score with.
            OSError: the prediction log cannot be written.
        """
        bundle, lookup = self._current()
        looked_up = lookup.read(client_ids)
        scores = score_rows(bundle, looked_up.rows, self.today(), self._settings.max_feature_age_days, with_reasons)
        self._prediction_log().append(bundle, looked_up.rows, scores, looked_up.release_id)
        return Answer(bundle, looked_up, scores)

    def check_ready(self) -> None:
        """Make sure that a request could be answered now.

        Raises:
            NoBundle, BundleInvalid, LookupNotReady: there is nothing to score with.
        """
        _, lookup = self._current()
        lookup.read([])

    def today(self) -> date:
        """The service clock's date, in the lender's time zone."""
        return self._settings.today or datetime.now(UTC).astimezone(ZoneInfo(self._settings.terms.time_zone)).date()

    def close(self) -> None:
        """Hand the prediction log over."""
        if self._log is not None:
            self._log.close()

    def _current(self) -> tuple[Bundle, Lookup]:
        """The bundle that `current` points at, with its lookup; loaded again only when the pointer moved."""
        folder = current_folder(self._settings.bundles)
        loaded = self._loaded
        if loaded is None or loaded[0].folder != folder or loaded[1].outdated():
            with self._lock:
                bundle = loaded[0] if loaded and loaded[0].folder == folder else load_bundle(folder)
                loaded = self._loaded = bundle, Lookup(online_backend(self._settings), bundle.feature_names)
        return loaded

    def _prediction_log(self) -> PredictionLog:
        with self._lock:
            if self._log is None:
                self._log = PredictionLog(self._settings.prediction_spool)
            return self._log


def _result(score: Score) -> dict[str, Any]:
    stamp = score.feature_timestamp
    return {
        "client_id": score.client_id,
        "probability": score.probability,
        "score": score.score,
        "grade": score.grade,
        "reasons": [asdict(reason) for reason in score.reasons],
        "feature_timestamp": stamp and stamp.isoformat().replace("+00:00", "Z"),
        "status": score.status,
    }

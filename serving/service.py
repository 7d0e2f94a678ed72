"""The BentoML service `default_risk`: wiring only. The gate checks requests, Scoring answers them."""

import logging

import bentoml
from bentoml.exceptions import ServiceUnavailable

from serving.bundle import BundleInvalid, NoBundle
from serving.gate import Gate
from serving.lookup import LookupNotReady
from serving.scoring import Scoring
from warehouse.settings import Settings

log = logging.getLogger("lending.serving")
NOT_READY = (NoBundle, BundleInvalid, LookupNotReady, OSError)


@bentoml.service(name="default_risk", workers=1, traffic={"timeout": 30})
class DefaultRisk:
    """Probability of default, score, grade and reasons of clients."""

    def __init__(self) -> None:
        self._scoring = Scoring(Settings.from_env())

    @bentoml.api(route="/score")
    def score(self, client_ids: list[str], reasons: bool = True) -> dict:
        """Score 1 to 1000 clients, in the order of the request."""
        try:
            return self._scoring.answer(client_ids, reasons).body()
        except NOT_READY as error:
            log.error("not ready: %s", error)
            raise ServiceUnavailable(str(error)) from error

    async def __is_ready__(self) -> bool:
        """Whether a request could be answered now; BentoML's /readyz asks."""
        try:
            self._scoring.check_ready()
        except NOT_READY as error:
            log.warning("not ready: %s", error)
            return False
        return True

    @bentoml.on_shutdown
    def close(self) -> None:
        """Hand the prediction log over to the asset that collects it."""
        self._scoring.close()


DefaultRisk.add_asgi_middleware(Gate, digests=lambda: Settings.from_env().api_key_sha256)  # type: ignore[attr-defined]

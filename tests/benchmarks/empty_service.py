"""A BentoML service that takes the requests of the scoring endpoint and does nothing: what an answer costs before any work."""

import bentoml


@bentoml.service(name="empty", workers=1, traffic={"timeout": 30})
class Empty:
    """Nothing."""

    @bentoml.api(route="/score")
    def score(self, client_ids: list[str], reasons: bool = True) -> dict:
        """Answer at once."""
        return {}

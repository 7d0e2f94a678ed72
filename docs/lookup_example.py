"""One client through Feast's own lookup, by the shortest service, and through the scorer: the example that the README shows.

Run it after `make demo`, from the root: `.venv/bin/python docs/lookup_example.py`.
"""

from features.services import DEFAULT_RISK_V1_FEATURES, default_risk_v1
from features.store import feature_store
from serving.scoring import Scoring
from warehouse import open_warehouse
from warehouse.settings import Settings

RISKIEST = "select client_id from marts.client_default_risk where status = 'scored' order by probability desc, client_id limit 1"


def main() -> None:
    """Print the online features of the riskiest client, then the score."""
    settings = Settings.from_env()
    client_id = open_warehouse(settings).sql(RISKIEST).to_pyarrow()["client_id"][0].as_py()
    store = feature_store(settings)
    row = store.get_online_features(features=default_risk_v1, entity_rows=[{"client_id": client_id}]).to_dict()
    for name in ("client_id", *DEFAULT_RISK_V1_FEATURES):
        (value,) = row[name]
        print(f"{name:<32} {value:.4g}" if isinstance(value, float) else f"{name:<32} {value}")
    scoring = Scoring(settings)
    result = scoring.answer([client_id]).body()["results"][0]
    scoring.close()
    print(f"\nprobability {result['probability']:.3f}, score {result['score']}, grade {result['grade']}")
    for reason in result["reasons"]:
        print(f"  {reason['text']} ({reason['feature']}, +{reason['contribution']:.2f} log-odds)")


if __name__ == "__main__":
    main()

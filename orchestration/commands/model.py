"""Commands of the model: train, promote, score and drift."""

import argparse
import json
import sys

from orchestration.cli import DONE, WRONG_USAGE
from warehouse.settings import Settings


def train(arguments: argparse.Namespace, settings: Settings) -> int:
    """Train a model on the release and register it."""
    from orchestration.commands.runs import Runner, step_metadata

    with Runner(settings) as runner:
        runner.platform.lake.at()
        asked = {"training__default_risk": {"service": arguments.service}}
        facts = step_metadata(runner.run("train", config=asked), "training/default_risk")
        if arguments.json:
            print(json.dumps(facts))
        else:
            print(f"model version {facts['model_version']}: test AUC {facts['test_auc']:.3f}, Gini {facts['test_gini']:.3f}")
            print(f"unmet rules of the promotion gate: {facts['unmet_rules']}")
        return DONE


def promote(arguments: argparse.Namespace, settings: Settings) -> int:
    """Make a registered model the one that serving reads."""
    from orchestration.commands.runs import Runner, step_metadata

    with Runner(settings) as runner:
        facts = step_metadata(
            runner.run("promote", config={"serving__bundle": {"run_id": arguments.run, "force": arguments.force}}), "serving/bundle"
        )
        print(f"model version {facts['bundle']} is served now")
        return DONE


def score(arguments: argparse.Namespace, settings: Settings) -> int:
    """Score some clients from the online store, or all clients of the release into marts.client_default_risk."""
    if bool(arguments.client_ids) == arguments.all:
        print("lending score: name CLIENT_ID..., or --all", file=sys.stderr)
        return WRONG_USAGE
    return _score_all(arguments, settings) if arguments.all else _score_some(arguments, settings)


def _score_all(arguments: argparse.Namespace, settings: Settings) -> int:
    from orchestration.commands.runs import Runner, step_metadata

    with Runner(settings) as runner:
        facts = step_metadata(runner.run("score"), "marts/client_default_risk")
    print(json.dumps(facts) if arguments.json else f"release {facts['release_id']} holds the scores of {facts['business_date']}")
    return DONE


def _score_some(arguments: argparse.Namespace, settings: Settings) -> int:
    from serving.scoring import Scoring

    scoring = Scoring(settings)
    body = scoring.answer(arguments.client_ids).body()
    scoring.close()
    if arguments.json:
        print(json.dumps(body))
        return DONE
    for result in body["results"]:
        print(score_line(result))
        for reason in result["reasons"]:
            print(f"    {reason['code']}: {reason['text']} ({reason['feature']} +{reason['contribution']:.2f})")
    return DONE


def score_line(result: dict) -> str:
    """One client's answer in a line."""
    if result["status"] != "scored":
        return f"{result['client_id']}: not scored, {result['status']}"
    return f"{result['client_id']}: probability of default {result['probability']:.1%}, score {result['score']}, grade {result['grade']}"


def drift(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write the drift report."""
    from orchestration.commands.runs import Runner, failed_checks, step_metadata

    with Runner(settings) as runner:
        done = runner.run("drift")
    facts = step_metadata(done, "ops/drift_metric")
    print(f"drift report: {facts['page']}")
    print(f"greatest stability index: {facts['greatest_index']:.3f} of {facts['greatest_index_of']}")
    for check in failed_checks(done):
        print(f"  {check}", file=sys.stderr)
    return DONE

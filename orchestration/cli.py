"""The `lending` command: one sub-command a stage, thin wrappers that run the Dagster jobs.

Exit codes: 0 done or nothing to do, 1 failed and nothing published, 2 wrong usage, 3 done with rejected files. Results go to
standard output, progress to standard error. Libraries are imported inside the commands, so that `lending --help` answers at once.
"""

import argparse
import logging
import sys
import warnings
from collections.abc import Callable, Sequence
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

from orchestration.errors import of_the_machine

FOLDER_ERRORS = (FileExistsError, FileNotFoundError, PermissionError, NotADirectoryError)
Add = Callable[[str, str, str], argparse.ArgumentParser]
DONE, FAILED, WRONG_USAGE = 0, 1, 2  # and 3, of an ingest with rejected files


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date such as 2025-06-30") from None


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print one JSON object on standard output")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; each names its function as `module:function` of orchestration.commands."""
    parser = argparse.ArgumentParser(prog="lending", description="Feature-store-first ML data platform for consumer lenders.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, function: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(function=function)
        return command

    _add_pipeline(add)
    _add_model(add)
    _add_reading(add)
    return parser


def _add_pipeline(add: Add) -> None:
    ingest = add("ingest", "pipeline:ingest", "take a delivery: a folder or a zip")
    ingest.add_argument("path", type=Path, metavar="PATH")
    ingest.add_argument("--business-date", type=_day, required=True, metavar="D", help="calendar day that the delivery is of")
    ingest.add_argument("--allow-partial", action="store_true", help="reject bad files and take the others (exit code 3)")
    ingest.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="RULE[:TABLE]",
        help="take the delivery although it breaks this rule of deliveries, such as row_count_low:repayments; repeatable",
    )
    _json(ingest)
    build = add("build", "pipeline:build", "curated tables, marts and features of the last business date, then one release")
    build.add_argument("--force", action="store_true", help="build again although nothing is new, and every date of it")
    _json(build)
    backfill = add("backfill", "pipeline:backfill", "compute feature snapshots of past business dates again, then one release")
    backfill.add_argument("--from", dest="first", type=_day, required=True, metavar="D")
    backfill.add_argument("--to", dest="last", type=_day, required=True, metavar="D")
    add("materialize", "pipeline:materialize", "changed feature rows of the release into the online store")
    rollback = add("rollback", "pipeline:rollback", "a new release that points at the tables of an older one")
    rollback.add_argument("--to", type=int, required=True, metavar="RELEASE_ID")
    gc = add("gc", "pipeline:gc", "remove files that no release needs")
    gc.add_argument("--older-than-hours", type=float, default=24, metavar="H", help="spare what is younger (default 24)")


def _add_model(add: Add) -> None:
    train = add("train", "model:train", "train, evaluate and register a model on the release")
    train.add_argument("--service", metavar="NAME", help="feature service to train on; default the one of new models")
    _json(train)
    promote = add("promote", "model:promote", "make a registered model the one that serving reads")
    promote.add_argument("--run", metavar="RUN_ID", help="the run to promote; default the newest")
    promote.add_argument("--force", action="store_true", help="promote although a gate refuses; the refusal is recorded")
    score = add("score", "model:score", "score clients with the promoted model")
    score.add_argument("client_ids", nargs="*", metavar="CLIENT_ID")
    score.add_argument("--all", action="store_true", help="every client, into marts.client_default_risk")
    _json(score)
    add("drift", "model:drift", "compact the prediction log and write the drift report")


def _add_reading(add: Add) -> None:
    status = add("status", "reading:status", "release, deliveries, online generation and model at a glance")
    _json(status)
    sql = add("sql", "reading:sql", "query the tables of the release, such as marts.portfolio_by_region_month")
    sql.add_argument("query", metavar="QUERY")
    shape = sql.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one JSON object with columns and rows")
    shape.add_argument("--csv", action="store_true", help="comma-separated values")
    report = add("report", "report:report", "write the portfolio report as HTML pages that open offline")
    report.add_argument("--out", type=Path, metavar="DIR", help="folder of the pages (default reports/portfolio of the home)")
    report.add_argument("--release", type=_count, metavar="N", help="an older release (default the current one)")
    add("key", "running:key", "make an API key for the scoring endpoint")
    _add_quarantine(add("quarantine", "", "rows that broke a rule: list them with reasons, or judge them again"))
    simulate = add("simulate", "running:simulate", "write the deliveries of a generated lender")
    simulate.add_argument("--profile", default="demo", metavar="P")
    simulate.add_argument("--seed", type=int, default=7, metavar="S")
    simulate.add_argument("--out", type=Path, required=True, metavar="DIR")
    adapt = add("adapt", "running:adapt", "turn a public data set into a delivery")
    adapt.add_argument("dataset", choices=["berka"])
    adapt.add_argument("source", type=Path, metavar="FOLDER")
    adapt.add_argument("--out", type=Path, required=True, metavar="DIR")
    demo = add("demo", "demo:demo", "the whole path on a generated lender, from deliveries to a score and a drift report")
    demo.add_argument("--profile", default="demo", metavar="P")
    demo.add_argument("--seed", type=int, default=7, metavar="S")
    feast = add("feast", "running:feast", "Feast's own command on our repository, such as `lending feast feature-views list`")
    feast.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS", help="of `feast`; servers need --host 127.0.0.1")
    serve = add("serve", "running:serve", "become one of the servers of `lending up`, as containers do")
    serve.add_argument("server", choices=["dagster", "dagster-daemon", "bentoml", "mlflow", "reports"])
    add("up", "running:up", "start the Dagster UI, BentoML, MLflow UI and report pages; Ctrl-C stops them all")


def _add_quarantine(quarantine: argparse.ArgumentParser) -> None:
    actions = quarantine.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = _quarantine_action(actions, "list", "rows that broke a rule, with the reason, the fix and the row; personal values masked")
    listed.add_argument("--severity", choices=["reject", "park", "warn"])
    listed.add_argument("--disposition", choices=["accepted", "duplicate", "quarantined", "parked"])
    listed.add_argument("--file", metavar="NAME", help="name of the file as delivered")
    listed.add_argument("--all", action="store_true", help="also warnings and rows that another row replaced")
    listed.add_argument("--summary", action="store_true", help="counts by table and rule")
    listed.add_argument("--limit", type=_count, default=50, metavar="N")
    text = "judge rows in quarantine again, after a rule or a contract was corrected, and merge those that pass"
    replayed = _quarantine_action(actions, "replay", text)
    replayed.add_argument("--everything", action="store_true", help="judge every row ever delivered again, not only those in quarantine")


def _quarantine_action(actions: Any, name: str, text: str) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text)
    action.set_defaults(function=f"quarantine:quarantine_{name}")
    action.add_argument("--business-date", type=_day, metavar="D")
    action.add_argument("--table", metavar="T", help="source table, such as repayments")
    action.add_argument("--rule", metavar="R", help="id of a rule, such as bad_date")
    _json(action)
    return action


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = build_parser().parse_args(argv)
    from warehouse.settings import Settings, SettingsError

    _quiet_libraries()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        settings = Settings.from_env()
    except (SettingsError, OSError) as error:  # of a variable, or of lending.env
        print(f"lending: {error}", file=sys.stderr)
        return WRONG_USAGE
    module, _, function = arguments.function.partition(":")
    try:
        return getattr(import_module(f"orchestration.commands.{module}"), function)(arguments, settings)
    except KeyboardInterrupt:
        print("lending: stopped", file=sys.stderr)
        return FAILED
    except Exception as error:  # the boundary to a person: known errors as a sentence, the others with their trace
        sentence = _sentence(error) if _is_for_people(error) else of_the_machine(error) or _about_a_path(error)
        if sentence is None:
            raise
        print(f"lending {arguments.command}: {sentence}", file=sys.stderr)
        return FAILED


def _quiet_libraries() -> None:
    """Keep what libraries tell each other of deprecated calls off an operator's screen; some of them reset the filters on import."""
    show = warnings.showwarning

    def show_others(message: Warning | str, category: type[Warning], *place: Any) -> None:
        if not issubclass(category, (DeprecationWarning, PendingDeprecationWarning)):
            show(message, category, *place)

    warnings.showwarning = show_others  # type: ignore[assignment]


def _is_for_people(error: Exception) -> bool:
    """Whether an error was raised by the platform itself: its sentence says what to do."""
    packages = ("warehouse", "features", "training", "serving", "orchestration")
    return type(error).__module__.partition(".")[0] in packages


def _about_a_path(error: Exception) -> str | None:
    return str(error) if isinstance(error, FOLDER_ERRORS) else None


def _sentence(error: Exception) -> str:
    # KeyError puts its message in quotes.
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)


if __name__ == "__main__":
    sys.exit(main())

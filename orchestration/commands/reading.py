"""Commands that read: status and sql."""

import argparse
import csv
import json
import re
import sys
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from orchestration.cli import DONE, WRONG_USAGE
from warehouse.settings import Settings

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
if TYPE_CHECKING:
    from warehouse.lake import Lake

CELL_WIDTH = 44  # of the printed table; --json and --csv print values whole


def sql(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the answer to a query over the tables of the release."""
    import duckdb
    import ibis.common.exceptions

    from warehouse import open_warehouse

    try:
        warehouse = open_warehouse(settings)
        with warehouse.lake:
            answer = warehouse.sql(arguments.query).to_pyarrow()
    except (ValueError, ibis.common.exceptions.IbisError, duckdb.Error) as error:
        print(f"lending sql: {error}", file=sys.stderr)
        return WRONG_USAGE
    rows = [[plain(value) for value in row.values()] for row in answer.to_pylist()]
    if arguments.json:
        print(json.dumps({"columns": answer.column_names, "rows": rows}))
    elif arguments.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([sheet_safe(value) for value in row] for row in [answer.column_names, *rows])
    else:
        print_table(answer.column_names, rows)
    return DONE


def status(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print what is published, delivered, online and served."""
    facts = status_facts(settings)
    if arguments.json:
        print(json.dumps(facts))
        return DONE
    for name, value in facts.items():
        for shown in value or ["none"] if isinstance(value, list) else ["none" if value is None else value]:
            print(f"{name.replace('_', ' '):<20} {shown}")
    return DONE


def status_facts(settings: Settings) -> dict[str, Any]:
    """Release, last delivery, rows by outcome, online generation, model in service and alerts; None where there is none."""
    from warehouse.lake import Lake

    with Lake(settings) as lake:
        return _of_lake(lake) | _of_serving(settings) | _of_alerts(lake, settings)


def _of_lake(lake: "Lake") -> dict[str, Any]:
    from warehouse.staging.ledger import DELIVERY_LEDGER

    release, intake = lake.release(), lake.intake()
    facts: dict[str, Any] = {
        "home": str(lake.settings.home),
        "release_id": release and release.release_id,
        "release_business_date": release and release.business_date.isoformat(),
        "released_at": release and release.created_at.isoformat(timespec="seconds"),
        "last_delivery": None,
    }
    if intake is None:
        return facts
    ledger = intake.table(DELIVERY_LEDGER.name)
    outcomes = ("rows_in", "accepted", "duplicate", "quarantined", "parked", "rejected")
    sums = ledger.agg(last_delivery=ledger.business_date.max(), files=ledger.count(), **{name: ledger[name].sum() for name in outcomes})
    return facts | {name: plain(value) for name, value in sums.to_pyarrow().to_pylist()[0].items()}


def _of_serving(settings: Settings) -> dict[str, Any]:
    from serving.bundle import NoBundle, current_folder

    facts = _of_online(settings)
    try:
        return facts | {"model_version": current_folder(settings.bundles).name}
    except NoBundle:
        return facts | {"model_version": None}


def _of_alerts(lake: "Lake", settings: Settings) -> dict[str, Any]:
    from orchestration.alerts import AlertBook, alert_line

    book = AlertBook(lake, settings)
    return {"unsent_alerts": len(book.unsent()), "open_alerts": [alert_line(state) for state in book.told()]}


def _of_online(settings: Settings) -> dict[str, Any]:
    """The served generation, and whether the parity gate lets it count; a killed run leaves one that was not compared.

    A store that cannot be asked is a fact of its own, `online_error`: the other facts are wanted then too.
    """
    from features.online.backend import OnlineStoreError, OnlineStoreMissing
    from features.online_of_settings import online_backend

    backend, served, failed = online_backend(settings), None, {}
    try:
        served = backend.generation()
    except OnlineStoreMissing:
        pass
    except OnlineStoreError as error:
        failed = {"online_error": str(error)}
    finally:
        backend.close()
    return failed | {
        "online_business_date": served and served.business_date.isoformat(),
        "online_release_id": served and served.release_id,
        "online_parity": served and (served.parity or "not compared"),
    }


def plain(value: Any) -> Any:
    """A value as JSON can hold it; money stays exact, as text."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return value


def sheet_safe(value: Any) -> Any:
    """A value as a sheet may open it: text that would be a formula there is quoted, numbers stay numbers."""
    is_formula = isinstance(value, str) and value.startswith(FORMULA_STARTS) and not re.fullmatch(r"[+-]?[0-9]+([.][0-9]+)?", value)
    return f"'{value}" if is_formula else value


def print_table(columns: list[str], rows: list[list[Any]]) -> None:
    """Print aligned columns; text that begins like a formula is shown as it is, since this goes to a screen, not to a sheet."""
    cells = [columns, *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"({len(rows)} rows)", file=sys.stderr)


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= CELL_WIDTH else line[: CELL_WIDTH - 1] + "…"

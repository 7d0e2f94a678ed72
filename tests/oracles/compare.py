"""Compares the platform's rows with the oracle's, cell by cell, and tells a person what differs and from which ledger rows."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.oracles.ledger import Ledger

HIDDEN = ("client_name", "join_date", "credit_score", "source_file", "source_sha256", "source_row_number", "channel")


def keyed(rows: Iterable[Mapping[str, Any]], key: Sequence[str]) -> dict[tuple, dict[str, Any]]:
    """Rows by their key.

    Raises:
        AssertionError: two rows have one key, so the grain is broken.
    """
    found: dict[tuple, dict[str, Any]] = {}
    for row in rows:
        place = tuple(row[column] for column in key)
        assert place not in found, f"two rows for {place}: {found[place]} and {dict(row)}"
        found[place] = dict(row)
    return found


def same(expected: Any, actual: Any) -> bool:
    """Equal; a float to within rounding."""
    if isinstance(expected, float) and isinstance(actual, float | int):
        return math.isclose(expected, actual, rel_tol=1e-9, abs_tol=1e-9)
    return expected == actual and (expected is None) == (actual is None)


def differences(
    expected: Mapping[tuple, Mapping[str, Any]], actual: Mapping[tuple, Mapping[str, Any]]
) -> list[tuple[tuple, str, Any, Any]]:
    """(key, column, oracle, platform) of each cell that differs; a whole row counts as the column `row`.

    Columns are those of the oracle's rows; the platform may have more.
    """
    found: list[tuple[tuple, str, Any, Any]] = []
    for key in sorted(set(expected) | set(actual), key=str):
        if key not in actual:
            found.append((key, "row", dict(expected[key]), None))
        elif key not in expected:
            found.append((key, "row", None, dict(actual[key])))
        else:
            cells = expected[key].items()
            found += [(key, name, value, actual[key].get(name)) for name, value in cells if not same(value, actual[key].get(name))]
    return found


def check(table: str, expected: Mapping[tuple, Mapping[str, Any]], actual: Mapping[tuple, Mapping[str, Any]], ledger: Ledger) -> None:
    """Fail with the first differing cells and the ledger of the first one's client, if there are any."""
    found = differences(expected, actual)
    if not found:
        return
    lines = [f"{table}: {len(found)} cells differ in {len({key for key, *_ in found})} of {len(expected)} rows"]
    lines += [f"  {' '.join(map(str, key))}  {column}: oracle {theirs!r}, platform {ours!r}" for key, column, theirs, ours in found[:12]]
    client_id = client_of(found[0][0], ledger)
    if client_id:
        lines.append(f"ledger of {client_id}:")
        lines += describe(ledger.of_clients({client_id}))
    raise AssertionError("\n".join(lines))


def client_of(key: tuple, ledger: Ledger) -> str | None:
    """The client whom a row's key concerns."""
    owner = {row["contract_number"]: row["client_id"] for row in ledger.rows["contracts"]}
    concerned = {row["client_id"]: row["client_id"] for row in ledger.rows["clients"]} | owner
    concerned |= {row["installment_id"]: owner.get(row["contract_number"]) for row in ledger.rows["installments"]}
    concerned |= {row["repayment_id"]: owner.get(row["contract_number"]) for row in ledger.rows["repayments"]}
    return next((concerned[part] for part in key if isinstance(part, str) and part in concerned), None)


def describe(ledger: Ledger) -> list[str]:
    """The ledger's rows as text, without what is empty."""
    lines = []
    for table, rows in ledger.rows.items():
        if table in ("regions", "product_types", "products"):
            continue
        for row in rows:
            shown = {name: value for name, value in row.items() if name not in HIDDEN and value not in (None, False)}
            lines.append(f"  {table}: " + ", ".join(f"{name}={value}" for name, value in shown.items()))
    return lines

"""Staging rows as versions of keys: what was held at an instant, and from when a delivered row is known."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from tests.oracles.days import end_of_day

Row = dict[str, Any]

KEYS = {
    "regions": ("region_id",),
    "product_types": ("product_type_id",),
    "products": ("product_code",),
    "clients": ("client_id",),
    "contracts": ("contract_number",),
    "contract_status_history": ("contract_number", "status", "status_date"),
    "installments": ("installment_id",),
    "repayments": ("repayment_id",),
    "penalties": ("penalty_id",),
}
BEGINNING = date(1900, 1, 1)


class Ledger:
    """The staging tables, each key with its versions in the order of their business dates."""

    def __init__(self, rows: Mapping[str, Sequence[Row]]) -> None:
        self.rows = {table: list(rows.get(table, ())) for table in KEYS}
        self.chains: dict[str, dict[tuple, list[Row]]] = {}
        for table, key in KEYS.items():
            chains: dict[tuple, list[Row]] = defaultdict(list)
            for row in sorted(self.rows[table], key=lambda row: row["business_date"]):
                chains[tuple(row[column] for column in key)].append(row)
            self.chains[table] = dict(chains)

    def known_versions(self, table: str, until: datetime) -> list[list[Row]]:
        """Per key, the versions known at an instant, oldest first; keys without any are left out."""
        known = ([row for row in chain if row["known_at"] <= until] for chain in self.chains[table].values())
        return [chain for chain in known if chain]

    def held(self, table: str, until: datetime) -> list[Row]:
        """The last version of each key that is known at an instant, without deleted keys."""
        return [chain[-1] for chain in self.known_versions(table, until) if not chain[-1]["is_deleted"]]

    def of_clients(self, client_ids: set[str]) -> "Ledger":
        """The rows that concern some clients only, for a message a person can read."""
        numbers = {row["contract_number"] for row in self.rows["contracts"] if row["client_id"] in client_ids}
        installments = {row["installment_id"] for row in self.rows["installments"] if row["contract_number"] in numbers}
        kept = {table: self.rows[table] for table in ("regions", "product_types", "products")}
        kept["clients"] = [row for row in self.rows["clients"] if row["client_id"] in client_ids]
        for table in ("contracts", "contract_status_history", "installments", "repayments"):
            kept[table] = [row for row in self.rows[table] if row["contract_number"] in numbers]
        kept["penalties"] = [row for row in self.rows["penalties"] if row["installment_id"] in installments]
        return Ledger(kept)


def known_at(row: Row, event_date: date, opening_date: date, zone: str) -> datetime:
    """From when a delivered row is known (CONTRACT B).

    Args:
        row: with business_date, and booked_at where the source delivers one.
        event_date: the day on which what the row tells happened.
        opening_date: the smallest business date on which the row's table was delivered.
        zone: IANA name of the lender's time zone.
    """
    if row["business_date"] > opening_date:
        return end_of_day(row["business_date"], zone)
    booked = row.get("booked_at") or end_of_day(event_date, zone)
    return min(booked.astimezone(UTC), end_of_day(opening_date, zone))

"""Asset checks: declared from the table specs, filled from the audits that the lake ran.

Every table that a run writes has one blocking check, `contract`: columns not null, grain unique, values and ranges as declared. A failed
check stops everything downstream, the release included, so that readers keep the release they have.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from warehouse.table import TableSpec

CONTRACT = "contract"


def key(spec: TableSpec) -> dg.AssetKey:
    """Asset key of a table: layer, table."""
    return dg.AssetKey([spec.layer, spec.table])


def contract_check(spec: TableSpec) -> dg.AssetCheckSpec:
    """The declaration of the contract check of a table."""
    return dg.AssetCheckSpec(
        CONTRACT,
        asset=key(spec),
        blocking=True,
        description=f"Grain ({', '.join(spec.grain)}) unique, required columns filled, values and ranges as declared.",
    )


def contract_result(spec: TableSpec, audit: Iterable[Mapping[str, Any]]) -> dg.AssetCheckResult:
    """The outcome of the contract check of a table from the audit results that its candidate recorded."""
    results = list(audit)
    failed = [result for result in results if not result["passed"]]
    return dg.AssetCheckResult(
        check_name=CONTRACT,
        asset_key=key(spec),
        passed=bool(results) and not failed,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(result["message"] for result in failed) or f"{len(results)} rules hold",
        metadata={result["rule"]: result["failed_rows"] for result in failed},
    )


def table_asset(spec: TableSpec, deps: Iterable[dg.AssetKey], group: str) -> dg.AssetSpec:
    """The asset of a table, described by its declaration."""
    return dg.AssetSpec(
        key(spec),
        deps=list(deps),
        description=spec.description,
        group_name=group,
        metadata={
            "grain": ", ".join(spec.grain),
            "dagster/column_schema": dg.TableSchema(
                columns=[
                    dg.TableColumn(
                        column.name,
                        column.dtype,
                        description=column.description,
                        constraints=dg.TableColumnConstraints(nullable=column.nullable),
                    )
                    for column in spec.columns
                ]
            ),
        },
    )

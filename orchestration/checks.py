"""Asset checks: declared from the table specs, filled from the audits that the lake ran.

Every table that a run writes has one blocking check, `contract`: columns not null, grain unique, values and ranges as declared. Marts
have a second one, `reconciliation`: they add up to the curated facts and agree with each other. A failed check stops everything
downstream, the release included, so that readers keep the release they have.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from warehouse.marts.reconciliation import RULE
from warehouse.table import TableSpec

CONTRACT, RECONCILIATION = "contract", "reconciliation"


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
    return _result(CONTRACT, spec, [result for result in audit if not result["rule"].startswith(RULE)])


def reconciliation_check(spec: TableSpec) -> dg.AssetCheckSpec:
    """The declaration of the reconciliation check of a mart."""
    return dg.AssetCheckSpec(
        RECONCILIATION,
        asset=key(spec),
        blocking=True,
        description="Adds up to the curated facts and agrees with the other marts, to the last unit of money.",
    )


def reconciliation_result(spec: TableSpec, audit: Iterable[Mapping[str, Any]]) -> dg.AssetCheckResult:
    """The outcome of the reconciliation check of a mart; its description names months, regions and both values of what differs."""
    return _result(RECONCILIATION, spec, [result for result in audit if result["rule"].startswith(RULE)])


def _result(name: str, spec: TableSpec, results: Sequence[Mapping[str, Any]]) -> dg.AssetCheckResult:
    failed = [result for result in results if not result["passed"]]
    return dg.AssetCheckResult(
        check_name=name,
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

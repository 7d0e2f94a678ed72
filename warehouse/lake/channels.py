"""The two channels, which tables each publishes, and the release that a candidate becomes."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from warehouse.lake.candidate_log import CandidateRow, StagedTable
from warehouse.lake.errors import PublishConflict
from warehouse.lake.records import INTAKE
from warehouse.lake.release_log import Release

if TYPE_CHECKING:
    from warehouse.lake.lake import Lake

INTAKE_TABLES = ("ops.delivery_ledger", "ops.quarantine")  # published with raw and staging, in the same row
LAYERS = {"intake": ("raw", "staging"), "release": ("curated", "marts", "features")}
BUILT_LAYER = "curated"  # the layer that is computed from staging: staging it means that the release is built from the candidate's intake


def belongs(channel: str, name: str) -> bool:
    """Whether a channel publishes a table itself."""
    return name.partition(".")[0] in LAYERS[channel] or (channel == INTAKE and name in INTAKE_TABLES)


def next_release(
    lake: "Lake", row: CandidateRow, base_intake: Release | None, staged: dict[str, StagedTable], business_date: date, note: str
) -> Release:
    """The release after the current one, with the tables that a candidate staged.

    Raises:
        PublishConflict: another run has published one of them since the candidate's base.
    """
    head = lake.log.head(row.channel)
    held = head.tables if head else {}
    changed = sorted(name for name, table in staged.items() if held.get(name) != table.base_snapshot_id)
    if changed:
        raise PublishConflict(
            f"another run published {', '.join(changed)} after {row.channel} {row.base}, on which run {row.run_id} is based; "
            "discard the candidate and run again"
        )
    built = _built_from(lake, row.channel, base_intake, head, staged)
    tables = {name: snapshot for name, snapshot in held.items() if belongs(row.channel, name)}
    tables |= {name: table.snapshot_id for name, table in staged.items()}
    if built is not None:
        tables |= {name: snapshot for name, snapshot in built.tables.items() if name.partition(".")[0] in LAYERS[INTAKE]}
    return Release(
        release_id=head.release_id + 1 if head else 1,
        business_date=business_date,
        created_at=datetime.now(UTC),
        run_id=row.run_id,
        tables=tables,
        note=note,
        channel=row.channel,
        intake=built.release_id if built else 0,
    )


def _built_from(
    lake: "Lake", channel: str, base_intake: Release | None, head: Release | None, staged: dict[str, StagedTable]
) -> Release | None:
    """The intake whose raw and staging tables the new release pins: the one that its curated tables were computed from."""
    if channel == INTAKE:
        return None
    is_built = head is None or any(name.partition(".")[0] == BUILT_LAYER for name in staged)
    return base_intake if is_built else lake.intake_of(head)

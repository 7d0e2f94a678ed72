"""Iceberg tables with Write-Audit-Publish; the only place that knows PyIceberg.

Stage tables in a candidate, audit them, publish them together: the release row is the publish, readers pin it.
"""

from warehouse.lake.audit import AUDIT_RESULT, AuditResult
from warehouse.lake.candidate import Candidate
from warehouse.lake.errors import (
    AuditFailed,
    CandidateClosed,
    DamagedFile,
    LakeError,
    MovedLake,
    NoRelease,
    PublishConflict,
    SchemaMismatch,
    UnknownTable,
)
from warehouse.lake.lake import Lake
from warehouse.lake.pinned import Pinned
from warehouse.lake.release_log import Release

__all__ = [
    "AUDIT_RESULT",
    "AuditFailed",
    "AuditResult",
    "Candidate",
    "CandidateClosed",
    "DamagedFile",
    "Lake",
    "LakeError",
    "MovedLake",
    "NoRelease",
    "Pinned",
    "PublishConflict",
    "Release",
    "SchemaMismatch",
    "UnknownTable",
]

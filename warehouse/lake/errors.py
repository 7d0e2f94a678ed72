"""What can go wrong in the lake, as errors that name the value, the rule and the fix."""

import difflib
from collections.abc import Iterable, Sequence


class LakeError(Exception):
    """Base of all errors of the lake."""


class NoRelease(LakeError):
    """Nothing was published yet, or the release asked for does not exist."""

    def __init__(self, message: str = "no release yet; run lending build") -> None:
        super().__init__(message)


class UnknownTable(LakeError, KeyError):
    """A table name that the release does not hold; the message names near matches."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or [other for other in names if name.split(".")[-1] in other][:3]
        hint = f"did you mean {', '.join(near)}?" if near else f"it holds {', '.join(names) or 'no table'}"
        self.name = name
        self.near = near
        self.message = f"unknown table {name!r}: {hint}"
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message  # KeyError would print the repr of the text


class SchemaMismatch(LakeError, ValueError):
    """Data or a declaration does not fit the columns of a table."""


BUILT_FIX = "compute it again with lending build --force or go back with lending rollback --to N"
FIXES = {
    "raw": "deliver the files of landing/ again to a new home",
    "staging": "judge all deliveries again with lending quarantine replay --everything",
    "curated": BUILT_FIX,
    "marts": BUILT_FIX,
    "features": BUILT_FIX,
}


class DamagedFile(LakeError):
    """A data file is missing or is not what was written; no row of it was read.

    Attributes:
        table: layer.table.
        path: the file.
    """

    def __init__(self, table: str, path: str, damage: str) -> None:
        fix = FIXES.get(table.partition(".")[0])
        otherwise = f"; if there is none, {fix}" if fix else ""
        super().__init__(f"{table}: data file {path} is damaged: {damage}. Restore this file from a backup{otherwise}")
        self.table = table
        self.path = path


class MovedLake(LakeError):
    """The lake is not where it was written; Iceberg metadata holds absolute paths."""


class AuditFailed(LakeError):
    """A staged table broke a rule or was never audited; nothing was published and its branch is kept.

    Attributes:
        failed: the failed AuditResults; empty when the only problem is that an audit is missing.
    """

    def __init__(self, message: str, failed: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.failed = tuple(failed)


class PublishConflict(LakeError):
    """Another run published the same tables first; discard the candidate and run again."""


class CandidateClosed(LakeError):
    """The candidate was dropped by `gc` or by `discard` in another process."""

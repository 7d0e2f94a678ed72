"""Feast OnlineStore that keeps packed rows in SQLite: one value per feature view and key, instead of one row per feature.

Configure it as `online_store: {type: features.online_store.PackedSqliteOnlineStore, path: ...}`. What it does is in online/packed_store.py;
docs/adr/0003 says why it exists.
"""

from pathlib import Path

from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import StrictStr, field_validator

from features.online.packed_store import PackedOnlineStore
from features.online.sqlite_file import SqliteBackend


class PackedSqliteOnlineStoreConfig(FeastConfigBaseModel):
    """Configuration: the file, relative to the repository unless absolute."""

    type: StrictStr = "features.online_store.PackedSqliteOnlineStore"
    path: StrictStr

    @field_validator("path")
    @classmethod
    def _is_expanded(cls, path: str) -> str:
        if "$" in path:
            raise ValueError(f"path {path!r}: an environment variable in it is not set; export it before starting Feast")
        return path


class PackedSqliteOnlineStore(PackedOnlineStore):
    """Feast's interface to the packed rows of one SQLite file."""

    def _opened(self, config: RepoConfig) -> SqliteBackend:
        path = Path(config.online_store.path)
        if not path.is_absolute():
            path = Path(config.repo_path or ".") / path
        return SqliteBackend(path, config.project, create=True)

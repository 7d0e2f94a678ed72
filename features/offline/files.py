"""What an offline store writes as Parquet files: saved datasets, logged features, and rows that are appended to a file source.

Appending never rewrites a row: each batch becomes a file of its own, written under a hidden name and then renamed, so a reader sees all of
it or nothing. A folder gets the file inside. A single file cannot grow, so its batches stand in the folder `<file>.d` beside it, which this
store reads with it.
"""

import glob
import os
import uuid
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import quote

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from feast.data_source import DataSource
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import FileLoggingDestination, FileSource
from feast.repo_config import RepoConfig

from features.offline.parquet_rows import appended_folder, below_what_is_there


def save(config: RepoConfig, rows: ir.Table | pa.Table, target: DataSource, allow_overwrite: bool) -> None:
    """Write a saved dataset as one Parquet file, whole or not at all.

    Raises:
        SavedDatasetLocationAlreadyExists: there is something and it may not be replaced.
        ValueError: the target is no local file.
    """
    path = _local(config, target, f"saved dataset {target.name}")
    if path.exists() and not allow_overwrite:
        raise SavedDatasetLocationAlreadyExists(location=str(path))
    if path.is_dir():
        raise ValueError(f"saved dataset {target.name}: {path} is a folder, and only a file is replaced; remove it or name a file")
    write_file(rows if isinstance(rows, pa.Table) else rows.to_pyarrow(), path)


def append(config: RepoConfig, rows: pa.Table, target: DataSource) -> None:
    """Add rows to a file source.

    Raises:
        ValueError: the target is no local file or folder, or a pattern that a new file does not match.
    """
    path, name = _local(config, target, f"data source {target.name}"), _name()
    rest = Path(below_what_is_there(path)[1])
    if glob.has_magic(str(rest)):
        if glob.has_magic(str(rest.parent)) or not fnmatch(name, rest.name):
            raise ValueError(
                f"data source {target.name}: {path} would not match a file added to it; use a folder or folder/*.parquet, "
                "or offline_store.writer"
            )
        folder = path.parent
    elif path.is_file() or (path.suffix == ".parquet" and not path.is_dir()):
        folder = appended_folder(path)
    else:
        folder = path
    write_file(rows.replace_schema_metadata(), folder / name)


def log(config: RepoConfig, logs: pa.Table | Path, destination: FileLoggingDestination) -> None:
    """Add logged features to a folder of Parquet files, in folders by column if the destination says so."""
    folder = _local(config, destination.to_data_source(), "logging destination")
    logs = logs if isinstance(logs, pa.Table) else read(logs)
    if not logs.num_rows:
        return
    for names, rows in _by_folder(logs, destination.partition_by or []):
        write_file(rows, folder.joinpath(*names) / _name())


def read(folder: Path) -> pa.Table:
    """The rows of a file or folder that Feast hands over."""
    return ds.dataset(folder, format="parquet").to_table()


def write_file(rows: pa.Table, path: Path) -> None:
    """Write a Parquet file under a hidden name and then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        pq.write_table(rows, hidden)
        with hidden.open("rb") as written:
            os.fsync(written.fileno())
        hidden.replace(path)
    finally:
        hidden.unlink(missing_ok=True)


def _by_folder(logs: pa.Table, columns: list[str]) -> list[tuple[list[str], pa.Table]]:
    """Logs by the values of some columns, which stay in the files, so that a reader needs no folder names."""
    if not columns:
        return [([], logs)]
    parts = []
    for values in logs.select(columns).group_by(columns).aggregate([]).to_pylist():
        chosen: Any = None
        for name, value in values.items():
            same = ds.field(name).is_null() if value is None else ds.field(name) == pa.scalar(value, logs.schema.field(name).type)
            chosen = same if chosen is None else chosen & same
        parts.append(([f"{name}={quote(str(value), safe='')}" for name, value in values.items()], logs.filter(chosen)))
    return parts


def _name() -> str:
    """The name of a file that no other writer uses."""
    return f"{uuid.uuid4().hex}.parquet"


def _local(config: RepoConfig, target: DataSource, what: str) -> Path:
    """The local path of a file source.

    Raises:
        ValueError: it is of another kind or elsewhere.
    """
    if not isinstance(target, FileSource):
        raise ValueError(f"{what}: {type(target).__name__} is no file source; only Parquet files are written here")
    path = FileSource.get_uri_for_file_path(config.repo_path, target.path)
    if "://" in path and not path.startswith("file://"):
        raise ValueError(f"{what}: {path} is not local; name a function in offline_store.writer that writes there")
    return Path(path.removeprefix("file://"))

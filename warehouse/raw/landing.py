"""The landing copy: delivered files as they came, one folder a business date, so that raw can be rebuilt from them."""

import hashlib
import os
from datetime import date
from pathlib import Path

from warehouse.raw.delivery import AGAIN, FileChanged
from warehouse.raw.reader import fingerprint


def land(path: Path, name: str, sha256: str, landing: Path, business_date: date) -> Path:
    """Copy a delivered file into its landing folder, whole or not at all.

    A file of the same name and other content, from an earlier delivery of that date, is kept: the new one goes to a folder named after
    its hash.

    Returns:
        where the file lies now.

    Raises:
        FileChanged: the file is not the one with that hash any more.
    """
    folder = landing / business_date.isoformat()
    target = folder / name
    if target.exists() and fingerprint(target) != sha256:
        if target.samefile(path):
            raise FileChanged(name)
        target = folder / f"{AGAIN}{sha256[:12]}" / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(path, target, sha256)
    return target


def _copy(path: Path, target: Path, sha256: str) -> None:
    """Copy beside the target, flush, rename: a killed copy leaves a hidden file that is no delivery."""
    unfinished = target.with_name(f".{target.name}.unfinished")
    copied = hashlib.sha256()
    with path.open("rb") as source, unfinished.open("wb") as copy:
        while chunk := source.read(1024 * 1024):
            copied.update(chunk)
            copy.write(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    if copied.hexdigest() != sha256:  # landing is what raw is rebuilt from, so it holds what was read
        unfinished.unlink()
        raise FileChanged(target.name)
    unfinished.replace(target)

"""Find the files of a delivery: a folder, a zip or one file.

A file is known by its stem, so names decide and content does not. Whatever could write outside the delivery or fill the disk (links,
`../` names, archives that unpack to far more than they hold) refuses the whole delivery before anything is read.
"""

import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from warehouse.sources import SOURCES, SourceTable

FORMATS = (".csv.gz", ".csv", ".jsonl", ".parquet")
CONTROL_STEMS = ("control_totals", "manifest")
UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", "~")  # what programs call a file that they still write
AGAIN = "again-"  # folders in which landing keeps a second file of the same name; they are no part of the delivery
MAX_UNPACKED_BYTES = 32 * 1024**3
MAX_MEMBERS = 10_000
# Text of delivered tables packs about 5 to 20 times; far above that, the archive was made to fill a disk.
MAX_RATIO, RATIO_MATTERS_FROM = 400, 64 * 1024**2


class DeliveryError(ValueError):
    """The delivery as a whole cannot be used; the message says why and what to deliver."""


class FileChanged(DeliveryError):
    """A file is not what it was when it was hashed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: changed while it was read; deliver it when it is complete")


@dataclass(frozen=True)
class DeliveredFile:
    """One known file of a delivery: its name there, where it lies now, its source table and its format."""

    name: str
    path: Path
    source: SourceTable
    format: str


@dataclass(frozen=True)
class Delivery:
    """The files of a delivery in the order of the source tables.

    Attributes:
        files: of source tables.
        unknown: files that no source table claims, by name.
        controls: files of control totals, by name.
    """

    files: tuple[DeliveredFile, ...]
    unknown: dict[str, Path]
    controls: dict[str, Path] = field(default_factory=dict)


def find_delivery(path: Path, unpack_to: Path) -> Delivery:
    """List the files of a folder, a zip or a single file.

    Args:
        path: what was delivered.
        unpack_to: empty folder for the members of a zip.

    Raises:
        FileNotFoundError: nothing is at the path.
        DeliveryError: the zip is unreadable or unsafe, a link is inside, or no file is known.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such folder or file")
    if path.is_file() and path.suffix.lower() != ".zip":
        found = {path.name: path}
    else:
        found = _regular_files(path if path.is_dir() else _unpack(path, unpack_to))
        if path.is_dir() and (archive := _only_zip(found)):
            found = _regular_files(_unpack(archive, unpack_to))
    delivery = _classify(found)
    if not delivery.files:
        known = ", ".join(source.name for source in SOURCES)
        raise DeliveryError(f"{path.name}: holds no known file; name the files {known} with one of the endings {', '.join(FORMATS)}")
    return delivery


def source_of(name: str) -> tuple[SourceTable, str] | None:
    """The source table and the format that a file name stands for, or None."""
    lowered = name.lower()
    suffix = next((ending for ending in FORMATS if lowered.endswith(ending)), None)
    if suffix is None:
        return None
    stem = _stem(lowered, suffix)
    source = next((source for source in SOURCES if stem in (source.name, *source.aliases)), None)
    return (source, suffix) if source else None


def is_control(name: str) -> bool:
    """Whether a file name is that of control totals."""
    lowered = name.lower()
    return lowered.endswith(".csv") and _stem(lowered, ".csv") in CONTROL_STEMS


def _stem(lowered: str, suffix: str) -> str:
    return re.sub(r"_[0-9]+$", "", lowered.removesuffix(suffix).removeprefix("raw_"))


def _classify(found: dict[str, Path]) -> Delivery:
    """Known files in the order of the source tables, so that reports read the same whatever the archive's order."""
    known, unknown, controls = [], {}, {}
    for name, path in sorted(found.items()):
        match = source_of(name)
        if match is not None:
            known.append(DeliveredFile(name, path, *match))
        elif is_control(name):
            controls[name] = path
        else:
            unknown[name] = path
    order = {source.name: position for position, source in enumerate(SOURCES)}
    return Delivery(tuple(sorted(known, key=lambda file: (order[file.source.name], file.name))), unknown, controls)


def _only_zip(found: dict[str, Path]) -> Path | None:
    """The zip in a folder that holds no known file itself."""
    zips = [path for name, path in found.items() if name.lower().endswith(".zip")]
    return zips[0] if len(zips) == 1 and not any(source_of(name) for name in found) else None


def _regular_files(folder: Path) -> dict[str, Path]:
    """Files by their name relative to the folder, or to the single folder in it."""
    paths = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise DeliveryError(f"{path.relative_to(folder)}: is a symbolic link; deliver the file itself")
        if not _is_noise(path.relative_to(folder).parts) and path.is_file():
            paths.append(path)
    root = _only_folder(folder, paths)
    return {path.relative_to(root).as_posix(): path for path in paths}


def _only_folder(folder: Path, paths: list[Path]) -> Path:
    """Descend while everything lies in one sub-folder."""
    while paths and all(path.parent != folder for path in paths):
        inner = {path.relative_to(folder).parts[0] for path in paths}
        if len(inner) > 1:
            return folder
        folder = folder / inner.pop()
    return folder


def _is_noise(parts: Sequence[str]) -> bool:
    """Whether the file is no part of the delivery: hidden, unfinished, of macOS, or a second file that landing keeps."""
    return parts[-1].lower().endswith(UNFINISHED) or any(part.startswith((".", AGAIN)) or part == "__MACOSX" for part in parts)


def _unpack(path: Path, unpack_to: Path) -> Path:
    """Extract a zip after checking every member's name, kind and size."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check_members(path.name, members)
            for member in members:
                _extract(archive, member, unpack_to)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise DeliveryError(f"{path.name}: the zip cannot be read ({error}); deliver it again") from error
    return unpack_to


def _check_members(archive: str, members: list[zipfile.ZipInfo]) -> None:
    names: set[str] = set()
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
            raise DeliveryError(f"{archive}: the name {member.filename!r} leads out of the delivery; deliver plain file names")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DeliveryError(f"{archive}: {member.filename} is a symbolic link; deliver the file itself")
        if member.flag_bits & 0x1:
            raise DeliveryError(f"{archive}: {member.filename} is encrypted; deliver it without a password")
        if str(name) in names:
            raise DeliveryError(f"{archive}: {member.filename} is in it twice; deliver it once")
        names.add(str(name))
    _check_size(archive, members)


def _check_size(archive: str, members: list[zipfile.ZipInfo]) -> None:
    unpacked, packed = sum(member.file_size for member in members), sum(member.compress_size for member in members)
    if len(members) > MAX_MEMBERS or unpacked > MAX_UNPACKED_BYTES:
        raise DeliveryError(
            f"{archive}: {len(members)} files of {unpacked} bytes unpacked; at most {MAX_MEMBERS} files and {MAX_UNPACKED_BYTES} bytes"
        )
    if unpacked > RATIO_MATTERS_FROM and unpacked > MAX_RATIO * packed:
        raise DeliveryError(f"{archive}: unpacks to more than {MAX_RATIO} times its size; deliver it in smaller parts")


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, unpack_to: Path) -> None:
    """Write one member; zipfile stops at the declared size and checks the CRC, so a lying header cannot write more."""
    if _is_noise(PurePosixPath(member.filename).parts):
        return
    target = unpack_to / member.filename.replace("\\", "/")
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as packed, target.open("xb") as unpacked:
        shutil.copyfileobj(packed, unpacked, 1024 * 1024)

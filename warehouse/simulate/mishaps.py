"""What happens to delivered files after they were written: they come twice, in another form or damaged.

A damaged file comes again, with all the others of its day, as a second arrival of the same business date. The ledger then names the rows
where they can be read; the damage has a line of its own, with line 0 where it is about the file as a whole.
"""

import csv
import shutil
import unicodedata
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from warehouse.simulate.catalog import KEYS, LATE_PARENT
from warehouse.simulate.draws import Draws
from warehouse.simulate.profiles import FileRates

BOM = b"\xef\xbb\xbf"
KIND, REPEATED, DAMAGED = range(3)  # lanes of a file's draws
KEPT_BYTES = 0.6  # of a truncated Parquet file
TONES = "\u0300\u0301\u0303\u0309\u0323"  # Windows writes them after their vowel

Entry = dict[str, str | int]  # a line of the ledger


class Mishaps:
    """Applies the mishaps of one simulation to its finished folders.

    Attributes:
        entries: the ledger, changed as files change.
        notes: what is special about a folder.
        again: folders that come as the second arrival of a business date, by the first one's name.
    """

    def __init__(self, folder: Path, rates: FileRates, seed: int, entries: list[Entry]) -> None:
        self._folder, self._rates = folder, rates
        self._draws = Draws(seed, "file")
        self.entries = entries
        self.notes: dict[str, list[str]] = {}
        self.again: dict[str, str] = {}

    def happen(self, business_dates: tuple[date, ...]) -> None:
        """Let happen what the rates say; the opening delivery is always in order."""
        names = [day.isoformat() for day in business_dates]
        later = [(name, path) for name in names[1:] for path in sorted((self._folder / name).glob("*"))]
        for name, path in later:
            self._change_form(name, path)
        follower = dict(pairwise(names))
        for name, path in later:
            if name in follower and self._draw(path, REPEATED) < self._rates.repeated:
                self._repeat(name, path, follower[name])
        for name, path in later:
            self._damage(name, path)

    def _draw(self, path: Path, lane: int) -> float:
        day = np.datetime64(path.parent.name, "D").astype(np.int64)
        table = list(KEYS).index(path.stem) if path.stem in KEYS else len(KEYS)
        return float(self._draws.uniform(np.array([day * 16 + table]), lane=lane)[0])

    def _note(self, name: str, text: str) -> None:
        self.notes.setdefault(name, []).append(text)

    def _add(self, path: Path, line: int, disposition: str, defect: str) -> None:
        self.entries.append(
            {
                "business_date": path.parent.name,
                "folder": path.parent.name,
                "file": path.name,
                "line": line,
                "table": path.stem,
                "key": "",
                "defect_id": defect,
                "column": "",
                "original_value": "",
                "expected_rule": "",
                "expected_disposition": disposition,
            }
        )

    def _change_form(self, name: str, path: Path) -> None:
        """A byte order mark, or other line ends: the file is accepted as it is."""
        draw, rates = self._draw(path, KIND), self._rates
        if path.suffix != ".csv" or draw >= rates.byte_order_mark + rates.carriage_return:
            return
        content = path.read_bytes()
        has_mark = draw < rates.byte_order_mark
        path.write_bytes(BOM + content if has_mark else content.replace(b"\n", b"\r\n"))
        self._note(name, f"{path.name} {'begins with a byte order mark' if has_mark else 'has Windows line ends'}")
        self._add(path, 1, "accepted", "D14")

    def _repeat(self, name: str, path: Path, follower: str) -> None:
        """The same bytes with the next delivery, unless that has news of one of the rows."""
        original = self._folder / follower / path.name
        if not original.parent.exists() or (original.exists() and _keys(path) & _keys(original)):
            return
        copy = original.with_stem(f"{path.stem}_2")
        shutil.copyfile(path, copy)
        self._note(follower, f"{copy.name} is {path.name} of {name} again")
        of_rows = [entry for entry in self.entries if (entry["folder"], entry["file"]) == (name, path.name) and entry["key"]]
        for entry in of_rows:  # what was accepted, or waited for a parent, has come by now; what was refused is refused again
            is_refused = entry["expected_disposition"] in ("quarantined", "parked") and entry["defect_id"] != LATE_PARENT.id
            judged: Entry = {} if is_refused else {"expected_rule": "duplicate", "expected_disposition": "duplicate"}
            self.entries.append(entry | {"business_date": follower, "folder": follower, "file": copy.name} | judged)

    def _damage(self, name: str, path: Path) -> None:
        """A file that ends in the middle, or in another encoding; it comes again in a second folder."""
        draw, rates = self._draw(path, DAMAGED), self._rates
        if draw < rates.truncated:
            damage = _truncated_csv(path) if path.suffix == ".csv" else _truncated_parquet(path)
        elif draw < rates.truncated + rates.other_encoding and path.name == "clients.csv":
            damage = _other_encoding(path)
        else:
            return
        if damage is None:
            return
        again = self.again.setdefault(name, f"{name}_2")
        if not (self._folder / again).exists():
            shutil.copytree(self._folder / name, self._folder / again)
        path.write_bytes(damage.content)
        self._note(name, f"{path.name} {damage.what}")
        self._note(again, f"all of {name} again, with {path.name} in order")
        for entry in self.entries:
            if (entry["folder"], entry["file"]) == (name, path.name):
                entry["folder"] = again
        self._add(path, damage.line, "rejected", damage.defect)


class Damage(NamedTuple):
    """A damaged file: its bytes, what is to say of it, its defect, and the line that shows it."""

    content: bytes
    what: str
    defect: str
    line: int = 0


def _keys(path: Path) -> set[tuple[str | None, ...]]:
    """Keys of a file's rows; of status events the whole row."""
    names = None if path.stem == "contract_status_history" else [KEYS[path.stem]] if path.stem in KEYS else None
    if path.suffix == ".parquet":
        return {tuple(row.values()) for row in pq.read_table(path, columns=names).to_pylist()}
    with path.open(encoding="utf-8-sig", newline="") as text:
        return {tuple(row[name] for name in names or row) for row in csv.DictReader(text)}


def _truncated_parquet(path: Path) -> Damage:
    content = path.read_bytes()
    return Damage(content[: int(len(content) * KEPT_BYTES)], "has no end", "D15")


def _truncated_csv(path: Path) -> Damage | None:
    """The file cut within a quoted value after its middle; None if there is none, as then nothing shows that more should follow."""
    lines = path.read_bytes().splitlines(keepends=True)
    for number in range(1 + (len(lines) - 1) // 2, len(lines)):
        line = lines[number]
        inside = [end for end in range(len(line) // 2, len(line)) if line[:end].count(b'"') % 2]
        if inside:
            return Damage(b"".join(lines[:number]) + line[: inside[0]], "ends within a value", "D15", number + 1)
    return None


def _other_encoding(path: Path) -> Damage | None:
    """The file in Windows-1258; None if that makes no difference."""
    text = unicodedata.normalize("NFC", path.read_bytes().decode().removeprefix("\ufeff"))
    content = "".join(_tone_apart(letter) for letter in text).encode("cp1258")
    try:
        content.decode()
    except UnicodeDecodeError:
        return Damage(content, "is in Windows-1258", "D14")
    return None


def _tone_apart(letter: str) -> str:
    """A letter as Windows writes it: the vowel with its shape, then its tone."""
    apart = unicodedata.normalize("NFD", letter)
    tone = "".join(mark for mark in apart if mark in TONES)
    return unicodedata.normalize("NFC", "".join(mark for mark in apart if mark not in TONES)) + tone

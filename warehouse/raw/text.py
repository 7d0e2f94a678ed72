"""Delivered bytes as lines of text: compression, encoding and size, with the place of the first fault.

Files are UTF-8 (a byte order mark is dropped; UTF-16 only with one). Bytes of another encoding reject the file: replacing them would
store names that nobody delivered.
"""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from warehouse.raw.delivery import MAX_UNPACKED_BYTES
from warehouse.raw.header import FileRejected

MAX_LINE = 4 * 1024**2  # characters; a longer line is no row of a table


class Lines:
    """Iterator over the lines of a file, with their ends kept.

    Attributes:
        number: lines read so far.
        has_nul: whether one of the lines read since it was last set to False holds a NUL character.
    """

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._size = 0
        self.number = 0
        self.has_nul = False

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        self._size += len(line)
        if len(line) == MAX_LINE or self._size > MAX_UNPACKED_BYTES:
            raise FileRejected(f"line {self.number}: longer than {MAX_LINE} characters, or the file than {MAX_UNPACKED_BYTES} bytes")
        if "\0" in line:
            self.has_nul = True
        return line


@contextmanager
def open_lines(path: Path) -> Iterator[Lines]:
    """Open a text file, compressed if its name ends in .gz.

    Raises:
        FileRejected: inside the block, where the bytes are cut, damaged or not UTF-8; the message names the line.
    """
    lines: Lines | None = None
    try:
        with _open_bytes(path) as binary, io.TextIOWrapper(binary, _encoding(path), errors="strict", newline="") as text:
            lines = Lines(text)
            yield lines
    except UnicodeDecodeError as error:
        line = _undecodable_line(path)
        raise FileRejected(
            f"line {line}: byte {error.object[error.start]:#04x} is not {error.encoding}; deliver the file as UTF-8"
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        after = lines.number if lines else 0
        raise FileRejected(f"cut or damaged after line {after} ({error}); deliver the whole file again") from error


def _open_bytes(path: Path) -> BinaryIO:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def _encoding(path: Path) -> str:
    with _open_bytes(path) as binary:
        start = binary.read(2)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _undecodable_line(path: Path) -> int:
    """The decoder works in blocks, so the line is found by decoding again, line by line."""
    with _open_bytes(path) as binary:
        for number, line in enumerate(binary, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 0

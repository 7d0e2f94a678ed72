"""Delivered bytes as blocks of whole lines in UTF-8: compression, encoding and size, with the place of the first fault.

Files are in the declared encoding, UTF-8 if none is (a byte order mark is dropped and goes before the declaration). Bytes of another
encoding reject the file: replacing them would store names that nobody delivered.
"""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from warehouse.raw.delivery import MAX_RATIO, MAX_UNPACKED_BYTES, RATIO_MATTERS_FROM
from warehouse.raw.header import FileRejected

MAX_LINE = 4 * 1024**2  # characters; a longer line is no row of a table
BLOCK_BYTES = 4 * 1024**2  # read at once; larger blocks fall out of the processor's cache and take longer
BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
UTF8 = ("utf-8", "utf-8-sig")


@dataclass(frozen=True)
class Block:
    """Consecutive lines of a file.

    Attributes:
        data: UTF-8; whole lines, save the last line of a file that has no end.
        line: number of the first line.
        is_last: whether the file ends here.
    """

    data: bytes
    line: int
    is_last: bool

    @property
    def is_open(self) -> bool:
        """Whether the file ends in a line without an end."""
        return self.is_last and bool(self.data) and not self.data.endswith((b"\n", b"\r"))


class Text:
    """A text file that is read block by block; use `open_text`."""

    def __init__(self, path: Path, chunks: Iterator[bytes], encoding: str) -> None:
        self._path, self._chunks, self._encoding = path, chunks, encoding
        self._tail = b""  # of the last chunk, a line begun
        self._fault: Exception | None = None
        self._left = -1
        self._is_done = False

    def blocks(self) -> Iterator[Block]:
        """All blocks, for readers that take each one whole."""
        line = 1
        while block := self.more(b"", line):
            yield block
            line += line_ends(block.data)

    def more(self, rest: bytes, line: int) -> Block | None:
        """The next block; None after the last.

        Args:
            rest: what the caller left of the block before; the next one begins with it.
            line: number of the line on which that begins.

        Raises:
            FileRejected: the bytes are cut, damaged, too many or of another encoding, or a line is too long; the message names the line.
        """
        data = rest if self._is_done or self._fault else rest + self._lines(line)
        if self._fault:  # whole lines before it count as read, as long as the caller reads them
            if len(data) in (0, self._left):
                raise self._broken(line) from self._fault
            self._left = len(data)
        if not data.isascii():
            self._check(data, line)
        return Block(data, line, self._is_done) if data else None

    def _lines(self, line: int) -> bytes:
        """Bytes up to the last line end that was read; up to the end of the file if it is near."""
        parts = [self._tail]
        while True:
            try:
                chunk = next(self._chunks, None)
            except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
                self._fault = fault
                read = b"".join(parts)
                return read[: _last_end(read)]  # the line that was cut is lost, those before it count as read
            except UnicodeDecodeError as fault:
                raise self._foreign(fault) from fault
            if chunk is None:
                self._is_done, self._tail = True, b""
                return b"".join(parts)
            parts.append(chunk)
            if end := _last_end(chunk):
                parts[-1], self._tail = chunk[:end], chunk[end:]
                return b"".join(parts)
            if sum(map(len, parts)) > 4 * MAX_LINE:  # a character has at most four bytes
                raise FileRejected(f"line {line}: longer than {MAX_LINE} characters; no row of a table is, deliver the file again")

    def _check(self, data: bytes, line: int) -> None:
        try:
            data.decode()
        except UnicodeDecodeError as fault:
            raise _not_decodable(line + line_ends(data[: fault.start]), fault, self._encoding) from fault

    def _foreign(self, fault: UnicodeDecodeError) -> FileRejected:
        return _not_decodable(_undecodable_line(self._path, self._encoding), fault, self._encoding)

    def _broken(self, line: int) -> FileRejected:
        return FileRejected(f"cut or damaged after line {line - 1} ({self._fault}); deliver the whole file again")


@contextmanager
def open_text(path: Path, encoding: str = "utf-8") -> Iterator[Text]:
    """Open a text file, compressed if its name ends in .gz.

    Args:
        path: of the file.
        encoding: declared for files without a byte order mark.
    """
    with _open_bytes(path) as binary:
        chunks = _bounded(binary, path.stat().st_size)
        try:
            start = b""
            while len(start) < len(codecs.BOM_UTF8) and (chunk := next(chunks, b"")):
                start += chunk
        except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
            raise FileRejected(f"cut or damaged after line 0 ({fault}); deliver the whole file again") from fault
        mark = next((mark for mark in BOMS if start.startswith(mark)), b"")
        found = BOMS.get(mark, codecs.lookup(encoding).name)
        yield Text(path, _in_utf8(start.removeprefix(mark) if found in UTF8 else start, chunks, found), found)


def line_ends(data: bytes) -> int:
    r"""Line ends of whole lines: \n, \r\n or \r."""
    count = data.count(b"\n")
    return count + data.count(b"\r") - data.count(b"\r\n") if b"\r" in data else count


def _last_end(chunk: bytes) -> int:
    r"""Bytes up to the last line end; an \r that ends the chunk may be half of one."""
    return chunk.rfind(b"\n") + 1 or chunk.rfind(b"\r", 0, max(len(chunk) - 1, 0)) + 1


def _open_bytes(path: Path) -> BinaryIO:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def _bounded(binary: BinaryIO, packed: int) -> Iterator[bytes]:
    """Chunks of a file that does not unpack to what was made to fill a disk."""
    total = 0
    while chunk := binary.read1(BLOCK_BYTES):  # type: ignore[attr-defined]
        total += len(chunk)
        if total > MAX_UNPACKED_BYTES:
            raise FileRejected(f"longer than {MAX_UNPACKED_BYTES} bytes; deliver it in parts, such as name_1.csv and name_2.csv")
        if total > RATIO_MATTERS_FROM and total > MAX_RATIO * packed:
            raise FileRejected(f"unpacks to more than {MAX_RATIO} times its size; deliver it in smaller parts")
        yield chunk


def _in_utf8(start: bytes, chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    if encoding in UTF8:  # checked block by block, where the place of a fault is known
        if start:
            yield start
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    for chunk in chain([start], chunks):
        yield decoder.decode(chunk).encode()
    yield decoder.decode(b"", final=True).encode()


def _not_decodable(line: int, fault: UnicodeDecodeError, encoding: str) -> FileRejected:
    name = fault.encoding if encoding in UTF8 else encoding
    return FileRejected(
        f"line {line}: byte {fault.object[fault.start]:#04x} is not {name}; deliver the file as UTF-8"
        " or declare its encoding in the file of dialects"
    )


def _undecodable_line(path: Path, encoding: str) -> int:
    """The decoder works in chunks, so the line is found by decoding again."""
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    with _open_bytes(path) as binary:
        while chunk := binary.read(1024):
            try:
                line += decoder.decode(chunk).count("\n")
            except UnicodeDecodeError as fault:
                return line + fault.object[: fault.start].count(b"\n")
    return line

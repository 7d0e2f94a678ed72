"""Errors of the machine as sentences: a full disk, a folder that cannot be written, a damaged file, too little memory.

Libraries wrap these in errors of their own, so the whole chain of causes is looked through. Classes are told by their module's name,
because importing an engine only to ask for its error class would slow every start of the command.
"""

import errno
import re
from collections.abc import Iterator

FULL = (errno.ENOSPC, errno.EDQUOT)
NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)
ENGINES = ("duckdb", "_duckdb", "sqlite3", "sqlalchemy", "pyarrow")
AGAIN = "nothing was published; run the command again afterwards"
SENTENCES = (  # what engines say, in any case, and what to do
    (
        r"no space left|disk is full|disk quota|max_temp_directory_size",
        f"the disk is full: free some space below LENDING_HOME, or move it; {AGAIN}",
    ),
    (
        r"read-?only file ?system|readonly database|permission denied|unable to open database file",
        f"LENDING_HOME cannot be written: make the folder and its files writable for this user; {AGAIN}",
    ),
    (
        r"out of memory|could not allocate|memory limit",
        f"the engine ran out of memory: raise LENDING_MEMORY_LIMIT, or give spilling room on the disk; {AGAIN}",
    ),
    (
        r"magic bytes|too small to be a parquet|footer|corrupt|snappy|invalid parquet|thrift|malformed|not a database|deserialize",
        "a data file is damaged: restore it from a backup, or publish an older release again with lending rollback --to RELEASE_ID",
    ),
    (
        r"database is locked",
        "another process holds the database of LENDING_HOME: wait until it ends, then run the command again",
    ),
    (r"file too large", f"a file may not grow further: raise the limit of file sizes (ulimit -f) or of the file system; {AGAIN}"),
    (r"disk i/o error|input/output error", f"the disk below LENDING_HOME is full or reports errors: look at both; {AGAIN}"),
)


def of_the_machine(error: BaseException) -> str | None:
    """A sentence for an error that the machine is the reason of; None for any other."""
    for cause in _chain(error):
        if isinstance(cause, OSError) and (sentence := _of_files(cause)):
            return sentence
        if isinstance(cause, MemoryError):
            return f"the process ran out of memory: lower LENDING_MEMORY_LIMIT or LENDING_THREADS, or give the machine more; {AGAIN}"
        if type(cause).__module__.partition(".")[0] in ENGINES and (sentence := _of_engines(str(cause))):
            return sentence
    return None


def of_a_recorded_error(text: str) -> str | None:
    """The same for an error of which only `module.Class: message` is left, as in the log of a run."""
    name, _, message = text.partition(": ")
    return _of_engines(message) if name.partition(".")[0] in ENGINES or name.endswith("OSError") else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, each once."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        cause = todo.pop(0)
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        todo += [getattr(cause, "orig", None), cause.__cause__, cause.__context__]


def _of_files(error: OSError) -> str | None:
    place = f"{error.filename}: " if error.filename else ""
    if error.errno in FULL:
        return f"{place}the disk is full: free some space, or move LENDING_HOME; {AGAIN}"
    if error.errno == errno.EFBIG:
        return f"{place}the file may not grow further: raise the limit of file sizes (ulimit -f) or of the file system; {AGAIN}"
    if error.errno in NOT_WRITABLE:
        return f"{place}{error.strerror}: make it readable and writable for this user; {AGAIN}"
    return _of_engines(str(error)) if error.errno is None else None  # Arrow raises OSError with nothing but a text


def _of_engines(text: str) -> str | None:
    sentence = next((sentence for pattern, sentence in SENTENCES if re.search(pattern, text, re.IGNORECASE)), None)
    path = re.search(r"(?:^|[\s\"'`])(?:file://)?(/[^/\s\"'`][^\s\"'`]*/[^\s\"'`:]+)", text)
    return f"{path[1]}: {sentence}" if sentence and path else sentence

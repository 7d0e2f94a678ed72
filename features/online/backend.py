"""What keeps packed rows online, behind one small interface: a SQLite file (sqlite_file.py) or a Redis server (redis_server.py).

A backend belongs to one project. It holds the rows of each view, the schemas in which they were written, the services, and the generations
that were published. Everything that `read` gives back is of one moment, so its rows and the generation it names belong together.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from features.online.packed import PackedSchema

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

EQUAL, UNEQUAL = "equal", "unequal"
Pair = tuple[bytes, bytes]  # a serialized key, and what belongs to it


class OnlineStoreError(RuntimeError):
    """The online store cannot do what was asked of it."""


class OnlineStoreMissing(OnlineStoreError):
    """Nothing was written yet, or all of it was removed."""


class OnlineStoreUnavailable(OnlineStoreError):
    """The online store is down, slow, full, or holds something else under our names."""


@dataclass(frozen=True)
class View:
    """One feature view as it is kept.

    Attributes:
        project: Feast project.
        name: feature view.
        join_keys: (name, type) of its join keys.
        schema: the layout in which rows are written now; rows of older layouts carry their own fingerprint.
    """

    project: str
    name: str
    join_keys: tuple[tuple[str, str], ...]
    schema: PackedSchema


@dataclass(frozen=True)
class OnlineGeneration:
    """What one publish wrote: the online store equals the named release for these views, as of one instant.

    Attributes:
        release_id: the release that the rows were taken from.
        business_date: its business date, by which the age of features is judged.
        as_of: event timestamp of the published snapshot, UTC.
        views: names of the published feature views.
        published_at: when it was committed, UTC.
        rows_written: rows that were new or had another value.
        rows_deleted: rows of keys that the release does not hold.
        row_count: rows in all, over the views.
        parity: what the comparison with the release found: EQUAL, UNEQUAL, or nothing while it was not made.
    """

    release_id: int
    business_date: date
    as_of: datetime
    views: tuple[str, ...]
    published_at: datetime
    rows_written: int
    rows_deleted: int
    row_count: int
    parity: str = ""


class Publication(Protocol):
    """One publish under way. Readers see nothing of it before `commit`; leaving it without a commit leaves no trace."""

    served: OnlineGeneration | None  # the generation that it replaces

    def replace_changed(self, view: View, keys: Sequence[bytes], rows: Sequence[bytes]) -> int:
        """Write rows whose features or schema differ from the held ones, or that are held as of a later time; how many these are."""
        ...

    def keep_only(self, view: View, count: int, keys: Callable[[], Iterable[Sequence[bytes]]]) -> int:
        """Remove the rows of all other keys, after all `count` rows of the view were given to `replace_changed`; how many these are."""
        ...

    def commit(self, made: OnlineGeneration | None, services: Mapping[str, Sequence[str]]) -> None:
        """Make the rows visible together with the generation and the services; None if no row changed and the served one stays."""
        ...


class OnlineBackend(Protocol):
    """Where the packed rows of one project are."""

    project: str

    @property
    def where(self) -> str:
        """The place, for messages; without a password."""
        ...

    def views(self) -> list[View]:
        """The views with their current schemas."""
        ...

    def schemas(self, view: str) -> dict[bytes, PackedSchema]:
        """All schemas that rows of a view may have, by fingerprint; empty if the view was never declared."""
        ...

    def service(self, name: str) -> tuple[str, ...] | None:
        """The features of a service as `view:feature`, in its order; None if it was never published."""
        ...

    def generation(self) -> OnlineGeneration | None:
        """The generation that readers see now; None before the first publish."""
        ...

    def read(self, asked: Sequence[tuple[str, Sequence[bytes]]]) -> tuple[OnlineGeneration | None, list[list[bytes | None]]]:
        """Packed rows by view and keys, None for a key without a row, and the generation that they belong to."""
        ...

    def keys_with_times(self, view: str) -> Iterator[Pair]:
        """Each key of a view once, with the bytes of its event and created time."""
        ...

    def declare(self, views: Sequence[View]) -> None:
        """Remember the schemas of views, which makes them the current ones; rows stay."""
        ...

    def drop(self, views: Sequence[str]) -> None:
        """Remove views with their rows."""
        ...

    def forget(self) -> None:
        """Remove what was published of the project; its views are removed by `drop`."""
        ...

    def write(self, view: View, keys: Sequence[bytes], pack: "Pack", partial: Sequence[bytes]) -> None:
        """Write rows unless a newer one is held, by event time and then created time; at equal times the later write wins.

        Args:
            view: where to; declared if it is not yet.
            keys: of the rows, each once.
            pack: makes the rows in the order of the keys, None for a row to leave out, from the served generation, the rows held of the
                keys in `partial`, and the known schemas. It may be called again if something else wrote meanwhile.
            partial: the keys whose held rows `pack` needs.
        """
        ...

    def publishing(self, views: Sequence[View]) -> AbstractContextManager[Publication]:
        """Begin a publish; others that write wait meanwhile, readers do not."""
        ...

    def judge(self, served: OnlineGeneration, parity: str) -> None:
        """Record EQUAL or UNEQUAL with the generation that was compared; nothing happens if another one is served by now."""
        ...

    def close(self) -> None:
        """Close what this thread has open."""
        ...


Pack = Callable[[OnlineGeneration | None, Mapping[bytes, bytes], Mapping[bytes, PackedSchema]], list[bytes | None]]


def differs(row: bytes, held: bytes | None) -> bool:
    """Whether a publish has to write a row: another schema, other features, or held as of a later time, as after a rollback."""
    return held is None or row[:8] != held[:8] or row[24:] != held[24:] or row[8:24] < held[8:24]


def generation_row(made: OnlineGeneration) -> dict[str, Any]:
    """A generation in plain values."""
    return {
        "release_id": made.release_id,
        "business_date": made.business_date.isoformat(),
        "as_of": microseconds(made.as_of),
        "views": list(made.views),
        "published_at": microseconds(made.published_at),
        "rows_written": made.rows_written,
        "rows_deleted": made.rows_deleted,
        "row_count": made.row_count,
        "parity": made.parity,
    }


def generation_of(row: Mapping[str, Any]) -> OnlineGeneration:
    """The generation of plain values."""
    return OnlineGeneration(
        release_id=row["release_id"],
        business_date=date.fromisoformat(row["business_date"]),
        as_of=instant(row["as_of"]),
        views=tuple(row["views"]),
        published_at=instant(row["published_at"]),
        rows_written=row["rows_written"],
        rows_deleted=row["rows_deleted"],
        row_count=row["row_count"],
        parity=row.get("parity", ""),
    )


def microseconds(at: datetime) -> int:
    """A UTC instant as whole microseconds since 1970; one without a zone is UTC."""
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def instant(at: int) -> datetime:
    """Microseconds since 1970 as an instant in UTC."""
    return _EPOCH + timedelta(microseconds=at)

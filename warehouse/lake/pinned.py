"""A release as its readers see it."""

from datetime import date

import ibis.expr.types as ir

from warehouse.lake.errors import UnknownTable
from warehouse.lake.reader import Reader
from warehouse.lake.release_log import Release


class Pinned:
    """A release as a reader sees it: every table of one release, whatever is published meanwhile."""

    def __init__(self, reader: Reader, release: Release) -> None:
        self._reader = reader
        self.release = release

    def tables(self) -> list[str]:
        """Names of the tables, sorted."""
        return sorted(self.release.tables)

    def table(self, name: str, since: date | None = None) -> ir.Table:
        """One table of the release.

        Args:
            name: layer.table.
            since: leave out date partitions before this date; their files are not opened.

        Raises:
            UnknownTable: the release does not hold it; the message names near matches.
            LakeError: since is given and the table has no date partition.
        """
        return self._reader.table(name, self._snapshot(name), since)

    def files(self, name: str) -> list[str]:
        """Paths of the table's Parquet files; an empty list for an empty table.

        Raises:
            UnknownTable: the release does not hold it.
            DamagedFile: a file is not as it was written.
        """
        paths = self._reader.files(name, self._snapshot(name))
        self._reader.check(name, paths)
        return paths

    def plain_files(self, name: str) -> list[str]:
        """Paths of the table's Parquet files where each has the columns of the table under their names; none where one has others.

        Raises:
            UnknownTable: the release does not hold it.
            DamagedFile: a file is not as it was written.
        """
        return self._reader.plain_files(name, self._snapshot(name))

    def recipe(self, name: str) -> str | None:
        """By which recipe all rows of a table were computed, from whatever staging tables; None if that was not said.

        Raises:
            UnknownTable: the release does not hold it.
        """
        made, _ = self._reader.recipe(name, self._snapshot(name))
        return made or None

    def _snapshot(self, name: str) -> int:
        if name not in self.release.tables:
            raise UnknownTable(name, self.release.tables)
        return self.release.tables[name]

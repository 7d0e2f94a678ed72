"""One publish into the SQLite file, inside its write transaction."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence

from features.online.backend import EQUAL, UNEQUAL, OnlineGeneration, View, generation_row

COLUMNS = ("release_id", "business_date", "as_of", "views", "published_at", "rows_written", "rows_deleted", "row_count", "is_complete")
# What is_complete says: that the generation is, as every recorded one, and what the parity gate found. A file of before the gate has 1.
PARITY = {"": 1, EQUAL: 2, UNEQUAL: 3}


class FilePublication:
    """One publish under way; see Publication."""

    def __init__(self, project: str, table: Callable[[str], str], con: sqlite3.Connection, served: OnlineGeneration | None) -> None:
        """Take the transaction.

        Args:
            project: Feast project.
            table: the table of a view's rows, quoted.
            con: in the transaction.
            served: the generation that is replaced.
        """
        self.served = served
        self.is_committed = False
        self._project, self._table, self._con = project, table, con

    def replace_changed(self, view: View, keys: Sequence[bytes], rows: Sequence[bytes]) -> int:
        """See Publication; what is written is what backend.differs says."""
        before = self._con.total_changes
        self._con.executemany(
            f"INSERT INTO {self._table(view.name)} VALUES (?, ?) ON CONFLICT (entity_key) DO UPDATE SET value = excluded.value "
            "WHERE substr(excluded.value, 1, 8) <> substr(value, 1, 8) OR substr(excluded.value, 25) <> substr(value, 25) "
            "OR substr(excluded.value, 9, 16) < substr(value, 9, 16)",
            zip(keys, rows, strict=True),
        )
        return self._con.total_changes - before

    def keep_only(self, view: View, count: int, keys: Callable[[], Iterable[Sequence[bytes]]]) -> int:
        """See Publication. All keys to keep are in the table by now, so equal counts mean that there is nothing to look for."""
        con, table = self._con, self._table(view.name)
        if con.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == count:
            return 0
        con.execute("CREATE TEMP TABLE IF NOT EXISTS kept (entity_key BLOB PRIMARY KEY) WITHOUT ROWID")
        con.execute("DELETE FROM temp.kept")
        for part in keys():
            con.executemany("INSERT INTO temp.kept VALUES (?)", ((key,) for key in part))
        removed = con.execute(f"DELETE FROM {table} WHERE entity_key NOT IN (SELECT entity_key FROM temp.kept)").rowcount
        con.execute("DELETE FROM temp.kept")
        return removed

    def commit(self, made: OnlineGeneration | None, services: Mapping[str, Sequence[str]]) -> None:
        """See Publication; the transaction ends when the publish is left."""
        for name, features in services.items():
            self._con.execute("INSERT OR REPLACE INTO packed_service VALUES (?, ?, ?)", (self._project, name, json.dumps(list(features))))
        if made:
            row = generation_row(made)
            row |= {"views": json.dumps(row["views"]), "is_complete": PARITY[made.parity]}
            self._con.execute(
                f"INSERT INTO packed_generation (project, {', '.join(COLUMNS)}) VALUES (?{', ?' * len(COLUMNS)})",
                (self._project, *(row[name] for name in COLUMNS)),
            )
        self.is_committed = True

"""Keeps a simulator's state in a file, so that a process that is killed and started again has lost nothing.

Each assignment to a table is in the file before it returns. That outlives the process, not the machine: nothing is
flushed to the disk, which would cost milliseconds a write.
"""

import pickle
import sqlite3
import threading
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar("Value")


class KeptFile:
    """One file of tables; safe for threads. Without a path the tables live in memory alone."""

    def __init__(self, path: Path | None) -> None:
        """path: of the file, which is created with its folder when missing."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        # one connection for all threads, autocommit; the lock makes each use of it alone
        self._file = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self._lock = threading.Lock()
        self._file.execute("PRAGMA journal_mode=WAL")
        self._file.execute("PRAGMA synchronous=OFF")
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS kept (number INTEGER PRIMARY KEY, area TEXT, key TEXT, value BLOB, "
            "UNIQUE (area, key))"
        )

    def table(self, area: str) -> "KeptTable[Any]":
        """Returns the table of that name with what it held before."""
        return KeptTable(self, area)

    def read(self, area: str) -> dict[str, Any]:
        """Returns a table's content in the order in which its keys came."""
        with self._lock:
            rows = self._file.execute("SELECT key, value FROM kept WHERE area = ? ORDER BY number", (area,)).fetchall()
        return {key: pickle.loads(value) for key, value in rows}  # noqa: S301  the file is this program's own

    def write(self, area: str, key: str, value: Any) -> None:
        """Stores one value; a key that is there keeps its place."""
        blob = pickle.dumps(value)
        with self._lock:
            self._file.execute(
                "INSERT INTO kept (area, key, value) VALUES (?, ?, ?) "
                "ON CONFLICT (area, key) DO UPDATE SET value = excluded.value",
                (area, key, blob),
            )

    def remove(self, area: str, key: str) -> None:
        """Removes one value."""
        with self._lock:
            self._file.execute("DELETE FROM kept WHERE area = ? AND key = ?", (area, key))


class KeptTable(MutableMapping[str, Value]):
    """A dict whose every change is in the file when the assignment returns. A value that is changed in place is not:
    assign it again."""

    def __init__(self, file: KeptFile, area: str) -> None:
        self._file = file
        self._area = area
        self._values: dict[str, Value] = file.read(area)

    def __getitem__(self, key: str) -> Value:
        return self._values[key]

    def __setitem__(self, key: str, value: Value) -> None:
        self._file.write(self._area, key, value)
        self._values[key] = value

    def __delitem__(self, key: str) -> None:
        del self._values[key]
        self._file.remove(self._area, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

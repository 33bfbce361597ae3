"""The SQLite file that the three store adapters share: its set-up and its transactions."""

import sqlite3
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from avatar_jobs.adapters.sqlite_store.schema import SCHEMA
from avatar_jobs.domain.errors import StorageUnavailableError
from avatar_jobs.domain.retry_policy import conflict_delay

BUSY_SEC = 4.5  # how long a writer waits for another writer's lock; the ports allow 5 s
SWITCH_TRIES = 20  # about 5 s with the pauses of conflict_delay


def to_text(moment: datetime | None) -> str | None:
    """Returns a time as UTC text of fixed width, so that the order of texts is the order of times."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds") if moment else None


def from_text(text: str | None) -> datetime | None:
    """Returns the time that to_text wrote, None for any other text."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def _decoded(stored: bytes) -> str:
    """Returns stored bytes as text; damaged ones too, because one of them would end the reading of all rows."""
    return stored.decode("utf-8", "replace")


class SqliteFile:
    """An SQLite file, which several processes may share.

    pause: sleeps for some seconds; jitter: returns 0.0 to 1.0.
    """

    def __init__(self, path: Path, *, pause: Callable[[float], None], jitter: Callable[[], float]) -> None:
        self._path = path
        self._pause = pause
        self._jitter = jitter
        self._prepared = False

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """Opens a connection for one transaction.

        write: True takes the file's write lock before the first statement. Raises StorageUnavailableError for every
        failure of SQLite.
        """
        try:
            connection = sqlite3.connect(self._path, timeout=BUSY_SEC, isolation_level=None)
        except sqlite3.Error as error:
            raise StorageUnavailableError(f"the store's file cannot be opened: {error}") from error
        connection.text_factory = _decoded
        try:
            self._prepare(connection)
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StorageUnavailableError(f"the store failed: {error}") from error
        finally:
            connection.close()  # rolls an open transaction back

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if not self._prepared:
            self._switch_to_write_ahead_log(connection)
            connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
            self._keep_open()
            self._prepared = True
        # A crash of the machine may lose the last second of data, which is local; a crash of a process loses nothing.
        connection.execute("PRAGMA synchronous = NORMAL")

    def _keep_open(self) -> None:
        """Keeps one idle connection open, because SQLite deletes its log when the last one closes, which costs time."""
        keeper = sqlite3.connect(self._path, check_same_thread=False)
        keeper.execute("SELECT id FROM fleet").fetchall()
        weakref.finalize(self, keeper.close)

    def _switch_to_write_ahead_log(self, connection: sqlite3.Connection) -> None:
        """Turns on the write-ahead log. Tries again, because SQLite does not wait here for another process's lock."""
        for tries in range(SWITCH_TRIES):
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if tries == SWITCH_TRIES - 1:
                    raise
                self._pause(conflict_delay(tries, self._jitter()))
            else:
                return

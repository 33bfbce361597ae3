"""The tick's lease and the fleet state in the SQLite file."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from avatar_jobs.adapters.sqlite_store.file import SqliteFile, from_text, to_text
from avatar_jobs.ports.tick_state import FleetState
from avatar_jobs.protocol.stored_fleet import read_fleet


class SqliteTickState:
    """The TickState port on SQLite, in the one row of the table fleet."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def fleet_state(self) -> FleetState:
        """See TickState.fleet_state."""
        with self._file.transaction() as connection:
            last_tick_at, body = connection.execute(
                "SELECT last_tick_at, body FROM fleet WHERE id = 'state'"
            ).fetchone()
        return FleetState(from_text(last_tick_at), read_fleet(body))

    def take_tick_lease(self, holder: str, now: datetime, until: datetime) -> bool:
        """See TickState.take_tick_lease."""
        with self._file.transaction(write=True) as connection:
            taken = connection.execute(
                "UPDATE fleet SET lease_holder = ?, lease_until = ? WHERE id = 'state'"
                " AND (lease_until IS NULL OR lease_until <= ? OR lease_holder = ?)",
                (holder, to_text(until), to_text(now), holder),
            ).rowcount
        return taken == 1

    def store_fleet_state(self, holder: str, fleet: Mapping[str, Any]) -> None:
        """See TickState.store_fleet_state."""
        with self._file.transaction(write=True) as connection:
            connection.execute(
                "UPDATE fleet SET body = ? WHERE id = 'state' AND lease_holder = ?", (json.dumps(fleet), holder)
            )

    def release_tick_lease(self, holder: str, now: datetime, fleet: Mapping[str, Any] | None) -> None:
        """See TickState.release_tick_lease."""
        with self._file.transaction(write=True) as connection:
            if fleet is None:
                connection.execute(
                    "UPDATE fleet SET lease_until = NULL WHERE id = 'state' AND lease_holder = ?", (holder,)
                )
                return
            connection.execute(
                "UPDATE fleet SET lease_until = NULL, last_tick_at = ?, body = ?"
                " WHERE id = 'state' AND lease_holder = ?",
                (to_text(now), json.dumps(fleet), holder),
            )

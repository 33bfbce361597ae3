"""The tick's lease and the fleet state on Firestore."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from google.api_core import exceptions as google_errors

from avatar_jobs.adapters.firestore_store.connection import FirestoreConnection, unavailable
from avatar_jobs.ports.tick_state import FleetState
from avatar_jobs.protocol.stored_fleet import read_fleet

DOCUMENT = "fleet/state"


def _fields(snapshot: Any) -> dict[str, Any]:
    """Returns a document's fields; none when the document does not exist yet."""
    return (snapshot.to_dict() or {}) if snapshot.exists else {}


def _moment(value: Any) -> datetime | None:
    """Returns a stored time, None for anything else."""
    return value if isinstance(value, datetime) else None


class FirestoreTickState:
    """The TickState port on Firestore, in the one document fleet/state."""

    def __init__(self, connection: FirestoreConnection) -> None:
        self._connection = connection

    def take_tick_lease(self, holder: str, now: datetime, until: datetime) -> bool:
        """See TickState.take_tick_lease."""
        reference = self._connection.client.document(DOCUMENT)
        with unavailable():
            snapshot = reference.get(**self._connection.limits())
            lease = _fields(snapshot)
            taken_until = _moment(lease.get("lease_until"))
            if taken_until and taken_until > now and lease.get("lease_holder") != holder:
                return False
            batch = self._connection.client.batch()
            fields = {"lease_holder": holder, "lease_until": until}
            if snapshot.exists:
                unchanged = self._connection.client.write_option(last_update_time=snapshot.update_time)
                batch.update(reference, fields, option=unchanged)
            else:
                batch.create(reference, fields)
            try:
                batch.commit(**self._connection.limits())
            except (google_errors.AlreadyExists, google_errors.FailedPrecondition, google_errors.Aborted):
                return self._lease_holder() == holder
        return True

    def _lease_holder(self) -> str | None:
        snapshot = self._connection.client.document(DOCUMENT).get(**self._connection.limits())
        return _fields(snapshot).get("lease_holder")

    def store_fleet_state(self, holder: str, fleet: Mapping[str, Any]) -> None:
        """See TickState.store_fleet_state."""
        self._update(holder, {"fleet": json.dumps(fleet)})

    def release_tick_lease(self, holder: str, now: datetime, fleet: Mapping[str, Any] | None) -> None:
        """See TickState.release_tick_lease."""
        left: dict[str, Any] = {} if fleet is None else {"last_tick_at": now, "fleet": json.dumps(fleet)}
        self._update(holder, {"lease_until": None, **left})

    def _update(self, holder: str, fields: Mapping[str, Any]) -> None:
        """Writes some fields, unless another holder has the lease."""
        reference = self._connection.client.document(DOCUMENT)
        with unavailable():
            snapshot = reference.get(**self._connection.limits())
            if _fields(snapshot).get("lease_holder") != holder:
                return
            batch = self._connection.client.batch()
            unchanged = self._connection.client.write_option(last_update_time=snapshot.update_time)
            batch.update(reference, dict(fields), option=unchanged)
            try:
                batch.commit(**self._connection.limits())
            except (google_errors.FailedPrecondition, google_errors.Aborted):
                return  # the lease has expired, and another tick holds it now

    def fleet_state(self) -> FleetState:
        """See TickState.fleet_state."""
        with unavailable():
            snapshot = self._connection.client.document(DOCUMENT).get(**self._connection.limits())
        fields = _fields(snapshot)
        return FleetState(_moment(fields.get("last_tick_at")), read_fleet(fields.get("fleet")))

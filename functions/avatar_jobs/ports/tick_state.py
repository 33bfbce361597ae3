"""The port of what one tick stores for the next: the lease that prevents two ticks at once, and the fleet state."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class FleetState:
    """The result of the last finished tick.

    last_tick_at: when it ended, None before the first one; fleet: what it observed, as JSON values.
    """

    last_tick_at: datetime | None
    fleet: Mapping[str, Any]


class TickState(Protocol):
    """The tick's lease and the fleet state. Every method raises StorageUnavailableError, after 5 s at most."""

    def fleet_state(self) -> FleetState:
        """Returns what the last finished tick wrote."""
        ...

    def take_tick_lease(self, holder: str, now: datetime, until: datetime) -> bool:
        """Takes the lease until a time. Returns False when another holder has it beyond now."""
        ...

    def store_fleet_state(self, holder: str, fleet: Mapping[str, Any]) -> None:
        """Writes the fleet state in the middle of a tick. When another holder has the lease, nothing is written."""
        ...

    def release_tick_lease(self, holder: str, now: datetime, fleet: Mapping[str, Any] | None) -> None:
        """Gives the lease back and writes the fleet state.

        now: when this tick ended; fleet: what it observed, as JSON values; None when it did not finish, which keeps the
        last fleet state. When another holder has taken the lease in the meantime, nothing is written.
        """
        ...

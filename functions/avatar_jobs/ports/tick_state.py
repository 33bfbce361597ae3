"""What one tick leaves for the next: the lease that keeps two ticks apart, and the fleet as the last one saw it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class FleetState:
    """The time when the last tick ended and what it saw of the fleet (JSON values); None and empty before the first."""

    last_tick_at: datetime | None
    fleet: Mapping[str, Any]


class TickState(Protocol):
    """The tick's lease and the fleet state. Every method raises StorageUnavailableError after 5 s at most."""

    def fleet_state(self) -> FleetState:
        """Returns what the last finished tick wrote."""
        ...

    def take_tick_lease(self, holder: str, now: datetime, until: datetime) -> bool:
        """Takes the lease and returns True, unless another holder has it beyond now."""
        ...

    def release_tick_lease(self, holder: str, now: datetime, fleet: Mapping[str, Any] | None) -> None:
        """Gives the lease back, and writes the end of the tick and what it saw of the fleet (JSON values).

        fleet: None leaves the fleet state as it was, because this tick did not finish. A lease that another holder has
        taken in the meantime stays untouched, and so does the fleet state.
        """
        ...

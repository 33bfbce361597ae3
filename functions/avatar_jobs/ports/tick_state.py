"""What one tick leaves for the next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class FleetState:
    """When the last tick ended, and what it saw of the fleet as JSON values; None and empty before the first."""

    last_tick_at: datetime | None
    fleet: Mapping[str, Any]

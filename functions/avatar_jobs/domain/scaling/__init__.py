"""How large the fleet should be: pure decisions on snapshots of queue and fleet."""

from avatar_jobs.domain.salad import GroupCounts
from avatar_jobs.domain.scaling.decide import decide
from avatar_jobs.domain.scaling.model import (
    GroupConfig,
    GroupPlan,
    Plan,
    ScalingChoices,
    ScalingConfig,
    Snapshot,
    WindowedConfig,
)

__all__ = [
    "GroupConfig",
    "GroupCounts",
    "GroupPlan",
    "Plan",
    "ScalingChoices",
    "ScalingConfig",
    "Snapshot",
    "WindowedConfig",
    "decide",
]

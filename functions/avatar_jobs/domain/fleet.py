"""What Salad's answer to `GET queue` says of the fleet."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

STATES = ("allocating", "creating", "running", "stopping")


def instances_by_state(queue: Mapping[str, Any]) -> dict[str, int]:
    """Returns the instances of all groups of a queue by state. Missing or absurd counts are taken as none."""
    counts: Counter[str] = Counter()
    groups = queue.get("container_groups")
    for group in groups if isinstance(groups, list) else ():
        state = group.get("current_state") if isinstance(group, dict) else None
        told = state.get("instance_status_counts") if isinstance(state, dict) else None
        for name in STATES:
            count = told.get(f"{name}_count") if isinstance(told, dict) else None
            if isinstance(count, int) and not isinstance(count, bool) and count > 0:
                counts[name] += count
    return {name: counts[name] for name in STATES}

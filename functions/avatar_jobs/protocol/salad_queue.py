"""Reads Salad's answers about the queue, its container groups, GPU classes and quotas.

The readers never fail: a value that is missing, absurd or of another type is left out or becomes None (unknown).
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from avatar_jobs.domain.salad import INSTANCE_STATES, GpuClass, GroupCounts, GroupView, QueueView, Quotas, valid_count

DEFAULT_PRIORITY = "high"
MAX_DOLLARS = 1000.0  # an hour; a hundred times the price of the dearest GPU


def read_queue(answer: Mapping[str, Any]) -> QueueView:
    """Reads the answer to `GET queue`."""
    groups = _objects(answer.get("container_groups"))
    named = {str(group["name"]): view for group in groups if group.get("name") and (view := _group(group)) is not None}
    return QueueView(valid_count(answer.get("current_queue_length")), named, _instances(groups))


def read_gpu_classes(answer: Mapping[str, Any]) -> list[GpuClass]:
    """Reads the answer to `GET gpu-classes`; Salad writes prices as text."""
    return [GpuClass(str(one.get("id")), _prices(one)) for one in _objects(answer.get("items"))]


def read_quotas(answer: Mapping[str, Any]) -> Quotas:
    """Reads the answer to `GET quotas`."""
    return Quotas(valid_count(_object(answer.get("container_groups_quotas")).get("container_replicas_quota")))


def _group(group: Mapping[str, Any]) -> GroupView | None:
    """Returns one container group, None when its replicas are unknown."""
    replicas = valid_count(group.get("replicas"))
    if replicas is None:
        return None
    state, container = _object(group.get("current_state")), _object(group.get("container"))
    told = _object(state.get("instance_status_counts"))
    classes = _object(container.get("resources")).get("gpu_classes")
    return GroupView(
        counts=GroupCounts(replicas, **{name: told.get(f"{name}_count") for name in INSTANCE_STATES}),
        is_stopped=state.get("status") in ("stopped", "stopping"),
        has_autoscaler=bool(group.get("queue_autoscaler")),
        gpu_class_ids=tuple(str(one) for one in classes) if isinstance(classes, list) else (),
        priority=str(group.get("priority") or container.get("priority") or DEFAULT_PRIORITY),
    )


def _instances(groups: list[Mapping[str, Any]]) -> dict[str, int]:
    """Returns the instances of all groups by state, also of groups whose replicas are unknown."""
    counts: Counter[str] = Counter()
    for group in groups:
        told = _object(_object(group.get("current_state")).get("instance_status_counts"))
        for name in INSTANCE_STATES:
            counts[name] += valid_count(told.get(f"{name}_count")) or 0
    return {name: counts[name] for name in INSTANCE_STATES}


def _prices(gpu_class: Mapping[str, Any]) -> dict[str, float]:
    """Returns US dollars an hour by priority: the first price of each priority, 0 when it is no plausible number."""
    prices: dict[str, float] = {}
    for entry in _objects(gpu_class.get("prices")):
        prices.setdefault(str(entry.get("priority")), _dollars(entry.get("price")))
    return prices


def _dollars(price: Any) -> float:
    try:
        dollars = float(price)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return dollars if 0 <= dollars <= MAX_DOLLARS else 0.0  # also not for "nan" and "inf"


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(values: Any) -> list[Mapping[str, Any]]:
    return [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []

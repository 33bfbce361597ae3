"""Calculates what a fleet costs at Salad's current prices. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from infra.ops.fleet.model import DesiredFleet, GpuClass

HOURS_A_DAY = 24


@dataclass(frozen=True, kw_only=True)
class GroupPrice:
    """One GPU class of one group.

    price: dollars an hour, None where Salad has none for the priority; least, most: the range of the group's replicas.
    """

    group: str
    gpu_class: str
    priority: str
    price: Decimal | None
    least: int
    most: int


@dataclass(frozen=True, kw_only=True)
class FleetPrice:
    """All GPU classes of all groups, and the dollars an hour for the fewest and the most replicas of the file."""

    groups: tuple[GroupPrice, ...]
    least: Decimal
    most: Decimal


def fleet_price(fleet: DesiredFleet, gpu_classes: Sequence[GpuClass]) -> FleetPrice:
    """Returns the prices: `least` with each group's cheapest class, `most` with its dearest."""
    by_id = {one.id: one for one in gpu_classes}
    rows: list[GroupPrice] = []
    least = most = Decimal(0)
    for group in fleet.groups:
        priority = str(group.fields["priority"])
        prices = prices_of(group.fields["gpu_classes"], priority, by_id)
        rows += [
            GroupPrice(
                group=group.name,
                gpu_class=name,
                priority=priority,
                price=price,
                least=group.least,
                most=group.most,
            )
            for name, price in prices.items()
        ]
        known = [price for price in prices.values() if price is not None] or [Decimal(0)]
        least += min(known) * group.least
        most += max(known) * group.most
    return FleetPrice(groups=tuple(rows), least=least, most=most)


def prices_of(ids: Sequence[str], priority: str, by_id: Mapping[str, GpuClass]) -> dict[str, Decimal | None]:
    """Returns prices an hour by name of the GPU class; a class that Salad no longer lists has its id as name."""
    known = [(by_id[one].name, by_id[one].prices.get(priority)) if one in by_id else (one, None) for one in ids]
    return dict(sorted(known))

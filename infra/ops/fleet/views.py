"""Builds the answers of `./ops fleet` as JSON documents without secrets; text.py writes them for people. Pure."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from infra.ops.fleet.model import ENVIRONMENT, PROBES, Change, GroupPlan, LiveGroup, LiveState, Plan
from infra.ops.fleet.planning import CREDENTIALS, other_replicas, replaces_instances
from infra.ops.fleet.prices import HOURS_A_DAY, fleet_price, prices_of
from infra.ops.fleet.references import SHOWN
from infra.ops.terminal import dollars

View = dict[str, Any]

OTHER_VALUE = "(another value)"  # the value at Salad may be a secret, even if the file's value is not


def plan_view(plan: Plan, state: LiveState) -> View:
    """Returns the plan with prices and quota."""
    price = fleet_price(plan.fleet, state.gpu_classes)
    names = {one.id: one.name for one in state.gpu_classes}
    return {
        "organization": plan.fleet.organization,
        "project": plan.fleet.project,
        "queue": {
            "name": plan.fleet.queue.name,
            "action": plan.queue_action,
            "changes": [_row(change.name, change.old, change.new) for change in plan.queue_changes],
        },
        "groups": [_group_view(group, names) for group in plan.groups],
        "unmanaged": [group.name for group in plan.unmanaged],
        "refusals": list(plan.refusals),
        "prices": [
            {
                "group": row.group,
                "gpu_class": row.gpu_class,
                "priority": row.priority,
                "usd_hour": None if row.price is None else dollars(row.price),
                "replicas": str(row.least) if row.least == row.most else f"{row.least}-{row.most}",
            }
            for row in price.groups
        ],
        "usd": {
            "least_hour": dollars(price.least),
            "least_day": dollars(price.least * HOURS_A_DAY),
            "most_hour": dollars(price.most),
            "most_day": dollars(price.most * HOURS_A_DAY),
        },
        "quota": {
            "replicas": state.quota,
            "fleet": sum(group.most for group in plan.fleet.groups),
            "others": other_replicas(plan.fleet, state),
        },
        "anything_to_do": not plan.is_empty,
    }


def status_view(plan: Plan, state: LiveState, not_compared: int) -> View:
    """Returns the fleet as it is now; not_compared: how many secrets could not be read."""
    by_id = {one.id: one for one in state.gpu_classes}
    rows, total = [], Decimal(0)
    for group, scaling, drift in _status_rows(plan):
        if group is None:
            continue
        prices = prices_of(group.fields["gpu_classes"], str(group.fields["priority"]), by_id)
        dearest = max((price for price in prices.values() if price is not None), default=None)
        now = None if dearest is None else dearest * group.counts["running"]
        total += now or 0
        rows.append(
            {
                "group": group.name,
                "scaling": scaling,
                "state": group.status,
                "wanted": group.replicas,
                **{name: group.counts[name] for name in ("running", "creating", "allocating")},
                "gpu_classes": list(prices),
                "priority": group.fields["priority"],
                "usd_hour_each": None if dearest is None else dollars(dearest),
                "usd_hour_now": None if now is None else dollars(now),
                "drift": drift,
            }
        )
    missing = [group.desired.name for group in plan.groups if group.live is None]
    return {
        "queue": plan.fleet.queue.name,
        "queue_length": None if state.queue is None else state.queue.length,
        "groups": rows,
        "missing": missing,
        "usd_hour_now": dollars(total),
        "replicas_used": state.quota_used,
        "quota": state.quota,
        "secrets_not_compared": not_compared,
    }


def _status_rows(plan: Plan) -> Iterator[tuple[LiveGroup | None, str, str]]:
    for group in plan.groups:
        is_same = group.action == "leave" and not group.drift
        yield group.live, group.desired.scaling, "no" if is_same else "yes"
    for live in plan.unmanaged:
        yield live, "unmanaged", "yes"


def _group_view(group: GroupPlan, gpu_names: Mapping[str, str]) -> View:
    changes = group.changes if group.live is not None else _all_fields(group)
    rows = [row for change in changes for row in _rows(change, gpu_names)]
    is_replaced = group.live is not None and any(replaces_instances(change) for change in group.changes)
    return {
        "name": group.desired.name,
        "scaling": group.desired.scaling,
        "action": group.action,
        "changes": [] if group.action == "refuse" else rows,
        "replaced_instances": group.live.instances if group.live is not None and is_replaced else 0,
        "refusals": list(group.refusals),
        "drift": list(group.drift),
    }


def _all_fields(group: GroupPlan) -> list[Change]:
    """Returns the fields of a group that will be created, as changes from nothing."""
    desired = group.desired
    fields = {"replicas": desired.least, **desired.fields}
    shown = {name: value for name, value in fields.items() if value not in (None, (), False) and name != "started"}
    changes = [Change(name, None, value, is_secret=name in desired.secret_fields) for name, value in shown.items()]
    if desired.credentials is not None:
        changes.append(Change(CREDENTIALS, None, desired.credentials, is_secret=True))
    return changes


def _rows(change: Change, gpu_names: Mapping[str, str]) -> Iterator[View]:
    old, new = change.old, change.new
    if change.is_secret:
        yield _row(change.name, None if old is None else "(secret, differs)", SHOWN)
    elif change.name.startswith(ENVIRONMENT):
        yield _row(change.name, None if old is None else OTHER_VALUE, new)
    elif change.name == "gpu_classes":
        yield _row(change.name, *(_gpu_text(ids, gpu_names) for ids in (old, new)))
    elif change.name in PROBES and (old is None or new is None):
        yield _row(change.name, *(None if probe is None else _probe_text(probe) for probe in (old, new)))
    elif isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                yield _row(f"{change.name}.{name}", old.get(name), new.get(name))
    else:
        yield _row(change.name, old, new)


def _probe_text(probe: Mapping[str, Any]) -> str:
    """Returns a probe as one line of text."""
    http, tcp = probe.get("http"), probe.get("tcp")
    what = f"GET {http['scheme']}://:{http['port']}{http['path']}" if http else f"tcp {tcp['port']}" if tcp else "exec"
    after = f" after {probe['initial_delay_seconds']} s" if probe["initial_delay_seconds"] else ""
    return (
        f"{what} every {probe['period_seconds']} s{after}, timeout {probe['timeout_seconds']} s, "
        f"{probe['success_threshold']} to pass, {probe['failure_threshold']} to fail"
    )


def _gpu_text(ids: Any, gpu_names: Mapping[str, str]) -> list[str] | None:
    return None if not ids else sorted(gpu_names.get(one, one) for one in ids)


def _row(field: str, old: Any, new: Any) -> View:
    return {"field": field, "old": old, "new": new}

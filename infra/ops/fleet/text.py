"""Writes the views of `./ops fleet` as text for a terminal. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra.ops.fleet.views import View
from infra.ops.terminal import cell, table

MARKS = {"create": "+", "change": "~", "leave": "=", "refuse": "!"}
PRICE_COLUMNS = ("group", "gpu_class", "priority", "usd_hour", "replicas")
STATUS_COLUMNS = (
    "group",
    "scaling",
    "state",
    "wanted",
    "running",
    "creating",
    "allocating",
    "gpu_classes",
    "priority",
    "usd_hour_each",
    "usd_hour_now",
    "drift",
)


def plan_text(view: View) -> str:
    """Returns the text of `plan`, which `apply` also shows before it asks."""
    queue, usd, quota = view["queue"], view["usd"], view["quota"]
    lines = [f"{view['organization']}/{view['project']}", ""]
    lines.append(f"{MARKS[queue['action']]} queue {queue['name']}: {queue['action']}")
    lines += [f"    {_change(change)}" for change in queue["changes"]]
    for group in view["groups"]:
        lines += _group(group)
    for name in view["unmanaged"]:
        lines.append(
            f"? group {name}: on our queue, not in the file; it stays (./ops fleet destroy --group {name} removes it)"
        )
    lines += ["", table(view["prices"], PRICE_COLUMNS)]
    lines.append(
        f"fleet: at least ${usd['least_hour']} an hour (${usd['least_day']} a day), "
        f"at most ${usd['most_hour']} an hour (${usd['most_day']} a day); only running instances are billed"
    )
    beside = f", other groups have {quota['others']}" if quota["others"] else ""
    lines.append(f"quota: {quota['replicas']} replicas, the fleet may use {quota['fleet']}{beside}")
    lines += [f"refused: {reason}" for reason in view["refusals"]]
    lines += ["", _summary(view)]
    return "\n".join(lines)


def status_text(view: View) -> str:
    """Returns the text of `status`."""
    lines = [table(view["groups"], STATUS_COLUMNS)]
    length = view["queue_length"]
    lines.append(f"queue {view['queue']}: " + ("does not exist" if length is None else f"waiting jobs: {length}"))
    lines.append(
        f"${view['usd_hour_now']} an hour now; {view['replicas_used']} of {view['quota']} replicas of the quota"
    )
    if view["missing"]:
        lines.append(f"in the file, not at Salad: {', '.join(view['missing'])}")
    if view["secrets_not_compared"]:
        lines.append(f"{view['secrets_not_compared']} secrets are not in the environment and were not compared")
    return "\n".join(lines)


def _group(group: View) -> Iterator[str]:
    yield f"{MARKS[group['action']]} group {group['name']} ({group['scaling']}): {group['action']}"
    yield from (f"    {_change(change)}" for change in group["changes"])
    if group["replaced_instances"]:
        yield (
            f"    Salad replaces every instance of this group at once ({group['replaced_instances']} now); a job that "
            f"runs there starts again on another instance and has used one of Salad's tries"
        )
    yield from (f"    refused: {reason}" for reason in group["refusals"])
    yield from (f"    drift: {reason}" for reason in group["drift"])


def _change(change: Mapping[str, Any]) -> str:
    old, new = _value(change["old"]), _value(change["new"])
    return f"{change['field']}: {new}" if change["old"] is None else f"{change['field']}: {old} -> {new}"


def _value(value: Any) -> str:
    if value is None or value in ([], ()):
        return "(none)"
    if isinstance(value, dict | list | tuple):
        plain = all(isinstance(one, str) for one in value) and not isinstance(value, dict)
        return cell(", ".join(value) if plain else json.dumps(value, ensure_ascii=False))
    return cell(value)


def _summary(view: View) -> str:
    actions = [view["queue"]["action"], *(group["action"] for group in view["groups"])]
    if set(actions) == {"leave"}:
        return "nothing to do"
    counts = [(actions.count(action), word) for action, word in (("create", "create"), ("change", "change"))]
    refused = actions.count("refuse")
    listed = ", ".join(f"{count} to {word}" for count, word in counts)
    return listed + (f", {refused} refused" if refused else "")

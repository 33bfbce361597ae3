"""Carries out a plan step by step. After a failure the next run finds and does what is left."""

from collections.abc import Callable

from infra.ops.fleet import bodies
from infra.ops.fleet.model import Change, GroupPlan, Plan
from infra.ops.fleet.planning import make_plan
from infra.ops.fleet.salad import Salad, SaladError

CHECKS = 4  # after a change Salad may show the former value for a moment
CHECK_PAUSE_SEC = 2.0


def carry_out(plan: Plan, salad: Salad, say: Callable[[str], None], pause: Callable[[float], None]) -> None:
    """Creates and changes what the plan says, then checks that Salad shows it.

    say: writes a line for the person; pause: sleeps for some seconds. Raises SaladError.
    """
    done: list[str] = []

    def report(step: str) -> None:
        done.append(step)
        say(step)

    try:
        _queue(plan, salad, report)
        for group in plan.groups:
            _group(group, salad, report)
        _check(plan, salad, pause)
    except SaladError as error:
        before = f" Done before that: {'; '.join(done)}." if done else ""
        raise SaladError(f"{error}.{before} Run apply again: it does what is left.") from error


def _queue(plan: Plan, salad: Salad, report: Callable[[str], None]) -> None:
    name = plan.fleet.queue.name
    if plan.queue_action == "create":
        salad.create_queue(bodies.queue_body(plan.fleet.queue))
        report(f"queue {name} created")
    elif plan.queue_action == "change":
        salad.update_queue(name, bodies.queue_patch(plan.queue_changes))
        report(f"queue {name} changed")


def _group(group: GroupPlan, salad: Salad, report: Callable[[str], None]) -> None:
    name = group.desired.name
    if group.action == "create":
        salad.create_group(bodies.group_body(group.desired))
        report(f"group {name} created")
    elif group.action == "change":
        patch = bodies.group_patch(group.desired, group.changes)
        if patch:
            salad.update_group(name, patch)
            report(f"group {name} changed")
        if any(change.name == "started" for change in group.changes):
            salad.start_group(name)
            report(f"group {name} started")


def _check(plan: Plan, salad: Salad, pause: Callable[[float], None]) -> None:
    """Compares what Salad shows now with what was sent. Raises SaladError when a value differs after every check."""
    sent = {group.desired.name for group in plan.groups if group.action in ("create", "change")}
    left: list[tuple[str, Change]] = []
    for check in range(CHECKS):
        if check:
            pause(CHECK_PAUSE_SEC)
        after = make_plan(plan.fleet, salad.read_state(plan.fleet.queue.name))
        left = [
            (group.desired.name, change)
            for group in after.groups
            if group.desired.name in sent
            for change in group.changes
            if change.name != "started"  # a group takes a moment to start
        ]
        if not left:
            return
    fields = ", ".join(f"{name}: {change.name}" for name, change in left)
    raise SaladError(f"Salad accepted every call and still shows another value ({fields})")

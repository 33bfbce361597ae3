"""Removes the container groups, then the queue. A second run does what an interrupted one left."""

from collections.abc import Callable
from dataclasses import dataclass

from infra.ops.fleet.file_model import FleetFile
from infra.ops.fleet.model import LiveGroup, LiveQueue, LiveState
from infra.ops.fleet.salad import Salad, SaladError

CHECKS = 150  # with the pause: 5 minutes
CHECK_PAUSE_SEC = 2.0


@dataclass(frozen=True)
class Removal:
    """What will be removed: groups, then the queue (None: the queue stays)."""

    groups: tuple[LiveGroup, ...]
    queue: LiveQueue | None


def whole_fleet(file: FleetFile, state: LiveState) -> Removal:
    """Returns the removal of the queue and the file's groups on it. Raises SaladError if it has other groups."""
    named = {group.name for group in file.groups}
    attached = _attached(file, state)
    others = [group.name for group in attached if group.name not in named]
    if others:
        raise SaladError(
            f"{', '.join(others)} is on the queue {file.queue.name} and not in the file; "
            f"remove it first: ./ops fleet destroy --group NAME"
        )
    return Removal(attached, state.queue)


def one_group(name: str, file: FleetFile, state: LiveState) -> Removal:
    """Returns the removal of one group, also of one that the file does not name.

    Raises SaladError for a group that is not on our queue.
    """
    group = state.groups.get(name)
    if group is not None and group not in _attached(file, state):
        raise SaladError(
            f"{name} is not on the queue {file.queue.name}, so it does not belong to this fleet; nothing was removed"
        )
    return Removal(() if group is None else (group,), None)


def refuse_open_jobs(removal: Removal, salad: Salad) -> None:
    """Raises SaladError while jobs of the queue wait or run."""
    if removal.queue is None:
        return
    waiting = removal.queue.length or sum(1 for _ in salad.open_jobs(removal.queue.name))
    if waiting:
        raise SaladError(
            f"the queue {removal.queue.name} has jobs that wait or run (at least {waiting}); "
            f"wait until they finish, or pass --force to lose them"
        )


def carry_out(removal: Removal, salad: Salad, say: Callable[[str], None], pause: Callable[[float], None]) -> None:
    """Stops and deletes everything of the removal, and waits until Salad no longer shows it.

    say: writes a line for the person; pause: sleeps for some seconds. Raises SaladError.
    """
    for group in removal.groups:
        if group.status != "stopped":
            salad.stop_group(group.name)
        salad.delete_group(group.name)
    for group in removal.groups:
        _wait(lambda name=group.name: salad.group(name) is None, f"group {group.name}", say, pause)  # type: ignore[misc]
    queue = removal.queue
    if queue is not None:
        salad.delete_queue(queue.name)
        _wait(lambda: not salad.queue_exists(queue.name), f"queue {queue.name}", say, pause)


def _attached(file: FleetFile, state: LiveState) -> tuple[LiveGroup, ...]:
    groups = state.groups.values()
    return tuple(one for one in groups if one.connection is not None and one.connection.queue == file.queue.name)


def _wait(is_gone: Callable[[], bool], what: str, say: Callable[[str], None], pause: Callable[[float], None]) -> None:
    for check in range(CHECKS):
        if check:
            pause(CHECK_PAUSE_SEC)
        if is_gone():
            say(f"{what} destroyed")
            return
    raise SaladError(f"{what} is still there {CHECKS * CHECK_PAUSE_SEC:.0f} s after it was deleted; run destroy again")

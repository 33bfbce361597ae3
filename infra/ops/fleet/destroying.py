"""Takes the fleet down in an order that can be repeated: container groups first, then the queue."""

from collections.abc import Callable
from dataclasses import dataclass

from infra.ops.fleet.file_model import FleetFile
from infra.ops.fleet.model import LiveGroup, LiveQueue, LiveState
from infra.ops.fleet.salad import Salad, SaladError

LOOKS = 150  # with the pause: 5 minutes
LOOK_PAUSE_SEC = 2.0


@dataclass(frozen=True)
class Doomed:
    """What goes: groups, then the queue, if it goes too."""

    groups: tuple[LiveGroup, ...]
    queue: LiveQueue | None


def whole_fleet(file: FleetFile, state: LiveState) -> Doomed:
    """The file's groups on our queue, and the queue. Raises SaladError while others hang on the queue."""
    named = {group.name for group in file.groups}
    attached = _attached(file, state)
    others = [group.name for group in attached if group.name not in named]
    if others:
        raise SaladError(
            f"{', '.join(others)} is on the queue {file.queue.name} and not in the file; "
            f"remove it first with destroy --group NAME"
        )
    return Doomed(attached, state.queue)


def one_group(name: str, file: FleetFile, state: LiveState) -> Doomed:
    """One group, whether or not the file names it. Raises SaladError for one that is not on our queue."""
    group = state.groups.get(name)
    if group is not None and group not in _attached(file, state):
        raise SaladError(f"{name} is not on the queue {file.queue.name}, so it is none of this fleet; left alone")
    return Doomed(() if group is None else (group,), None)


def refuse_open_jobs(doomed: Doomed, salad: Salad) -> None:
    """Raises SaladError while jobs of the queue wait or run."""
    if doomed.queue is None:
        return
    waiting = doomed.queue.length or sum(1 for _ in salad.open_jobs(doomed.queue.name))
    if waiting:
        raise SaladError(
            f"the queue {doomed.queue.name} has jobs that wait or run (at least {waiting}); "
            f"let them end, or say --force to lose them"
        )


def carry_out(doomed: Doomed, salad: Salad, say: Callable[[str], None], pause: Callable[[float], None]) -> None:
    """Stops and deletes, and waits until each thing is gone. Raises SaladError; a second run does what is left."""
    for group in doomed.groups:
        if group.status != "stopped":
            salad.stop_group(group.name)
        salad.delete_group(group.name)
    for group in doomed.groups:
        _wait(lambda name=group.name: salad.group(name) is None, f"group {group.name}", say, pause)  # type: ignore[misc]
    queue = doomed.queue
    if queue is not None:
        salad.delete_queue(queue.name)
        _wait(lambda: not salad.queue_exists(queue.name), f"queue {queue.name}", say, pause)


def _attached(file: FleetFile, state: LiveState) -> tuple[LiveGroup, ...]:
    groups = state.groups.values()
    return tuple(one for one in groups if one.connection is not None and one.connection.queue == file.queue.name)


def _wait(is_gone: Callable[[], bool], what: str, say: Callable[[str], None], pause: Callable[[float], None]) -> None:
    for look in range(LOOKS):
        if look:
            pause(LOOK_PAUSE_SEC)
        if is_gone():
            say(f"{what} destroyed")
            return
    raise SaladError(f"{what} is still there {LOOKS * LOOK_PAUSE_SEC:.0f} s after it was deleted; run destroy again")

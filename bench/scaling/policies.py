"""The compared rules: ours in all presets, and those of other systems. Each uses only what a tick can observe."""

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from avatar_jobs.domain.scaling import ScalingConfig, Snapshot, WindowedConfig, decide
from avatar_jobs.domain.scaling.configuration import PRESETS, Preset
from bench.scaling.candidate import drain_on_load
from bench.scaling.simulate import Rule

Targets = Mapping[str, int]


def ours(now: float, history: Sequence[Snapshot], config: ScalingConfig) -> Targets:
    """Returns the functions' own decision, by the rule that the config names."""
    return decide(now, history, config).targets


def drain(now: float, history: Sequence[Snapshot], config: ScalingConfig, *, preset: Preset) -> Targets:
    """Returns the decision of our rule with one preset."""
    return ours(now, history, replace(config, **preset._asdict()))


def windowed(now: float, history: Sequence[Snapshot], config: ScalingConfig, *, step: int) -> Targets:
    """Returns the decision of the first system's rule. step: replicas for each change."""
    return ours(now, history, replace(config, rule="windowed", windowed=WindowedConfig(step=step)))


def native(now: float, history: Sequence[Snapshot], config: ScalingConfig, *, counts_running: bool) -> Targets:
    """Decides as Salad's own autoscaler with desired_queue_length 1: one replica for each job in the queue.

    It does not know the always-on replicas of another group. counts_running: "queue length" includes running jobs.
    """
    latest = history[-1]
    if latest.queue_length is None:
        return {}
    running = latest.running_jobs or 0
    pending = latest.queue_length - (running if config.queue_includes_running else 0)
    return _clamped(pending + (running if counts_running else 0), config)


KEDA_HOLD_SEC = 300.0  # HPA's usual stabilization window on the way down, KEDA's cooldown to nothing


def keda(now: float, history: Sequence[Snapshot], config: ScalingConfig) -> Targets:
    """Decides as KEDA's queue trigger with HPA: one replica for each waiting or running job.

    It scales in to the highest value of five minutes, and ignores changes under a tenth. The always-on replicas are
    subtracted, as a scaler written for this system would do.
    """
    held = [_work(one, config) for one in history if one.at > now - KEDA_HOLD_SEC]
    wanted = _work(history[-1], config)
    if wanted is None:
        return {}
    current = _current(history, config)
    wanted -= config.always_on
    if current and abs(wanted / current - 1) <= 0.1:  # HPA's tolerance
        return {}
    if wanted < current:
        wanted = min(current, max(jobs - config.always_on for jobs in held if jobs is not None))
    return _clamped(wanted, config)


DELAY_SEC = 60.0
IDLE_SEC = 300.0


def queue_delay(now: float, history: Sequence[Snapshot], config: ScalingConfig) -> Targets:
    """Decides as RunPod's queue delay: a worker for each job that has waited a minute, until five idle minutes.

    At most as many jobs have waited a minute as the shortest queue of that minute had.
    """
    wanted = _late(len(history) - 1, history, config)
    if wanted is None:
        return {}
    current = _current(history, config)
    if wanted < current:
        first = next(index for index, one in enumerate(history) if one.at > now - IDLE_SEC)
        held = [_late(index, history, config) for index in range(first, len(history))]
        wanted = min(current, max(value for value in held if value is not None))
    return _clamped(wanted, config)


def _late(index: int, history: Sequence[Snapshot], config: ScalingConfig) -> int | None:
    latest = history[index]
    work = _work(latest, config)
    if work is None:
        return None
    running = latest.running_jobs or 0
    waited = work - running
    for one in history[max(0, index - 5) : index]:
        jobs = _work(one, config)
        if one.at >= latest.at - 1.5 * DELAY_SEC and jobs is not None:
            waited = min(waited, jobs - (one.running_jobs or 0))
    return running + waited - config.always_on


def fixed(now: float, history: Sequence[Snapshot], config: ScalingConfig, *, count: int) -> Targets:
    """Returns always the same number of replicas."""
    return _clamped(count, config)


def _work(snapshot: Snapshot, config: ScalingConfig) -> int | None:
    """Returns the number of waiting and running jobs."""
    if snapshot.queue_length is None:
        return None
    return snapshot.queue_length + (0 if config.queue_includes_running else snapshot.running_jobs or 0)


def _current(history: Sequence[Snapshot], config: ScalingConfig) -> int:
    known = [one.groups for one in history if one.groups is not None]
    return known[-1][config.scaled[0].name].replicas if known else 0


def _clamped(wanted: float, config: ScalingConfig) -> Targets:
    group = config.scaled[0]
    return {group.name: max(group.minimum, min(math.ceil(wanted), group.maximum, config.budget))}


OURS: Mapping[str, Rule] = {f"drain {name}": partial(drain, preset=preset) for name, preset in PRESETS.items()}
OTHERS: Mapping[str, Rule] = {
    "candidate: drain on load": drain_on_load,
    "queue delay (RunPod-like)": queue_delay,
    "KEDA/HPA ratio": keda,
    "native, pending only": partial(native, counts_running=False),
    "native, counts running": partial(native, counts_running=True),
    "windowed, step 1": partial(windowed, step=1),
    "windowed, step 3": partial(windowed, step=3),
}
RULES: Mapping[str, Rule] = {**OURS, **OTHERS}


def load(place: str) -> Rule:
    """Returns a rule given as `module:function`: function(now, history, config) -> replicas by group.

    Raises ValueError when the text has another form, ImportError or AttributeError when there is no such thing.
    """
    module, separator, name = place.partition(":")
    if not (module and separator and name):
        raise ValueError(f"a rule is given as module:function, not as {place!r}")
    rule: Rule = getattr(importlib.import_module(module), name)
    return rule

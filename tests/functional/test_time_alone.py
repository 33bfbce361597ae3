"""Time alone ends every job and leaves nothing outside: the real tick handlers against a Salad that says anything."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import chain, cycle, repeat

from hypothesis import given, settings
from hypothesis import strategies as st

from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.model import Phase, Timer
from tests.support.tick_model import World

FAULTS = ["lost", "lost before", "down", "refused", "garbage", "died"]
LIES = [
    "absent", "ok", "superseded", "input error", "gpu error", "pending", "running", "failed", "cancelled",
    "a word of a later release",
]  # fmt: skip
NUMBERS = st.integers(1, 3)

Action = Callable[[World], None]


def reported(attempt: int, run: str, seq: int) -> Action:
    def act(world: World) -> None:
        if attempt > world.job.attempt.number:
            return  # nobody has the token of an attempt that was never sent
        world.apply(
            lambda _, now: ev.RunReported(
                at=now, attempt=attempt, run_id=run, seq=seq, phase=Phase.GENERATING, progress=0.5
            )
        )
        for one in world.at_salad():
            if one.attempt == attempt:
                world.salad.end(one.id, "running", only="pending")

    return act


def moved(seconds: int) -> Action:
    def act(world: World) -> None:
        world.now += timedelta(seconds=seconds)

    return act


ACTIONS: st.SearchStrategy[Action] = st.one_of(
    st.just(World.tick),
    st.integers(1, 400).map(moved),
    st.builds(reported, NUMBERS, st.sampled_from(["run-1", "run-2", "run-3"]), st.integers(0, 9)),
    st.builds(lambda n, word: lambda world: world.webhook(n, word), NUMBERS, st.sampled_from([*LIES, "true"])),
    st.just(lambda world: world.apply(lambda _, now: ev.CancelRequested(at=now))),
    st.just(lambda world: world.apply(lambda _, now: ev.RequeueRequested(at=now))),
)


def words(drawn: list[str], after: str) -> Iterator[str]:
    return chain(drawn, repeat(after))


@settings(max_examples=300, deadline=None)
@given(
    actions=st.lists(ACTIONS, max_size=25),
    salad=st.lists(st.sampled_from(["true", *FAULTS, *LIES]), min_size=1, max_size=12)
    | st.lists(st.sampled_from([*FAULTS, *LIES]), min_size=1, max_size=2),
    bucket=st.lists(st.sampled_from(["there", "short", "absent", "down"]), min_size=1, max_size=4),
)
def test_whatever_salad_and_its_nodes_say_a_job_ends_two_ticks_after_its_deadline(
    actions: list[Action], salad: list[str], bucket: list[str]
) -> None:
    world = World(cycle(salad), cycle(bucket), start_timeout_seconds=900, run_timeout_seconds=600)
    for act in actions:
        act(world)
    world.tick()
    world.tick()
    for _ in range(90):  # minutes: both deadlines, and a claim before and after them
        assert not world.is_overdue(), world.job.timeline
        if world.job.status.is_terminal:
            return
        world.tick()
    raise AssertionError(f"the job is still {world.job.status}")


@settings(max_examples=300, deadline=None)
@given(
    actions=st.lists(ACTIONS, max_size=25),
    salad=st.lists(st.sampled_from(["true", *FAULTS]), max_size=40)
    | st.lists(st.sampled_from(["lost", "true"]), min_size=10, max_size=40),
    bucket=st.lists(st.sampled_from(["there", "absent", "down"]), max_size=8),
)
def test_after_any_faults_nothing_is_left_at_salad_and_no_key_lives(
    actions: list[Action], salad: list[str], bucket: list[str]
) -> None:
    """Salad answers truthfully in the end; a run that is told to stop ends, and what waits there waits for ever."""
    world = World(words(salad, "true"), words(bucket, "absent"), start_timeout_seconds=900, run_timeout_seconds=600)
    for act in actions:
        act(world)
    for _ in range(150):
        world.tick()
        for one in world.at_salad():
            if one.status == "running" or world.job.attempts[one.attempt - 1].runs:
                world.salad.end(one.id, "failed")
    assert world.job.status.is_terminal
    assert world.at_salad() == []
    assert world.keys.living == {}
    assert set(world.job.timers) == {Timer.PURGE}

"""For any file and any state of Salad: after a plan was applied, the next plan is empty."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.ops.fleet.planning import make_plan
from tests.support.salad_fleet import GPU_CLASSES, PlainSalad, fleet_of, group

GPUS = [one.name for one in GPU_CLASSES][:6]
NAMES = ["first", "second", "third"]


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


probes = st.fixed_dictionaries(
    {"http": st.fixed_dictionaries({"path": st.sampled_from(["/hc", "/live"]), "port": st.just(8000)})},
    optional={"period_seconds": st.integers(1, 120), "failure_threshold": st.integers(1, 20)},
) | st.fixed_dictionaries({"tcp": st.fixed_dictionaries({"port": st.integers(1, 65535)})})
scalings = st.builds(
    lambda least, more: {"mode": "tick", "min": least, "max": least + more, "warm_seconds": 1},
    st.integers(0, 20),
    st.integers(0, 20),
)
fields = st.fixed_dictionaries(
    {
        "image": st.sampled_from(["registry/worker:1", "registry/worker:2"]),
        "gpu_classes": st.lists(st.sampled_from(GPUS), min_size=1, unique=True),
        "priority": st.sampled_from(["high", "medium", "low", "batch"]),
        "cpu": st.integers(1, 16),
        "memory_mb": st.integers(1024, 65536),
        "shm_mb": st.integers(64, 1024),
        "storage_mb": optional(st.integers(1024, 2**20)),
        "countries": st.lists(st.sampled_from(["de", "fr", "no", "us"]), unique=True),
        "command": optional(st.lists(st.sampled_from(["run", "--fast"]), min_size=1)),
        "environment": st.dictionaries(st.sampled_from(["ENGINE", "PORT", "A"]), st.sampled_from(["1", "x y", "é"])),
        "probes": st.fixed_dictionaries({}, optional={"readiness": probes, "liveness": probes, "startup": probes}),
        "scaling": scalings,
    }
)


@st.composite
def fleets(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    groups = [group(name, **draw(fields)) for name in names]
    if draw(st.booleans()):
        groups[0]["scaling"] = {"mode": "fixed", "replicas": draw(st.integers(0, 20)), "warm_seconds": 1}
    return groups


queues = st.fixed_dictionaries(
    {"name": st.just("jobs")},
    optional={"display_name": st.sampled_from(["Jobs", "Work"]), "description": st.sampled_from(["", "Our jobs."])},
)


@settings(max_examples=60, deadline=None)
@given(before=fleets(), after=fleets(), queue=queues, stopped=st.sets(st.sampled_from(NAMES)))
def test_applying_a_plan_leaves_nothing_to_do(
    before: list[dict[str, Any]], after: list[dict[str, Any]], queue: dict[str, Any], stopped: set[str]
) -> None:
    salad = PlainSalad()
    salad.apply(make_plan(fleet_of(*before), salad.state()))
    for name in stopped & set(salad.world.groups):
        salad.stop_group(name)
    replicas = {name: one.body["replicas"] for name, one in salad.world.groups.items()}

    fleet = fleet_of(*after, queue=queue)
    salad.apply(make_plan(fleet, salad.state()))

    left = make_plan(fleet, salad.state())
    assert left.is_empty
    assert all("cannot change" in reason for one in left.groups for reason in one.refusals)
    for one in fleet.groups:
        if one.scaling == "tick" and one.name in replicas:
            assert salad.world.groups[one.name].body["replicas"] == replicas[one.name], "the tick's"

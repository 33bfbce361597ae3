"""A fleet file can describe the fleet of a rehearsal: applying it changes nothing."""

from pathlib import Path

from infra.local.stack.plan import QUEUE, Plan, choose_ports, draw_credentials
from infra.local.stack.salad_setup import GPU_CLASS, container_groups
from infra.local.stack.settings import read_settings
from infra.ops.fleet.planning import make_plan
from tests.support.salad_fleet import FIXED, GPU_CLASSES, PlainSalad, fleet_of, group

PROBES = {"readiness": {"http": {"path": "/hc", "port": 8000}, "period_seconds": 1, "timeout_seconds": 1}}


def test_a_file_describes_the_rehearsals_groups(tmp_path: Path) -> None:
    settings = read_settings({"SCALED_MAX": "3", "REPLICAS": "2"})
    plan = Plan(settings, draw_credentials(settings.clients), choose_ports(0), tmp_path)
    salad = PlainSalad()
    salad.create_queue({"name": QUEUE})
    gpu_id = next(one.id for one in GPU_CLASSES if one.name == GPU_CLASS)
    for body in container_groups(plan, gpu_id):
        salad.create_group(body)
    common = {
        "image": "avatar-jobs/gpu-worker:rehearsal",
        "gpu_classes": [GPU_CLASS],
        "memory_mb": 8192,
        "environment": {"ENGINE": "preview", "REHEARSAL_MODE": "true"},
        "probes": PROBES,
    }
    fleet = fleet_of(
        group("avatar-workers", **common, scaling={**FIXED, "replicas": 2}),
        group("avatar-scaled", **common),
        queue={"name": QUEUE},
    )
    found = make_plan(fleet, salad.state(QUEUE))
    assert found.is_empty
    assert found.unmanaged == ()
    assert found.reasons_against(accept_drift=False) == ()

"""The fleet command while Salad fails: nothing is created twice, and a second run does what the first left."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.salad_fleet_driver import Fleet, empty_project
from tests.support.salad_fleet import document
from tests.support.salad_sim import Simulator, simulator


@pytest.fixture(scope="module")
def salad() -> Iterator[Simulator]:
    with simulator() as running:
        yield running


@pytest.fixture
def fleet(salad: Simulator, tmp_path: Path) -> Iterator[Fleet]:
    with empty_project(salad, tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("list_gpu_classes", {"status": 429, "retry_after": 7}),
        ("list_queues", {"status": 503, "html": True}),
        ("list_container_groups", {"cut": "before"}),
        ("create_queue", {"status": 429, "retry_after": 7}),
        ("create_queue", {"status": 503, "html": True}),
        ("create_queue", {"cut": "after"}),
        ("create_container_group", {"status": 503, "html": True}),
        ("create_container_group", {"cut": "before"}),
        ("create_container_group", {"cut": "after"}),
    ],
)
def test_a_passing_fault_costs_a_pause_and_never_a_second_creation(
    fleet: Fleet, operation: str, fault: dict[str, Any]
) -> None:
    planned = fleet.salad.plan_fault(operation, fault)
    assert fleet("apply", "--yes", content=document()).code == 0
    assert fleet.salad.happened(planned) == 1
    assert fleet.pauses == [fault.get("retry_after", 0.5)]
    assert set(fleet.groups()) == {"always", "scaled"}
    extra = 0 if fault == {"cut": "after"} else 1
    wanted = {"create_queue": 1, "create_container_group": 2}
    assert fleet.writes() == wanted | ({operation: wanted[operation] + extra} if operation in wanted else {})


@pytest.mark.parametrize("operation", ["update_container_group", "start_container_group"])
def test_a_change_whose_answer_was_lost_is_sent_again(fleet: Fleet, operation: str) -> None:
    fleet("apply", "--yes", content=document())
    fleet.salad.call("stop_container_group", container_group_name="always")
    fault = fleet.salad.plan_fault(operation, {"cut": "after"})
    assert fleet("apply", "--yes", content=document(defaults={"storage_mb": 2048})).code == 0
    assert (fleet.salad.happened(fault), fleet.pauses) == (1, [0.5])
    assert fleet("plan", "--detailed-exitcode").code == 0


def test_an_interrupted_apply_is_completed_by_the_next_run(fleet: Fleet) -> None:
    fleet("plan", content=document())
    fault = fleet.salad.plan_fault("create_container_group", {"status": 400})
    first = fleet("apply", "--yes")
    assert (first.code, fleet.salad.happened(fault)) == (1, 1)
    assert first.err == (
        "create_container_group always: Salad answered POST with 400: a planned fault. "
        "Done before that: queue jobs created. Run apply again: it does what is left.\n"
    )
    second = fleet("apply", "--yes")
    assert (second.code, second.out.splitlines()[-2:]) == (0, ["group always created", "group scaled created"])
    assert fleet("plan", "--detailed-exitcode").code == 0


def test_salad_down_for_good_is_one_sentence_after_bounded_tries(fleet: Fleet) -> None:
    fault = fleet.salad.plan_fault("list_gpu_classes", {"status": 503, "html": True}, times=20)
    said = fleet("plan", content=document())
    assert said.code == 1
    assert said.err.splitlines() == [
        "list_gpu_classes: Salad answered GET with 503: an HTML page; trying again in 8 s",
        "list_gpu_classes: Salad answered GET with 503: an HTML page",
    ]
    assert fleet.salad.happened(fault) == 6
    assert fleet.pauses == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_a_wrong_key_names_the_setting(fleet: Fleet) -> None:
    fleet.environment["SALAD_API_KEY"] = "wrong"
    said = fleet("status", content=document())
    assert (said.code, said.err) == (1, "list_gpu_classes: Salad does not know the key in SALAD_API_KEY (401)\n")
    assert fleet.pauses == []


@pytest.mark.parametrize(
    ("top", "word"), [({"organization": "other"}, "no organization other"), ({"project": "other"}, "no project other")]
)
def test_an_unknown_organization_or_project_is_one_sentence(fleet: Fleet, top: dict[str, str], word: str) -> None:
    said = fleet("apply", "--yes", content=document(**top))
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert f"Salad has {word} that the key in SALAD_API_KEY can see" in said.err


@pytest.mark.parametrize("operation", ["stop_container_group", "delete_container_group", "delete_queue"])
@pytest.mark.parametrize("fault", [{"cut": "after"}, {"status": 503, "html": True}])
def test_a_failed_call_while_destroying_is_repeated(fleet: Fleet, operation: str, fault: dict[str, Any]) -> None:
    fleet("apply", "--yes", content=document())
    planned = fleet.salad.plan_fault(operation, fault)
    assert fleet("destroy", "--yes").code == 0
    assert (fleet.salad.happened(planned), fleet.groups()) == (1, {})


def test_an_interrupted_destroy_is_completed_by_the_next_run(fleet: Fleet) -> None:
    fleet("apply", "--yes", content=document())
    fault = fleet.salad.plan_fault("delete_queue", {"status": 400})
    assert fleet("destroy", "--yes").code == 1
    assert fleet.salad.happened(fault) == 1
    said = fleet("destroy", "--yes")
    assert (said.code, said.out.splitlines()[-1]) == (0, "queue jobs destroyed")

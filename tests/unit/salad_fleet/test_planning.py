"""The plan changes what differs, refuses what Salad cannot change, and leaves what the tick sets."""

from typing import Any

import pytest

from infra.ops.fleet.bodies import group_body, group_patch
from infra.ops.fleet.desired import desired_fleet
from infra.ops.fleet.model import ENVIRONMENT, Plan
from infra.ops.fleet.parsing import FleetFileError
from infra.ops.fleet.planning import make_plan
from infra.ops.fleet.views import plan_view, status_view
from tests.support.salad_fleet import (
    FIXED,
    GPU_CLASSES,
    PlainSalad,
    actions,
    changed_fields,
    document,
    file_of,
    fleet_of,
    group,
)

RTX_3060 = next(one.id for one in GPU_CLASSES if one.name == "RTX 3060 (12 GB)")
RTX_3080 = next(one.id for one in GPU_CLASSES if one.name == "RTX 3080 (10 GB)")
SECRET = {"secret": "env:TOKEN_VALUE"}
PROBE = {"readiness": {"http": {"path": "/hc", "port": 8000}}}
AUTOSCALER = {"desired_queue_length": 1, "min_replicas": 0, "max_replicas": 5}
NETWORKING = {"auth": False, "port": 80, "protocol": "http"}


def salad_with(*groups: dict[str, Any], secrets: dict[str, str] | None = None, **top: Any) -> PlainSalad:
    """Returns a Salad to which a file has been applied."""
    salad = PlainSalad()
    salad.apply(make_plan(fleet_of(*groups, secrets=secrets, **top), salad.state()))
    return salad


def plan_of(salad: PlainSalad, *groups: dict[str, Any], secrets: dict[str, str] | None = None, **top: Any) -> Plan:
    return make_plan(fleet_of(*groups, secrets=secrets, **top), salad.state())


def test_an_empty_project_gets_queue_and_groups_in_order() -> None:
    plan = plan_of(PlainSalad())
    assert (plan.queue_action, list(actions(plan).items())) == ("create", [("always", "create"), ("scaled", "create")])


def test_a_plan_after_apply_is_empty() -> None:
    plan = plan_of(salad_with())
    assert plan.is_empty
    assert plan.reasons_against(accept_drift=False) == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"image": "registry/worker:2"}, {"image": ("registry/worker:1", "registry/worker:2")}),
        ({"priority": "low"}, {"priority": ("high", "low")}),
        ({"cpu": 4}, {"cpu": (2, 4)}),
        ({"memory_mb": 8192}, {"memory_mb": (4096, 8192)}),
        ({"shm_mb": 128}, {"shm_mb": (64, 128)}),
        ({"storage_mb": 2048}, {"storage_mb": (None, 2048)}),
        ({"display_name": "Workers"}, {"display_name": ("workers", "Workers")}),
        ({"command": ["run"]}, {"command": (None, ("run",))}),
        ({"countries": ["fr", "de"]}, {"countries": ((), ("de", "fr"))}),
        ({"gpu_classes": ["rtx 3080 (10 gb)"]}, {"gpu_classes": ((RTX_3060,), (RTX_3080,))}),
        ({"environment": {"ENGINE": "preview"}}, {"environment.ENGINE": (None, "preview")}),
        ({}, {}),
    ],
)  # fmt: skip
def test_each_field_that_differs_is_one_change_that_corrects_it(
    fields: dict[str, Any], expected: dict[str, tuple[Any, Any]]
) -> None:
    salad = salad_with(group())
    plan = plan_of(salad, group(**fields))
    assert changed_fields(plan, "workers") == expected
    salad.apply(plan)
    assert plan_of(salad, group(**fields)).is_empty


@pytest.mark.parametrize("field", ["countries", "command", "probes"])
def test_a_field_that_the_file_no_longer_has_is_removed(field: str) -> None:
    given: dict[str, Any] = {"countries": ["de"], "command": ["run"], "probes": PROBE}
    salad = salad_with(group(**{field: given[field]}))
    salad.apply(plan_of(salad, group()))
    assert plan_of(salad, group()).is_empty
    assert not salad.answers()[0].get({"countries": "country_codes", "probes": "readiness_probe"}.get(field, field))


def test_the_order_of_gpus_and_countries_is_no_change() -> None:
    gpus = ["RTX 3060 (12 GB)", "RTX 3080 (10 GB)"]
    salad = salad_with(group(gpu_classes=gpus, countries=["de", "fr"]))
    assert plan_of(salad, group(gpu_classes=gpus[::-1], countries=["fr", "de"])).is_empty


def test_the_replicas_of_a_scaled_group_are_left_to_the_tick() -> None:
    salad = salad_with(group("scaled"))
    salad.patch_group("scaled", {"replicas": 7})
    plan = plan_of(salad, group("scaled", image="registry/worker:2"))
    assert set(changed_fields(plan, "scaled")) == {"image"}
    assert "replicas" not in group_patch(plan.groups[0].desired, plan.groups[0].changes)
    least = {"mode": "tick", "min": 3, "max": 9, "warm_seconds": 1}
    assert group_body(fleet_of(group(scaling=least)).groups[0])["replicas"] == 3


def test_the_replicas_of_the_fixed_group_come_from_the_file() -> None:
    salad = salad_with(group(scaling=FIXED))
    salad.patch_group("workers", {"replicas": 7})
    assert changed_fields(plan_of(salad, group(scaling=FIXED)), "workers") == {"replicas": (7, 1)}


def test_a_stopped_fixed_group_is_started_and_a_stopped_scaled_group_is_not() -> None:
    salad = salad_with()
    for name in ("always", "scaled"):
        salad.stop_group(name)
    plan = plan_of(salad)
    assert actions(plan) == {"always": "change", "scaled": "leave"}
    salad.apply(plan)
    assert plan_of(salad).is_empty


def test_a_group_of_that_name_on_another_queue_or_on_none_is_refused() -> None:
    salad = salad_with()
    salad.create_queue({"name": "other"})
    elsewhere = group_body(fleet_of(group("elsewhere"), queue={"name": "other"}).groups[0])
    salad.create_group(elsewhere)
    salad.create_group({**{k: v for k, v in elsewhere.items() if k != "queue_connection"}, "name": "alone"})
    plan = plan_of(salad, group("elsewhere"), group("alone"))
    reasons = plan.reasons_against(accept_drift=True)
    assert [reason.partition(";")[0] for reason in reasons] == [
        "elsewhere: the name is taken by a container group that is attached to the queue other",
        "alone: the name is taken by a container group that is attached to no queue",
    ]


def test_another_port_or_path_of_the_queue_is_refused() -> None:
    plan = plan_of(salad_with(group()), group(queue_connection={"port": 9000}))
    (reason,) = plan.reasons_against(accept_drift=True)
    assert "sends jobs to port 8000, /generate, the file says port 9000, /generate" in reason


def test_a_probe_of_another_kind_is_refused_since_a_merge_patch_would_leave_both() -> None:
    plan = plan_of(salad_with(group(probes=PROBE)), group(probes={"readiness": {"tcp": {"port": 8000}}}))
    (reason,) = plan.reasons_against(accept_drift=True)
    assert "readiness_probe is of the kind http, the file says tcp" in reason


def test_salads_own_autoscaler_is_refused_whatever_is_accepted() -> None:
    salad = salad_with(group())
    salad.patch_group("workers", {"queue_autoscaler": AUTOSCALER})
    (reason,) = plan_of(salad, group()).reasons_against(accept_drift=True)
    assert "Salad's own autoscaler is on" in reason


def test_scheduled_scaling_is_switched_off() -> None:
    salad = salad_with(group())
    salad.patch_group("workers", {"scheduled-scaling-enabled": True})
    assert changed_fields(plan_of(salad, group()), "workers") == {"scheduled_scaling": (True, False)}


@pytest.mark.parametrize(
    ("patch", "word"),
    [
        ({"networking": NETWORKING}, "it has networking"),
        ({"container": {"logging": {"tcp": {"host": "logs.example", "port": 1}}}}, "it has logging"),
        ({"container": {"environment_variables": {"LEFT_OVER": "hunter2-secret"}}}, "environment.LEFT_OVER is set"),
    ],
)
def test_drift_that_the_file_cannot_express_is_refused_until_it_is_accepted(patch: dict[str, Any], word: str) -> None:
    salad = salad_with(group())
    merged = salad.answers()[0]
    merged.update({name: part for name, part in patch.items() if name != "container"})
    merged["container"].update(patch.get("container", {}))
    plan = make_plan(fleet_of(group()), salad.state(answers=[merged]))
    (reason,) = plan.reasons_against(accept_drift=False)
    assert word in reason
    assert "hunter2-secret" not in reason
    assert plan.reasons_against(accept_drift=True) == ()


def test_an_unknown_setting_of_salad_is_drift_unless_it_is_off() -> None:
    salad = salad_with(group())
    (answer,) = salad.answers()
    for value, reasons in (({"on": True}, 1), (None, 0), (False, 0), ([], 0)):
        plan = make_plan(fleet_of(group()), salad.state(answers=[{**answer, "hibernation": value}]))
        assert len(plan.reasons_against(accept_drift=False)) == reasons


def test_a_group_on_our_queue_that_the_file_does_not_name_is_shown_and_not_changed() -> None:
    plan = plan_of(salad_with(), group("always", scaling=FIXED))
    assert [one.name for one in plan.unmanaged] == ["scaled"]
    assert plan.is_empty


def test_a_quota_that_is_too_small_is_one_sentence_that_counts_other_groups() -> None:
    salad = PlainSalad(quota=20)
    assert plan_of(salad).reasons_against(accept_drift=True) == ()
    salad.create_queue({"name": "other"})
    salad.create_group(group_body(fleet_of(group("foreign", scaling=FIXED), queue={"name": "other"}).groups[0]))
    (reason,) = plan_of(salad).reasons_against(accept_drift=True)
    assert reason.startswith(
        "the quota of 20 replicas is too small: the file's groups may have 20 in all, in addition to 1 of other groups"
    )


def test_an_unknown_gpu_is_refused_with_its_place_and_the_nearest() -> None:
    file = file_of(group(), group("second", gpu_classes=["RTX 3080 (10 GB)", "RTX 3081 (10GB)"]))
    with pytest.raises(FleetFileError) as caught:
        desired_fleet(file, {}, GPU_CLASSES)
    (fault,) = caught.value.faults
    assert fault.startswith(
        "groups[1].gpu_classes[1]: Salad has no GPU class 'RTX 3081 (10GB)'; the nearest are RTX 3080 (10 GB)"
    )


def test_a_gpu_may_be_named_by_its_id() -> None:
    assert fleet_of(group(gpu_classes=[RTX_3080])).groups[0].fields["gpu_classes"] == (RTX_3080,)


def test_a_secret_that_differs_is_sent_but_never_shown() -> None:
    wanted = group(environment={"TOKEN": SECRET})
    salad = salad_with(wanted, secrets={"env:TOKEN_VALUE": "old-hunter2"})
    assert plan_of(salad, wanted, secrets={"env:TOKEN_VALUE": "old-hunter2"}).is_empty
    plan = plan_of(salad, wanted, secrets={"env:TOKEN_VALUE": "new-hunter2"})
    assert group_patch(plan.groups[0].desired, plan.groups[0].changes) == {
        "container": {"environment_variables": {"TOKEN": "new-hunter2"}}
    }
    (shown,) = plan_view(plan, salad.state())["groups"][0]["changes"]
    assert shown == {"field": "environment.TOKEN", "old": "(secret, differs)", "new": "(secret)"}
    assert "hunter2" not in repr(plan)


def test_a_value_at_salad_is_not_shown_even_if_the_file_has_a_plain_one() -> None:
    salad = salad_with(group(environment={"MODE": SECRET}), secrets={"env:TOKEN_VALUE": "hunter2-secret"})
    plan = make_plan(fleet_of(group(environment={"MODE": "plain"})), salad.state())
    view = plan_view(plan, salad.state())
    assert {"field": "environment.MODE", "old": "(another value)", "new": "plain"} in view["groups"][0]["changes"]
    assert "hunter2" not in repr(view)


def test_status_does_not_compare_secrets_that_it_does_not_know() -> None:
    wanted = group(environment={"TOKEN": SECRET})
    salad = salad_with(wanted, secrets={"env:TOKEN_VALUE": "hunter2-secret"})
    plan = plan_of(salad, wanted)
    assert plan.is_empty
    assert status_view(plan, salad.state(), 1)["groups"][0]["drift"] == "no"


def test_registry_credentials_are_sent_at_creation_with_a_new_image_and_on_request() -> None:
    credentials = {"basic": {"username": "reader", "password": {"secret": "env:PASSWORD"}}}
    secrets = {"env:PASSWORD": "hunter2-secret"}
    sent = {"basic": {"username": "reader", "password": "hunter2-secret"}}
    wanted = group(registry_credentials=credentials)
    salad = salad_with(wanted, secrets=secrets)
    assert salad.world.groups["workers"].body["container"]["registry_authentication"] == sent
    fleet = fleet_of(wanted, secrets=secrets)
    assert make_plan(fleet, salad.state()).is_empty, "they cannot be read back, so alone they are no change"
    asked = make_plan(fleet, salad.state(), send_credentials=True).groups[0]
    assert group_patch(asked.desired, asked.changes) == {"container": {"registry_authentication": sent}}
    newer = plan_of(salad, {**wanted, "image": "registry/worker:2"}, secrets=secrets).groups[0]
    assert group_patch(newer.desired, newer.changes)["container"] == {
        "image": "registry/worker:2", "registry_authentication": sent,
    }  # fmt: skip
    assert "hunter2" not in repr(plan_view(plan_of(PlainSalad(), wanted, secrets=secrets), salad.state()))


def test_prices_are_those_of_the_groups_classes_and_priorities() -> None:
    both = ["RTX 3060 (12 GB)", "RTX 3080 (10 GB)"]
    fleet = fleet_of(group("always", scaling=FIXED), group("scaled", gpu_classes=both, priority="batch"))
    salad = PlainSalad()
    view = plan_view(make_plan(fleet, salad.state()), salad.state())
    rows = [(row["group"], row["gpu_class"], row["usd_hour"], row["replicas"]) for row in view["prices"]]
    assert rows == [
        ("always", "RTX 3060 (12 GB)", "0.08", "1"),
        ("scaled", "RTX 3060 (12 GB)", "0.04", "0-19"),
        ("scaled", "RTX 3080 (10 GB)", "0.06", "0-19"),
    ]
    assert view["usd"] == {"least_hour": "0.08", "least_day": "1.92", "most_hour": "1.22", "most_day": "29.28"}


def test_fields_of_the_environment_cannot_be_mistaken_for_others() -> None:
    fleet = fleet_of(group(environment={"replicas": "3", "image": "x"}))
    body = group_body(fleet.groups[0])
    assert body["container"]["environment_variables"] == {"replicas": "3", "image": "x"}
    assert {ENVIRONMENT + "replicas", ENVIRONMENT + "image"} <= set(fleet.groups[0].fields)
    assert document()["groups"][0]["image"] == body["container"]["image"]

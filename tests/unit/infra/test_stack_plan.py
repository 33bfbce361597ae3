"""Guards the launcher's decisions: its settings, which process gets which variable, and the ready line."""

import json
import sys
from pathlib import Path

import pytest

from infra.local.stack.environments import (
    RECEIVERS,
    function_environment,
    gateway_environment,
    machine_environment,
    salad_environment,
    worker_environment,
)
from infra.local.stack.plan import Plan, choose_ports, draw_credentials, ready_line
from infra.local.stack.salad_setup import container_group
from infra.local.stack.settings import SettingsError, read_settings
from infra.tools.package import FUNCTIONS

SQLITE = {"STORE", "SQLITE_PATH", "REHEARSAL_MODE", "API_CLIENTS"}
SALAD = {
    "SALAD_API_URL",
    "SALAD_API_KEY",
    "SALAD_ORG_NAME",
    "SALAD_PROJECT_NAME",
    "SALAD_QUEUE_NAME",
    "PUBLIC_BASE_URL",
}
MINT = {"WORKER_UPLOAD_KEYS", "B2_MINT_KEY_ID", "B2_MINT_APP_KEY", "B2_API_URL"}
B2 = {"B2_KEY_ID", "B2_APP_KEY", "B2_BUCKET_NAME", "B2_PREFIX", "B2_S3_ENDPOINT", "B2_REGION", "B2_DOWNLOAD_URL"}
EXPECTED = {
    "submit_job": SQLITE
    | SALAD
    | B2
    | MINT
    | {"REPORT_TOKEN_SECRETS", "SUBMIT_MAX_INSTANCES", "WAKE_JOB", "WAKE_API_URL"},
    "job_status": SQLITE | B2,
    "salad_webhook": SQLITE | B2 | {"REPORT_TOKEN_SECRETS", "SALAD_WEBHOOK_SECRETS"},
    "scale_tick": SQLITE | SALAD | B2 | MINT | {"REPORT_TOKEN_SECRETS", "TICK_PERIOD_SEC"},
}


def make_plan(**environment: str) -> Plan:
    settings = read_settings(environment)
    return Plan(settings, draw_credentials(settings.clients), choose_ports(settings.port), Path("/state"))


def test_the_defaults_are_the_documented_ones() -> None:
    settings = read_settings({"PORT": "", "STORE": ""})
    assert (settings.port, settings.store, settings.replicas, settings.tick_sec) == (0, "sqlite", 2, 5)
    assert len(settings.clients) >= 2
    assert settings.queue_worker == ""


def test_wrong_settings_get_one_message_that_names_all(tmp_path: Path) -> None:
    wrong = {
        "PORT": "-1",
        "STORE": "postgres",
        "REPLICAS": "many",
        "TICK_SEC": "0",
        "CLIENTS": "alone",
        "SALAD_QUEUE_WORKER": str(tmp_path / "none"),
        "WORKER_COMMAND": "no-such-program --flag",
    }
    with pytest.raises(SettingsError) as refused:
        read_settings(wrong)
    lines = str(refused.value).splitlines()
    assert [line.split()[0] for line in lines] == list(wrong)
    assert "STORE must be sqlite or firestore, not 'postgres'" in lines


@pytest.mark.parametrize("command", [" ", "'unclosed", "no-such-program"])
def test_a_worker_command_names_a_program_that_can_be_found(command: str) -> None:
    with pytest.raises(SettingsError, match="WORKER_COMMAND"):
        read_settings({"WORKER_COMMAND": command})


def test_a_worker_command_replaces_the_simulators_own_default() -> None:
    assert "SALAD_SIM_WORKER_COMMAND" not in salad_environment(make_plan())
    given = f"{sys.executable} 'a fake.py'"
    assert salad_environment(make_plan(WORKER_COMMAND=given))["SALAD_SIM_WORKER_COMMAND"] == given


@pytest.mark.parametrize("clients", ["a,a", "a,", "a,b c", "a,ü"])
def test_clients_are_at_least_two_different_names(clients: str) -> None:
    with pytest.raises(SettingsError, match="CLIENTS"):
        read_settings({"CLIENTS": clients})


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_gets_its_variables_and_no_other(function: str) -> None:
    assert set(function_environment(function, make_plan(), "whsec_x")) == EXPECTED[function]


def test_the_store_decides_its_variables() -> None:
    plan = make_plan(STORE="firestore")
    found = function_environment("job_status", plan, "whsec_x")
    assert found["FIRESTORE_EMULATOR_HOST"] == f"127.0.0.1:{plan.ports.firestore}"
    assert "SQLITE_PATH" not in found


def test_every_variable_has_a_receiver_and_the_public_functions_hold_no_salad_key() -> None:
    assert all(receivers <= set(FUNCTIONS) and receivers for receivers in RECEIVERS.values())
    assert RECEIVERS["SALAD_API_KEY"] == {"submit_job", "scale_tick"}


def test_children_inherit_nothing_of_our_environment() -> None:
    own = {"PATH": "/bin", "PYTHONPATH": "/elsewhere", "AWS_SECRET_ACCESS_KEY": "x", "HTTP_PROXY": "http://proxy"}
    assert machine_environment(own) == {"PATH": "/bin", "PYTHONUNBUFFERED": "1"}


def test_scale_tick_is_not_behind_the_gateway() -> None:
    plan = make_plan()
    urls = set(gateway_environment(plan).values())
    assert not any(url.endswith(f":{plan.ports.functions['scale_tick'][0]}") for url in urls)


def test_ports_are_all_different_and_the_gateways_is_the_one_asked_for() -> None:
    ports = choose_ports(0, instances=2)
    functions = [port for several in ports.functions.values() for port in several]
    used = [ports.gateway, ports.salad, ports.b2, ports.media, ports.firestore, *functions]
    assert len(set(used)) == len(used) == 12
    assert len(ports.functions["scale_tick"]) == 1
    assert choose_ports(used[0]).gateway == used[0]


def test_the_ready_line_has_the_documented_keys_and_fresh_secrets() -> None:
    line = ready_line(make_plan(CLIENTS="b,a", PORT="8123"))
    documented = (
        "event api api_keys callback_secrets callback_secret salad salad_api_key organization project queue b2 media"
    )
    assert set(documented.split()) <= set(line)
    assert (line["event"], line["api"]) == ("ready", "http://127.0.0.1:8123")
    assert line["callback_secret"] == line["callback_secrets"]["b"]  # type: ignore[index]
    assert json.dumps(line) != json.dumps(ready_line(make_plan(CLIENTS="b,a", PORT="8123")))


def test_secrets_do_not_show_when_a_plan_is_printed() -> None:
    plan = make_plan()
    drawn = plan.credentials
    secrets = {drawn.salad_api_key, drawn.report_token_secret, drawn.b2_app_key}
    secrets |= {*drawn.api_keys.values(), *drawn.callback_secrets.values()}
    assert not [secret for secret in secrets if secret in repr(plan)]


def test_the_container_group_is_what_the_worker_needs() -> None:
    plan = make_plan(REPLICAS="3")
    group = container_group(plan, "7f6a7c9e-0000-4000-8000-000000000000")
    assert (group["replicas"], group["queue_connection"]["path"]) == (3, "/generate")
    assert group["readiness_probe"]["http"]["path"] == "/hc"
    assert group["container"]["environment_variables"] == worker_environment(plan)
    assert "queue_autoscaler" not in group

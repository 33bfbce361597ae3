"""Every fault of fleet.yaml is reported at once with its place, and the file in infra/salad is valid."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.ops.fleet.arguments import DEFAULT_FILE
from infra.ops.fleet.file_model import COUNTRIES, FleetFile, Group
from infra.ops.fleet.parsing import FleetFileError, parse
from infra.ops.fleet.settings import SettingsError, read_settings
from tests.support.salad_fleet import FIXED, SPEC, document, file_of, group, text_of

ROOT = Path(__file__).parents[3]
NAMING = "must have 2 to 63 characters of a-z, 0-9 and -, begin with a letter and not end with -"


def faults_of(text: str) -> list[str]:
    with pytest.raises(FleetFileError) as caught:
        parse(text)
    return list(caught.value.faults)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"name": "Workers"}, f"name: {NAMING}"),
        ({"name": "w"}, f"name: {NAMING}"),
        ({"name": "workers-"}, f"name: {NAMING}"),
        ({"image": None}, "image: is missing"),
        ({"image": "a b"}, "image: must be the name of an image, without spaces"),
        ({"gpu_classes": []}, "gpu_classes: must not be empty"),
        ({"gpu_classes": "RTX"}, "gpu_classes: must be a list"),
        ({"gpu_classes": [3060]}, "gpu_classes[0]: must be text; write it in quotes"),
        ({"priority": "urgent"}, "priority: must be 'high', 'medium', 'low' or 'batch'"),
        ({"cpu": 0}, "cpu: must be at least 1"),
        ({"cpu": 1025}, "cpu: must be at most 1024"),
        ({"cpu": "2"}, "cpu: must be a whole number"),
        ({"memory_mb": 1023}, "memory_mb: must be at least 1024"),
        ({"storage_mb": 1}, "storage_mb: must be at least 1024"),
        ({"shm_mb": 63}, "shm_mb: must be at least 64"),
        ({"memry_mb": 1}, "memry_mb: is not a known field; did you mean memory_mb?"),
        ({"countries": ["DE"]}, "countries[0]: Salad knows no country 'DE'; codes are two small letters, such as de"),
        ({"countries": [False]}, 'countries[0]: must be text: write "no" in quotes, because YAML reads it as false'),
        ({"environment": {"ENGINE": 8}}, "environment.ENGINE: must be text; write it in quotes"),
        ({"environment": {"ENGINE": ""}}, "environment.ENGINE: does not have the form ^[^\\r\\n]+$"),
        ({"environment": {"X": {"secret": "KEY"}}}, 'environment.X.secret: must be "env:NAME" or "file:/path"'),
        (
            {"environment": {"B2_APP_KEY": "abc"}},
            'environment.B2_APP_KEY: looks like a secret; write {secret: "env:B2_APP_KEY"} instead',
        ),
        (
            {"registry_credentials": {"basic": {"username": "u", "password": "p"}}},
            'registry_credentials.basic.password: must be {secret: "env:NAME"}',
        ),
        (
            {"registry_credentials": {}},
            "registry_credentials: needs exactly one of basic, docker_hub, gcp_gar, gcp_gcr, aws_ecr",
        ),
        ({"probes": {"readiness": {}}}, "probes.readiness: needs exactly one of http, tcp, exec"),
        (
            {"probes": {"readiness": {"http": {"path": "hc", "port": 8000}}}},
            "probes.readiness.http.path: does not have the form ^/[^\\s]*$",
        ),
        (
            {"probes": {"readiness": {"tcp": {"port": 1}, "period_seconds": 121}}},
            "probes.readiness.period_seconds: must be at most 120",
        ),
        ({"queue_connection": {"port": 0}}, "queue_connection.port: must be at least 1"),
        ({"scaling": None}, "scaling: is missing"),
        ({"scaling": {"mode": "auto"}}, "scaling: mode must be fixed or tick"),
        ({"scaling": {"replicas": 1}}, "scaling: needs mode: fixed or mode: tick"),
        ({"scaling": {**FIXED, "replicas": -1}}, "scaling.replicas: must be at least 0"),
        (
            {"scaling": {**FIXED, "max": 1}},
            "scaling.max: is not a known field; known fields are mode, replicas, warm_seconds",
        ),
        ({"scaling": {"mode": "tick", "max": 1, "warm_seconds": 1}}, "scaling.min: is missing"),
        (
            {"scaling": {"mode": "tick", "min": 3, "max": 2, "warm_seconds": 1}},
            "scaling: min is 3, more than max, which is 2",
        ),
        (
            {"scaling": {"mode": "tick", "min": 0, "max": 501, "warm_seconds": 1}},
            "scaling.max: must be at most 500",
        ),
        ({"scaling": {**FIXED, "warm_seconds": 0}}, "scaling.warm_seconds: must be more than 0"),
    ],
)  # fmt: skip
def test_a_fault_of_a_group_is_named_with_its_place(fields: dict[str, Any], fault: str) -> None:
    assert faults_of(text_of(document(group(**fields)))) == [f"groups[0].{fault}"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the file must be a mapping of names to values: organization, project, queue, defaults, groups"),
        ("[", "line 1: expected the node content, but found '<stream end>'"),
        ("queue: {}\nqueue: {}\n", "line 1: queue occurs twice in one mapping"),
        (text_of(document(groups=[])), "groups: must not be empty"),
        (text_of(document(groups=[3])), "groups[0]: must be a mapping of names to values"),
        (text_of(document(organization="Acme")), f"organization: {NAMING}"),
        (
            text_of(document(queue={"name": "jobs", "descr": "x"})),
            "queue.descr: is not a known field; did you mean description?",
        ),
        (text_of(document(defaults=3)), "defaults: must be a mapping of names to values"),
        (text_of(document(defaults={"name": "x"})), "defaults.name: must be set in each group, not in defaults"),
        (
            text_of(document(defaults={"memry_mb": 1})),
            "defaults.memry_mb: is not a known field; did you mean memory_mb?",
        ),
        (
            text_of(document(group(cpu=None), group("bb", cpu=None), defaults={"cpu": 0})),
            "defaults.cpu: must be at least 1",
        ),
        (text_of(document(group("a1"), group("a1"))), "groups: a1 is the name of 2 groups"),
        (
            text_of(document(group("a1", scaling=FIXED), group("a2", scaling=FIXED))),
            "groups: a1, a2 are all fixed; "
            "at most one group may be, because the tick has one setting for always-on replicas",
        ),
    ],
)  # fmt: skip
def test_a_fault_of_the_file_is_named(text: str, fault: str) -> None:
    assert faults_of(text) == [fault]


def test_a_misspelt_reference_is_reported_with_the_right_spelling() -> None:
    faults = faults_of(text_of(document(group(environment={"X": {"secert": "env:X"}}))))
    assert faults[-1] == "groups[0].environment.X.secert: is not a known field; did you mean secret?"


def test_all_faults_are_named_at_once() -> None:
    wrong = document(group(cpu=0, image=None), group("b2", priority="x"), project="P")
    assert [fault.partition(":")[0] for fault in faults_of(text_of(wrong))] == [
        "project", "groups[0].image", "groups[0].cpu", "groups[1].priority",
    ]  # fmt: skip


def test_defaults_fill_what_a_group_leaves_out_and_environments_merge_by_name() -> None:
    defaults = {"cpu": 8, "priority": "low", "environment": {"ENGINE": "preview", "PORT": "8000"}}
    own = group(cpu=None, environment={"PORT": "9000"})
    (read,) = file_of(own, defaults=defaults).groups
    assert (read.cpu, read.priority) == (8, "high")
    assert read.environment == {"ENGINE": "preview", "PORT": "9000"}


def test_the_file_in_the_repository_is_valid_and_the_worker_reads_its_variables() -> None:
    example = parse(DEFAULT_FILE.read_text())
    documented = set(
        re.findall(r"^\| `([A-Z0-9_]+)` \|", (ROOT / "docs/environment-worker.md").read_text(), re.MULTILINE)
    )
    for one in example.groups:
        assert set(one.environment) <= documented
        assert one.environment["ENGINE"] == "musetalk_cold"
        assert not any(name.startswith("B2_") for name in one.environment), "each job brings its own storage key"
    assert [(one.name, one.scaling.mode) for one in example.groups] == [
        ("avatar-3060", "fixed"),
        ("avatar-3080", "tick"),
    ]


def test_the_file_in_the_repository_has_the_fields_that_terraform_reads() -> None:
    written = json.loads(json.dumps(document()))
    read = FleetFile.model_validate(written).model_dump()
    assert {"organization", "project", "queue", "groups"} <= set(read)
    assert set(read["groups"][0]["scaling"]) == {"mode", "replicas", "warm_seconds"}
    assert set(read["groups"][1]["scaling"]) == {"mode", "min", "max", "warm_seconds"}


def test_bounds_and_lists_are_those_of_salads_file() -> None:
    schemas = SPEC.document["components"]["schemas"]
    ours = Group.model_json_schema()["properties"]
    resources = schemas["CreateContainerResourceRequirements"]["properties"]
    for field, name in (("cpu", "cpu"), ("memory_mb", "memory"), ("shm_mb", "shm_size")):
        assert (ours[field]["minimum"], ours[field]["maximum"]) == (
            resources[name]["minimum"],
            resources[name]["maximum"],
        )
    storage = next(part for part in ours["storage_mb"]["anyOf"] if "minimum" in part)
    amount = resources["storage_amount"]
    assert (storage["minimum"] * 2**20, storage["maximum"] * 2**20) == (amount["minimum"], amount["maximum"])
    assert set(schemas["CountryCode"]["enum"]) == COUNTRIES
    assert ours["priority"]["enum"] == [one for one in schemas["ContainerGroupPriority"]["enum"] if one]


@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        ({}, "SALAD_API_KEY is not set"),
        ({"SALAD_API_KEY": "a b"}, "characters that no key has"),
        ({"SALAD_API_KEY": "k", "SALAD_API_URL": "http://api.salad.com"}, "must begin with https://"),
    ],
)
def test_settings_that_cannot_work_are_refused(environment: dict[str, str], fault: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(fault)):
        read_settings(environment)


def test_the_readme_explains_every_field_and_every_option() -> None:
    page = (ROOT / "infra/salad/README.md").read_text()
    fields = {*FleetFile.model_fields, *Group.model_fields, "defaults"}
    assert {name for name in fields if f"`{name}`" not in page} == set()
    options = set(re.findall(r'"(--[a-z-]+)"', (ROOT / "infra/ops/fleet/arguments.py").read_text()))
    assert {name for name in options if f"| `{name}" not in page} == set()

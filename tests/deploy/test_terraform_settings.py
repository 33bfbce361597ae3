"""Terraform sets the settings that the functions read and no others, and the code accepts their values."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from avatar_jobs.bootstrap import job_status, salad_webhook, scale_tick, submit_job
from avatar_jobs.settings import Environment
from infra.tools.package import FUNCTIONS
from tests.deploy.deployed import deployed_environment
from tests.deploy.terraform_root import TerraformRoot, resources

BUILDERS = {
    "submit_job": submit_job.build,
    "job_status": job_status.build,
    "salad_webhook": salad_webhook.build,
    "scale_tick": scale_tick.build,
}

# Read by the code and rightly left to its default in the cloud.
NOT_SET = {
    "REHEARSAL_MODE": "opens the guard for loopback: never in the cloud",
    "SQLITE_PATH": "only with STORE=sqlite, which lives on one machine",
    "SALAD_API_URL": "Salad's own; another is a rehearsal",
    "B2_API_URL": "B2's own; another is a rehearsal",
    "WAKE_API_URL": "Cloud Scheduler's own; another is a rehearsal",
}
# Set for what stands around our code.
NOT_OURS = {"THREADS": "functions-framework", "LOG_EXECUTION_ID": "the cloud's own logging"}


class Recording(Mapping[str, str]):
    """A function's environment that records which settings are read."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return self._variables.get(name, default)

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_deployed_environment_makes_a_function_that_starts(plan: dict[str, Any], function: str) -> None:
    BUILDERS[function](Environment(deployed_environment(plan, function)))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_the_code_reads_and_what_terraform_sets_is_the_same(plan: dict[str, Any], function: str) -> None:
    environment = Recording(deployed_environment(plan, function))
    BUILDERS[function](Environment(environment))
    assert environment.asked - NOT_SET.keys() == set(environment) - NOT_OURS.keys()


def test_the_exceptions_are_still_read_by_some_function_and_set_for_none(plan: dict[str, Any]) -> None:
    asked: set[str] = set()
    for function in FUNCTIONS:
        environment = Recording(deployed_environment(plan, function))
        BUILDERS[function](Environment(environment))
        asked |= environment.asked
        assert environment.keys() & NOT_SET.keys() == set()
    asked |= {"SQLITE_PATH"}  # read only where STORE says sqlite
    assert NOT_SET.keys() <= asked


def test_the_example_alone_makes_functions_that_start(terraform: TerraformRoot) -> None:
    plan = terraform.planned()
    for function in FUNCTIONS:
        environment = deployed_environment(plan, function)
        assert not [name for name, value in environment.items() if value == ""]
        BUILDERS[function](Environment(environment))


def test_workers_with_a_key_of_their_own_need_no_minting_key(terraform: TerraformRoot) -> None:
    plan = terraform.planned(worker_upload_keys="node")
    for function in FUNCTIONS:
        environment = deployed_environment(plan, function)
        assert not [name for name in environment if "MINT" in name]
        BUILDERS[function](Environment(environment))
    assert "b2_mint_app_key" not in resources(plan, "google_secret_manager_secret")

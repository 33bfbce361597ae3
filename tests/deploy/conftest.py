"""Fixtures of the deployment tests: terraform on a copy of the root, and one plan with every option set."""

import os
import shutil
from typing import Any

import pytest

from tests.deploy.terraform_root import PYTHON, TerraformRoot
from tests.support.system import system

__all__ = ["system"]  # a fixture

# Every option on, so that each resource and each setting is in the plan.
EVERY_OPTION: dict[str, Any] = {
    "domain": "avatar.example.com",
    "budget": {"billing_account": "012345-6789AB-CDEF01", "monthly_usd": 100},
    "secret_adders": ["group:platform@example.com"],
    "scaling": {
        "rule": "drain", "preset": "eco", "max_replicas": 20, "daily_budget_usd": 40, "observe_only": False,
        "drain_seconds": 60, "hold_seconds": 180, "floor": 0, "slack": 0, "stuck_seconds": 1200,
        "manual_hold_seconds": 900, "queue_includes_running": False,
        "windowed": {
            "up_jobs": 2, "down_jobs": 0.5, "up_window_seconds": 900, "down_window_seconds": 3600, "step": 1,
            "up_cooldown_seconds": 300, "down_cooldown_seconds": 900,
        },
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> TerraformRoot:
    """The root, copied and initialised. Without terraform CI fails; elsewhere the tests are skipped."""
    lacking = [
        what for what, found in (("terraform", shutil.which("terraform")), (str(PYTHON), PYTHON.exists())) if not found
    ]
    if lacking and not os.environ.get("CI"):
        pytest.skip(f"NOT TESTED: the Terraform root, for want of {' and '.join(lacking)}")
    assert not lacking, f"{lacking} must be there in CI"
    return TerraformRoot.copied_to(tmp_path_factory.mktemp("terraform"))


@pytest.fixture(scope="session")
def plan(terraform: TerraformRoot) -> dict[str, Any]:
    """The plan with every option set, as `terraform show -json` gives it."""
    return terraform.planned(**EVERY_OPTION)

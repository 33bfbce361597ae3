"""checkov finds no fault in the root, and each rule that is skipped has its reason in the file."""

import json
import os
import subprocess

from infra.tools.package import ROOT
from tests.deploy.terraform_root import PYTHON, TerraformRoot

SKIPPED = {
    ("CKV_GCP_124", "google_cloudfunctions2_function.functions"),
    ("CKV_GCP_84", "google_artifact_registry_repository.functions"),
    ("CKV_GCP_84", "google_artifact_registry_repository.worker"),
    ("CKV_GCP_62", "google_storage_bucket.source"),
}
MIN_REASON = 30  # characters: a reason, not a word


def test_checkov_finds_no_fault_and_every_skipped_rule_has_a_reason(terraform: TerraformRoot) -> None:
    done = subprocess.run(
        [str(PYTHON.with_name("checkov")), "--directory", str(ROOT / "infra" / "terraform"), "--framework", "terraform",
         "--skip-download", "--compact", "--output", "json"],
        # its look for a newer rule book is sent nowhere: the verdict is this version's
        env={"PATH": os.environ["PATH"], "HOME": str(terraform.folder), "HTTPS_PROXY": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )  # fmt: skip
    report = json.loads(done.stdout)
    found = report["results"]
    assert [(one["check_id"], one["resource"]) for one in found["failed_checks"]] == [], done.stderr
    assert {(one["check_id"], one["resource"]) for one in found["skipped_checks"]} == SKIPPED
    reasons = [one["check_result"]["suppress_comment"] for one in found["skipped_checks"]]
    assert all(len(reason) >= MIN_REASON for reason in reasons)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 30

"""Runs the real terraform over a temporary copy of infra/terraform, with the stand-in for Google's provider."""

import gzip
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.tools.package import ROOT, package_all

STAND_IN = Path(__file__).parent / "google_stand_in"
PYTHON = ROOT / ".venv-terraform" / "bin" / "python"
PLUGIN = Path("registry.terraform.io/hashicorp/google/7.45.0/linux_amd64")
NOT_COPIED = shutil.ignore_patterns(".terraform*", "*.tfstate*", "terraform.tfvars")
TIMEOUT_SEC = 240
MIRROR = """\
provider_installation {{
  filesystem_mirror {{
    path    = "{mirror}"
    include = ["registry.terraform.io/*/*"]
  }}
}}
disable_checkpoint = true
"""
LOCAL_STATE = 'terraform {\n  backend "local" {}\n}\n'  # the bucket of the real one does not exist here


def install_stand_in(folder: Path) -> Path:
    """Puts the stand-in into a mirror below the folder; returns the CLI configuration that points there."""
    plugin = folder / "mirror" / PLUGIN
    plugin.mkdir(parents=True)
    (plugin / "google.json.gz").write_bytes(gzip.compress(json.dumps(_facts_in_use()).encode()))
    shutil.copy(STAND_IN / "rules.py", plugin)
    program = plugin / "terraform-provider-google_v7.45.0"
    program.write_text(f"#!{PYTHON}\n{(STAND_IN / 'provider.py').read_text()}")
    program.chmod(0o755)
    configuration = folder / "terraformrc"
    configuration.write_text(MIRROR.format(mirror=folder / "mirror"))
    return configuration


def _facts_in_use() -> dict[str, Any]:
    """Returns the provider's schema of the types that the root names: all 1,344 would cost a second at every start."""
    facts = json.loads(gzip.decompress((STAND_IN / "google-7.45.0.json.gz").read_bytes()))
    text = "".join(path.read_text() for path in (ROOT / "infra" / "terraform").glob("*.tf"))
    used = set(re.findall(r'^resource "(google_\w+)"', text, re.MULTILINE))
    kept = {part: {name: one for name, one in facts[part].items() if name in used} for part in ("resources", "rules")}
    return {**facts, **kept, "data": {}}


@dataclass(frozen=True)
class TerraformRoot:
    """A copy of infra/terraform (beside infra/salad and build/, as in the repository) that is initialised."""

    folder: Path
    configuration: Path

    @classmethod
    def copied_to(cls, folder: Path) -> "TerraformRoot":
        """Copies root, fleet file and fresh zips below the folder, and runs `terraform init`."""
        shutil.copytree(ROOT / "infra" / "terraform", folder / "infra" / "terraform", ignore=NOT_COPIED)
        shutil.copytree(ROOT / "infra" / "salad", folder / "infra" / "salad", ignore=shutil.ignore_patterns("*.py*"))
        package_all(ROOT / "functions", folder / "build")
        root = cls(folder / "infra" / "terraform", install_stand_in(folder))
        (root.folder / "offline_override.tf").write_text(LOCAL_STATE)
        done = root.run("init", "-input=false")
        assert done.returncode == 0, done.stdout + done.stderr
        return root

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs one terraform command in the copy; never raises for its exit code."""
        variables = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        return subprocess.run(
            ["terraform", *arguments, *([] if arguments[0] == "show" else ["-no-color"])],
            cwd=self.folder,
            env={**variables, "TF_CLI_CONFIG_FILE": str(self.configuration), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SEC,
            check=False,
        )

    def planned(self, **variables: Any) -> dict[str, Any]:
        """Returns the plan as `terraform show -json` writes it, for terraform.tfvars.example with these variables."""
        extra = self.folder / "extra.tfvars.json"
        extra.write_text(json.dumps(variables))
        done = self.run(
            "plan", "-input=false", "-out=plan.bin", "-var-file=terraform.tfvars.example", f"-var-file={extra.name}"
        )
        assert done.returncode == 0, done.stdout + done.stderr
        shown = self.run("show", "-json", "plan.bin")
        assert shown.returncode == 0, shown.stderr
        return json.loads(shown.stdout)


def resources(plan: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Returns the planned values of one type of resource: index (or name, if there is none) -> values."""
    found = plan["planned_values"]["root_module"]["resources"]
    return {str(one.get("index", one["name"])): one["values"] for one in found if one["type"] == kind}

"""The root is formatted and valid, Terraform's own tests pass, and a test tries each validation."""

import re
import subprocess

from infra.tools.package import ROOT
from infra.tools.terraform_readme import README, tables, with_tables
from tests.deploy.terraform_root import TerraformRoot

FOLDER = ROOT / "infra" / "terraform"
MAX_LINES = 200  # of a .tf file: two minutes to read


def test_every_file_is_formatted(terraform: TerraformRoot) -> None:
    done = terraform.run("fmt", "-check", "-recursive", "-diff")
    assert (done.returncode, done.stdout) == (0, "")


def test_the_root_is_valid(terraform: TerraformRoot) -> None:
    done = terraform.run("validate")
    assert done.returncode == 0, done.stdout + done.stderr


def test_terraforms_own_tests_pass(terraform: TerraformRoot) -> None:
    done = terraform.run("test")
    assert done.returncode == 0, done.stdout + done.stderr
    runs = sum(len(re.findall(r'^run "', path.read_text(), re.MULTILINE)) for path in FOLDER.glob("tests/*.hcl"))
    assert f"{runs} passed, 0 failed" in done.stdout, "a run that is not counted has not run"


def test_every_validation_is_tried_by_a_run_that_expects_it_to_fail() -> None:
    variables = "".join(path.read_text() for path in FOLDER.glob("variables*.tf"))
    tests = "".join(path.read_text() for path in FOLDER.glob("tests/*.hcl"))
    untried = {
        name: f"{validations} validations, {tried} runs"
        for name, block in re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', variables, re.MULTILINE | re.DOTALL)
        if (validations := block.count("  validation {"))
        > (tried := len(re.findall(rf"expect_failures = \[var\.{name}\]", tests)))
    }
    assert untried == {}


def test_every_variable_and_output_is_described() -> None:
    for path in FOLDER.glob("*.tf"):
        for kind, name, block in re.findall(
            r'^(variable|output) "(\w+)" \{\n(.*?)^\}', path.read_text(), re.MULTILINE | re.DOTALL
        ):
            description = re.search(r'^  description = "(.+)"$', block, re.MULTILINE)
            assert description, f"{kind} {name} says nothing"
            assert description[1].endswith("."), f"{kind} {name}"
            assert kind == "output" or re.search(r"^  type +=", block, re.MULTILINE), f"{name} takes anything"


def test_the_readmes_tables_are_those_of_the_files() -> None:
    page = README.read_text()
    assert with_tables(page, tables(FOLDER)) == page, "run make terraform-readme"


def test_every_file_opens_with_its_purpose_and_is_short() -> None:
    for path in FOLDER.glob("**/*.tf"):
        lines = path.read_text().splitlines()
        assert lines[0].startswith("# "), path
        assert len(lines) <= MAX_LINES, f"{path} has {len(lines)} lines"


def test_the_example_holds_no_secret_and_names_only_variables_that_exist() -> None:
    example = (FOLDER / "terraform.tfvars.example").read_text()
    known = set(
        re.findall(r'^variable "(\w+)"', "".join(path.read_text() for path in FOLDER.glob("variables*.tf")), re.M)
    )
    assert set(re.findall(r"^(\w+) +=", example, re.MULTILINE)) <= known
    assert "whsec_" not in example


def test_git_ignores_everything_that_terraform_init_creates() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "infra/terraform"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert [name for name in listed if ".terraform" in name or name.endswith((".tfstate", "terraform.tfvars"))] == []

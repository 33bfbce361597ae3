"""The functions' packages have the same bytes each time, and contain only the listed files."""

import zipfile
from pathlib import Path

import pytest

from infra.tools.package import FUNCTIONS, PackagingError, package_all, package_files, write_package


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Makes a small tree of functions, with other files that must not be packed."""
    functions = tmp_path / "functions"
    for function in FUNCTIONS:
        (functions / function).mkdir(parents=True)
        (functions / function / "main.py").write_text(f'"""Serves {function}."""\n')
    package = functions / "avatar_jobs"
    (package / "domain" / "__pycache__").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "domain" / "jobs.py").write_text("JOB = 1\n")
    (package / "domain" / "__pycache__" / "jobs.cpython-311.pyc").write_bytes(b"\0")
    (package / ".env").write_text("SECRET=1\n")
    (package / "notes.md").write_text("not code\n")
    (functions / "requirements.txt").write_text("flask==3.1.3\n")
    (functions / "requirements.in").write_text("flask\n")
    return functions


def test_only_the_listed_files_are_packed(source: Path, tmp_path: Path) -> None:
    packages = package_all(source, tmp_path / "out")
    assert sorted(packages) == sorted(FUNCTIONS)
    for function, target in packages.items():
        with zipfile.ZipFile(target) as archive:
            expected = ["avatar_jobs/__init__.py", "avatar_jobs/domain/jobs.py", "main.py", "requirements.txt"]
            assert archive.namelist() == expected
            assert archive.read("main.py").decode() == f'"""Serves {function}."""\n'


def test_the_same_files_give_the_same_bytes_whenever_and_in_whatever_order(source: Path, tmp_path: Path) -> None:
    files = package_files(source, "submit_job")
    write_package(files, tmp_path / "first.zip")
    for path in files.values():
        path.touch()
        path.chmod(0o755)
    write_package(package_files(source, "submit_job"), tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "first.zip") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}


@pytest.mark.parametrize("missing", ["submit_job/main.py", "requirements.txt"])
def test_a_missing_file_is_named(source: Path, tmp_path: Path, missing: str) -> None:
    (source / missing).unlink()
    with pytest.raises(PackagingError, match=missing):
        package_all(source, tmp_path / "out")


def test_a_module_beside_main_is_refused_because_it_would_not_be_packed(source: Path) -> None:
    (source / "submit_job" / "helpers.py").write_text("")
    with pytest.raises(PackagingError, match=r"helpers\.py"):
        package_files(source, "submit_job")

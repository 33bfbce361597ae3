"""Packs each cloud function as one deterministic zip: `make package`."""

import argparse
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from infra.local.json_logs import log_event

FUNCTIONS = ("submit_job", "job_status", "salad_webhook", "scale_tick")
ROOT = Path(__file__).resolve().parents[2]
SHARED_PACKAGE = "avatar_jobs"
FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest date of the zip format: a fixed date keeps the bytes the same
FILE_MODE = 0o100644  # a regular file, readable by all: independent of the umask of this machine
UNIX = 3  # zip's "made by" system: unpackers then read FILE_MODE


class PackagingError(Exception):
    """A file that a package needs is missing, or there is a file that would not be packed."""


def package_files(functions_directory: Path, function: str) -> dict[str, Path]:
    """Returns the content of a function's zip: name in the zip -> file on disk, sorted by name.

    It holds the function's main.py, the common requirements.txt, and every *.py of the shared package. Raises
    PackagingError when one of the first two is missing, or when another .py is beside main.py: it would not be packed.
    """
    main, requirements = functions_directory / function / "main.py", functions_directory / "requirements.txt"
    missing = [str(path) for path in (main, requirements) if not path.is_file()]
    if missing:
        raise PackagingError(f"missing: {', '.join(missing)}")
    strays = sorted(path.name for path in main.parent.rglob("*.py") if path != main)
    if strays:
        raise PackagingError(f"{main.parent} may contain only main.py, but has {', '.join(strays)}")
    shared = functions_directory / SHARED_PACKAGE
    files = {path.relative_to(functions_directory).as_posix(): path for path in shared.rglob("*.py")}
    files |= {"main.py": main, "requirements.txt": requirements}
    return dict(sorted(files.items()))


def write_package(files: dict[str, Path], target: Path) -> None:
    """Writes the zip. The same files give the same bytes on every machine, so it is not compressed: zlibs differ."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, path in files.items():
            entry = zipfile.ZipInfo(name, FIXED_DATE)
            entry.create_system = UNIX
            entry.external_attr = FILE_MODE << 16
            entry.compress_type = zipfile.ZIP_STORED
            archive.writestr(entry, path.read_bytes())


def package_all(functions_directory: Path, out: Path) -> dict[str, Path]:
    """Writes one zip per function into `out` (created if missing). Returns function -> zip. Raises PackagingError."""
    out.mkdir(parents=True, exist_ok=True)
    packages = {function: out / f"{function}.zip" for function in FUNCTIONS}
    for function, target in packages.items():
        write_package(package_files(functions_directory, function), target)
    return packages


def main(arguments: Sequence[str]) -> int:
    """Writes the packages. Returns the exit code: 0 done, 1 a file is missing or in the wrong place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="folder for the zips (default: build/)")
    try:
        packages = package_all(ROOT / "functions", parser.parse_args(arguments).out)
    except PackagingError as error:
        log_event("packaging_failed", error=str(error))
        return 1
    for function, target in packages.items():
        log_event("function_packaged", function=function, path=str(target), bytes=target.stat().st_size)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

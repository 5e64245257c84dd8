"""What every file of the house must keep, whoever wrote it. The import contracts are in `make check`."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCKS = [ROOT / "requirements.lock", ROOT / "requirements-dev.lock"]

# In parts, so that this file keeps the rule it tests.
REGISTRIES = [
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("pypi", "python", "org"),
    ("npmjs", "com"),
    ("npmjs", "org"),
    ("yarnpkg", "com"),
    ("unpkg", "com"),
    ("jsdelivr", "net"),
    ("cdnjs", "cloudflare", "com"),
    ("crates", "io"),
    ("proxy", "golang", "org"),
    ("rubygems", "org"),
    ("anaconda", "org"),
    ("deb", "debian", "org"),
]
REGISTRY = re.compile("|".join(re.escape(".".join(parts)) for parts in REGISTRIES), re.IGNORECASE)
ADDRESS = re.compile(r"://|\bwww\.|--(extra-)?index-url|--find-links|--trusted-host")
MADE = {"data", "build", "__pycache__"}
PINNED = re.compile(r"([A-Za-z0-9._-]+)==(\S+)")


def files_of_ours() -> list[Path]:
    """Every file of the tree that is not made by it. Not asked of git: a tree may come without."""
    found: list[Path] = []
    folders = [ROOT]
    while folders:
        for path in folders.pop().iterdir():
            if path.is_file():
                found.append(path)
            elif path.is_dir() and path.name not in MADE and (path.name[0] != "." or path.name == ".ci"):
                folders.append(path)
    return sorted(found)


def locked(lock: Path) -> dict[str, str]:
    """Package -> version, as the lock pins them."""
    lines = lock.read_text().splitlines()
    found = [PINNED.match(line) for line in lines]
    return {canonicalize_name(match[1]): match[2] for match in found if match}


def entries(lock: Path) -> list[str]:
    """The lock's logical lines: a package, its marker and its hashes on one."""
    joined = lock.read_text().replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def test_every_python_file_begins_by_saying_what_room_it_is() -> None:
    def first_line_says(path: Path) -> bool:
        body = ast.parse(path.read_bytes()).body
        said = body[0].value if body and isinstance(body[0], ast.Expr) else None
        return isinstance(said, ast.Constant) and isinstance(said.value, str) and body[0].lineno == 1

    python = [path for path in files_of_ours() if path.suffix == ".py"]
    assert [str(path.relative_to(ROOT)) for path in python if not first_line_says(path)] == []


def test_no_file_names_the_host_of_a_package_registry() -> None:
    def names_one(path: Path) -> bool:
        return REGISTRY.search(path.read_bytes().decode("utf-8", "replace")) is not None

    assert [str(path.relative_to(ROOT)) for path in files_of_ours() if names_one(path)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_no_address(lock: Path) -> None:
    assert ADDRESS.findall(lock.read_text()) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_package_in_a_lock_is_pinned_with_a_hash(lock: Path) -> None:
    assert [line for line in entries(lock) if not (PINNED.match(line) and "--hash=sha256:" in line)] == []


def test_the_lock_satisfies_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = {LOCKS[0]: project["project"]["dependencies"], LOCKS[1]: project["dependency-groups"]["dev"]}
    unmet = [
        f"{lock.name}: {wanted}, locked {version}"
        for lock, requirements in asked.items()
        for wanted in map(Requirement, requirements)
        if not (version := locked(lock).get(canonicalize_name(wanted.name)))
        or version not in wanted.specifier
    ]
    assert unmet == []


def test_the_lock_for_tests_holds_the_lock_of_the_lab() -> None:
    lab, tests = (locked(lock) for lock in LOCKS)
    assert {name: version for name, version in lab.items() if tests.get(name) != version} == {}


def test_every_target_of_make_is_explained_by_make_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^\.PHONY: (\w+)$", makefile, re.MULTILINE)
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert targets
    assert [target for target in targets if f"make {target} " not in shown] == []


@pytest.mark.xdist_group("kept together")
def test_tests_that_may_not_run_at_the_same_time_are_kept_on_one_worker(
    request: pytest.FixtureRequest,
) -> None:
    """pytest-xdist knows a group by its name at the end of the test's; a pytest that it does not fit drops that."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        assert request.node.nodeid.endswith("@kept together")

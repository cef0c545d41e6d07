"""What is packaged: an sdist with every file of the project, a wheel with every file that code reads."""

import subprocess
import tomllib
from fnmatch import fnmatch

import pytest
from project import ROOT

NOT_READ = ("validation/measured/",)
"""Measurements that tests and documents read, and no command."""
OF_PYTHON = ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")
"""What setuptools puts into every sdist."""


def tracked():
    done = subprocess.run(
        ["git", "ls-files"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if done.returncode:
        pytest.skip("no git checkout: the files of an sdist are all there are")
    return [path for path in done.stdout.splitlines() if (ROOT / path).exists()]


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def packages():
    return [name.rstrip("*") for name in project()["tool"]["setuptools"]["packages"]["find"]["include"]]


def wheel():
    """Files that a wheel holds."""
    data = project()["tool"]["setuptools"]["package-data"]
    found = {path for name in packages() for path in (ROOT / name).rglob("*.py")}
    found |= {
        path
        for name in packages()
        for pattern in (*data["*"], *data.get(name, []))
        for path in (ROOT / name).glob(pattern)
    }
    return {path.relative_to(ROOT).as_posix() for path in found}


def manifest():
    lines = [line.split() for line in (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines()]
    grafted = [f"{words[1]}/*" for words in lines if words[:1] == ["graft"]]
    return grafted + [word for words in lines if words[:1] == ["include"] for word in words[1:]]


def test_every_file_of_the_project_is_in_the_sdist():
    rules, packed = manifest(), wheel().union(OF_PYTHON)
    left = [path for path in tracked() if path not in packed]
    assert [path for path in left if not any(fnmatch(path, rule) for rule in rules)] == []


def test_every_file_of_the_packages_is_in_the_wheel():
    own, packed = tuple(f"{name}/" for name in packages()), wheel()
    files = [path for path in tracked() if path.startswith(own) and not path.startswith(NOT_READ)]
    assert [path for path in files if path not in packed] == []


def test_every_package_says_that_it_is_typed():
    assert [name for name in packages() if not (ROOT / name / "py.typed").exists()] == []


def test_the_project_says_what_it_is():
    found = project()["project"]
    assert "Typing :: Typed" in found["classifiers"]
    assert found["readme"] == "README.md"

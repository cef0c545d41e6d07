"""Imports flow one way, folder path is import path, and no module imports itself in a circle."""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import simdl

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "readers": {"readers"},
    "hardware": {"readers", "hardware"},
    "workloads": {"readers", "workloads"},
    "simdl": {"readers", "hardware", "workloads", "simdl"},
    "planner": {"readers", "hardware", "workloads", "simdl", "planner"},
    "validation": {"readers", "hardware", "workloads", "simdl", "planner", "validation"},
}
PACKAGES = tuple(MAY_IMPORT)
FRONT_DOOR = "simdl"
"""The one exception: what `import simdl` offers stands in planner, is imported there for type checkers alone,
and is looked up by name when it is first used (`simdl/__init__.py`)."""


def module_name(path, root=ROOT):
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def project_files(root=ROOT):
    return sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))


@cache
def import_statements(path):
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [node for node in tree if isinstance(node, ast.Import | ast.ImportFrom)]


def imports(path):
    """Every absolute name that a file imports, with ``from a import b`` as both ``a`` and ``a.b``."""
    for node in import_statements(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; expected an absolute one"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def upward_arrows(root=ROOT):
    """Imports against the flow, as ``importer -> imported``."""
    for path in project_files(root):
        package = path.relative_to(root).parts[0]
        for name in imports(path):
            top = name.partition(".")[0]
            allowed = module_name(path, root) == FRONT_DOOR and name in for_type_checkers(path)
            if top in PACKAGES and top not in MAY_IMPORT[package] and not allowed:
                yield f"{module_name(path, root)} -> {name}"


def for_type_checkers(path):
    """Every absolute name that a file imports under ``if TYPE_CHECKING`` alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [
        node
        for branch in tree.body
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
    ]
    names = {f"{node.module}.{alias.name}" for node in found for alias in node.names}
    return names | {node.module for node in found}


def cycle(root=ROOT):
    """Modules that import one another in a circle, or nothing; imports inside functions count."""
    files = {module_name(path, root): path for path in project_files(root)}
    graph = {name: _needed(path, files) - _own_package(name, path) for name, path in files.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def _needed(path, files):
    """Modules whose code must have run; ``from package import module`` needs the module, not the package."""
    needed = set()
    for node in import_statements(path):
        if isinstance(node, ast.Import):
            needed |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules = {f"{node.module}.{alias.name}" for alias in node.names}
            known = modules & files.keys()
            needed |= known if known == modules else known | {node.module}
    return needed & files.keys()


def _own_package(name, path):
    return {name} if path.name == "__init__.py" else set()


@pytest.fixture
def small_project(tmp_path):
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
    return tmp_path


def test_imports_flow_one_way():
    assert list(upward_arrows()) == []


def test_no_module_imports_itself_in_a_circle():
    assert cycle() == []


def test_an_arrow_that_runs_up_is_found(small_project):
    (small_project / "hardware" / "a.py").write_text("def f():\n    from simdl import engine\n")
    (small_project / "workloads" / "b.py").write_text("import hardware.units\n")
    (small_project / "simdl" / "c.py").write_text("import hardware\nimport numpy\n")
    assert sorted(upward_arrows(small_project)) == [
        "hardware.a -> simdl",
        "hardware.a -> simdl.engine",
        "workloads.b -> hardware.units",
    ]


def test_the_front_door_may_look_up_alone_and_nothing_beside_it(small_project):
    guarded = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from planner.a import f\n"
    (small_project / "simdl" / "__init__.py").write_text(guarded)
    (small_project / "simdl" / "d.py").write_text(guarded)
    assert list(upward_arrows(small_project)) == ["simdl.d -> planner.a", "simdl.d -> planner.a.f"]
    (small_project / "simdl" / "d.py").unlink()
    (small_project / "simdl" / "__init__.py").write_text("from planner.a import f\n")
    assert list(upward_arrows(small_project)) == ["simdl -> planner.a", "simdl -> planner.a.f"]


def test_the_front_door_says_the_same_to_type_checkers_and_at_run_time():
    path = ROOT / FRONT_DOOR / "__init__.py"
    looked_up = {f"{module}.{name}" for module, names in simdl._HOMES.items() for name in names}
    assert for_type_checkers(path) == looked_up | set(simdl._HOMES)
    assert [*simdl.__all__] == sorted(simdl.__all__)
    offered = {name for names in simdl._HOMES.values() for name in names} | {"__version__"}
    assert set(simdl.__all__) == offered
    folders = {folder.name for folder in path.parent.iterdir() if folder.is_dir()}
    assert not offered & folders, "a function would be hidden by the subpackage of its name"


def test_a_cycle_is_found(small_project):
    (small_project / "simdl" / "a.py").write_text("from simdl.b import x\n")
    (small_project / "simdl" / "b.py").write_text("def f():\n    import simdl.a\n")
    assert set(cycle(small_project)) == {"simdl.a", "simdl.b"}


@pytest.mark.parametrize("package", PACKAGES)
def test_folder_path_is_import_path(package):
    for folder in {path.parent for path in (ROOT / package).rglob("*.py")}:
        assert (folder / "__init__.py").exists(), f"{folder.relative_to(ROOT)} is no package"


def test_every_import_of_the_project_names_something_that_exists():
    modules = {module_name(path) for path in project_files()}
    for path in project_files():
        for node in import_statements(path):
            if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] in PACKAGES:
                assert node.module in modules, f"{module_name(path)}: {node.module}"


def test_only_one_file_knows_the_solver():
    users = {module_name(path) for path in project_files() if {"pulp", "highspy"} & set(imports(path))}
    assert users <= {"planner.solver.ilp"}

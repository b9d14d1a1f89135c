"""The one-way flow: a module imports only from those below it, and torch only where it must."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Ground floor first. A package is one floor; inside it, the modules are checked for cycles alone.
PLUGIN_FLOORS = (
    "display errors garbage gpus machine outcome pairing reaping",
    "record",
    "audit scan",
    "allowlist_code checkpoints convert",
    "diagnosis libraries shim",
    "isolation forward policies timing",
    "attempt doctor",
    "commands plugin",
    "__main__",
)
MATRIX_FLOORS = (
    "arguments axes budget byte_code claims commands gpus guard inherited interpreters intact "
    "markdown needed nightly pages processes releases retries store tallies thinning upstream "
    "verdicts versions",
    "causes checkpoints lean project retirement stacks",
    "adapters claims_data holding plan planning project_table project_values stacks_data wheels "
    "whole",
    "cell_files disk files outside resolution shards",
    "environments keys sources staging",
    "runner compare replicas speed",
    "assembly carry cluster diff executors history jobs progress recommend",
    "engine merging page questions",
    "published",
    "bisect clearing notices site sweeping",
    "__main__",
)


def modules(package):
    for path in sorted((ROOT / package).rglob("*.py")):
        if "checks" not in path.parts:
            yield path


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path, package):
    """Return the modules of the package that a file imports, local imports included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found.update(names)
            if not all(map(is_module, names)):  # something that the package itself defines
                found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(a.name for a in node.names if a.name.split(".")[0] == package)
    return found


def is_module(name):
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or path.is_dir()


def floor_of(module, floors):
    room = module.split(".")[1]
    return next(number for number, rooms in enumerate(floors) if room in rooms.split())


@pytest.mark.parametrize(
    ("package", "floors"),
    [("pytest_torchcompat", PLUGIN_FLOORS), ("matrix", MATRIX_FLOORS)],
    ids=["plugin", "matrix"],
)
def test_no_module_imports_from_a_floor_above_its_own(package, floors):
    upward = []
    for path in modules(package):
        name = name_of(path)
        if "." not in name:
            continue
        for target in imports_of(path, package):
            known = target.count(".") and any(target.split(".")[1] in f.split() for f in floors)
            if known and floor_of(target, floors) > floor_of(name, floors):
                upward.append(f"{name} -> {target}")
    assert upward == []


@pytest.mark.parametrize("package", ["pytest_torchcompat", "matrix"])
def test_there_are_no_import_cycles_not_even_in_functions(package):
    known = {name_of(path): path for path in modules(package)}
    graph = {
        name: {t for t in imports_of(path, package) if t in known and t != name}
        for name, path in known.items()
    }
    while graph:
        leaves = [name for name, targets in graph.items() if not targets & set(graph)]
        assert leaves, f"these import each other in a circle: {sorted(graph)}"
        for name in leaves:
            del graph[name]


@pytest.mark.parametrize(
    ("guest", "hosts"),
    [
        ("huggingface_hub", {"checkpoints/hub.py"}),
        ("pooch", {"checkpoints/web.py"}),
        (
            "torch",
            {
                "attempt.py",
                "commands/allowlist.py",
                "forward.py",
                "libraries",
                "convert/write.py",
                "plugin/benchmarks.py",
                "plugin/enforcement.py",
                "plugin/fixtures.py",
                "policies/interception.py",
                "policies/safe_globals.py",
                "shim",
                "timing",
            },
        ),
    ],
)
def test_a_heavy_guest_is_imported_in_few_modules_and_inside_functions(guest, hosts):
    found = set()
    for path in modules("pytest_torchcompat"):
        tree = ast.parse(path.read_text())
        if imports_of(path, guest):
            place = path.relative_to(ROOT / "pytest_torchcompat")
            found.add(place.parts[0] if place.parts[0] in hosts else place.as_posix())
        for node in tree.body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [getattr(node, "module", None) or "", *(a.name for a in node.names)]
                assert not any(name.split(".")[0] == guest for name in names), path
    assert found <= hosts


def test_the_sweeps_store_knows_nothing_of_the_plugin_but_its_records():
    assert imports_of(ROOT / "matrix" / "store.py", "pytest_torchcompat") <= {
        "pytest_torchcompat.errors",
        "pytest_torchcompat.errors.RecordError",
        "pytest_torchcompat.record",
        "pytest_torchcompat.record.Record",
        "pytest_torchcompat.record.decoded",
        "pytest_torchcompat.record.read_records",
        "pytest_torchcompat.record.read_lines",
    }

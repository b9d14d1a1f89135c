"""The variables of the environment, as the code reads them."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from reference import ROOT
from reference.markdown import blocks, code, codes, table, text

PACKAGES = {"pytest_torchcompat": "the plugin and `torchcompat`", "matrix": "`python -m matrix`"}
READS = ("get", "getenv")
MENTIONED = re.compile(r"\b(environ|getenv)\b")
NOT_HERE = (
    "checks",
    "replicas",
)  # run in environments of their own, and import what is there alone


_HANDED_ON = "Handed on to the process that imports a project's plugins."
_SWITCH = "torch's own switch: set as the policy has it, while it acts."
FOR = {
    "CUDA_DEVICE_ORDER": "Which GPU a number in CUDA_VISIBLE_DEVICES means, as CUDA reads it.",
    "CUDA_VISIBLE_DEVICES": "The GPUs that are used: the sweep lends no other to its cells.",
    "GITHUB_API_URL": "Where ``notices`` finds GitHub.",
    "GITHUB_REPOSITORY": "The repository whose issues ``notices`` keeps, without --repository.",
    "GITHUB_STEP_SUMMARY": "The file to which a run in a workflow adds its summary.",
    "GITHUB_TOKEN": "The token with which ``notices`` writes issues.",
    "HF_HUB_OFFLINE": "Set, nothing is downloaded: what the cache holds is used.",
    "LANG": _HANDED_ON,
    "LC_ALL": _HANDED_ON,
    "LC_CTYPE": _HANDED_ON,
    "LD_LIBRARY_PATH": _HANDED_ON,
    "PATH": "Where commands are looked for; a cell's own environment comes first in it.",
    "PIP_INDEX_URL": "The package index, where uv has none set.",
    "PYENV_ROOT": "Where pyenv keeps its Pythons, which cells may run on; ``~/.pyenv`` if not set.",
    "TMPDIR": _HANDED_ON,
    "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": _SWITCH,
    "TORCH_FORCE_WEIGHTS_ONLY_LOAD": _SWITCH,
    "UV_DEFAULT_INDEX": "The package index.",
    "UV_INDEX_URL": "The package index, where UV_DEFAULT_INDEX is not set.",
    "XDG_CACHE_HOME": "The folder of caches, ``~/.cache`` if not set.",
    "XDG_RUNTIME_DIR": "Where the locks on devices lie.",
}


class Read(NamedTuple):
    """A package that reads a variable."""

    name: str
    package: str


def read() -> str:
    """Return the variables that the code itself reads."""
    found: dict[str, list[Read]] = {}
    for each in sorted(reads()):
        found.setdefault(each.name, []).append(each)
    return table(("variable", "read by", "for"), (_line(name, found[name]) for name in found))


def _line(name: str, found: list[Read]) -> tuple[str, str, str]:
    packages = dict.fromkeys(PACKAGES[each.package] for each in found)
    return code(name), ", ".join(packages), text(FOR.get(name, ""))


def of_cells() -> str:
    """Return what the processes of a cell get: what is removed, set, and led elsewhere."""
    from matrix import environments

    homes = (name for name in environments.HOMES)
    return blocks(
        f"Removed: {codes(environments.REMOVED)}.",
        f"Set: {codes(f'{name}={value}' for name, value in environments.SET.items())}.",
        f"Set to a folder of the cell's own: {codes(homes)}.",
    )


def reads() -> Iterator[Read]:
    """Yield each variable with the package of a function that reads it."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            source = path.read_text("utf-8")
            if MENTIONED.search(source) and path.parent.name not in NOT_HERE:
                yield from _of_module(ast.parse(source), path, package)


def _of_module(tree: ast.Module, path: Path, package: str) -> Iterator[Read]:
    functions = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)]
    asking = [(each, list(_asked(each))) for each in functions]
    if any(keys for _, keys in asking):
        module = importlib.import_module(_dotted(path))
        for function, keys in asking:
            for name in dict.fromkeys(n for key in keys for n in _names(key, function, module)):
                yield Read(name, package)


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _asked(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """Yield by what a function asks the environment."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and node.args and _is_read(node.func):
            yield node.args[0]
        elif isinstance(node, ast.Subscript) and _is_looked_up(node):
            yield node.slice


def _is_read(called: ast.expr) -> bool:
    return isinstance(called, ast.Attribute) and called.attr in READS and _is_environment(called)


def _is_looked_up(node: ast.Subscript) -> bool:
    return isinstance(node.ctx, ast.Load) and _is_environment(node.value)


def _is_environment(node: ast.AST) -> bool:
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and each.attr in ("environ", "getenv"):
            return True
        if isinstance(each, ast.Name) and each.id == "environ":
            return True
    return False


def _names(key: ast.expr, function: ast.FunctionDef, module: ModuleType) -> Iterator[str]:
    """Yield what a key may be: itself, a constant of the module, or what a loop goes over."""
    if isinstance(key, ast.Name) and not hasattr(module, key.id):
        for target, values in _loops(function):
            if isinstance(target, ast.Name) and target.id == key.id:
                yield from _constants(values, module)
    else:
        yield from _constants(key, module)


def _loops(function: ast.FunctionDef) -> Iterator[tuple[ast.expr, ast.expr]]:
    for node in ast.walk(function):
        if isinstance(node, (ast.For, ast.comprehension)):
            yield node.target, node.iter


def _constants(node: ast.expr, module: ModuleType) -> Iterator[str]:
    for each in ast.walk(node):
        value: Any = each.value if isinstance(each, ast.Constant) else None
        if isinstance(each, ast.Name):
            value = getattr(module, each.id, None)
        if isinstance(value, str):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from (name for name in value if isinstance(name, str))

"""The places of a module that load a checkpoint, and what torch does at each."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pytest_torchcompat.audit.findings import Verdict
from pytest_torchcompat.audit.names import Names, Scope, last_name
from pytest_torchcompat.audit.rules import (
    DEFAULT,
    DOWNLOAD,
    EXECUTES,
    LIGHTNING,
    MMAP,
    NOT_KNOWN,
    PICKLE_MODULE,
    Level,
    Rule,
)

TORCH_LOAD: Final = frozenset(("torch.load", "torch.serialization.load"))
_DOWNLOADS: Final = frozenset(
    (
        "torch.hub.load_state_dict_from_url",
        "torch.utils.model_zoo.load_url",
        "torchvision._internally_replaced_utils.load_state_dict_from_url",
    )
)
_LIGHTNING: Final = frozenset(
    (
        "lightning.fabric.utilities.cloud_io._load",
        "lightning.pytorch.core.saving.pl_load",
        "lightning_fabric.utilities.cloud_io._load",
        "lightning_lite.utilities.cloud_io._load",
        "pytorch_lightning.core.saving.pl_load",
        "pytorch_lightning.utilities.cloud_io.load",
    )
)
LOADERS: Final = TORCH_LOAD | _DOWNLOADS | _LIGHTNING
_LAST_PARTS: Final = frozenset(name.rpartition(".")[2] for name in LOADERS)
# Where weights_only stands when it is given without its name.
_POSITION: Final = {
    **dict.fromkeys(_DOWNLOADS, 6),
    **dict.fromkeys(_LIGHTNING, 2),
}
_PICKLE_MODULE_POSITION = 2
_FILE_OBJECTS: Final = frozenset(("builtins.open", "io.BytesIO", "io.open", "io.BufferedReader"))
# Handing torch.load to these calls nothing.
_LOOKS: Final = frozenset(
    (
        *("callable", "getattr", "getsource", "hasattr", "id", "is_", "isinstance", "object"),
        *("patch", "print", "repr", "setattr", "signature", "str", "type", "unwrap"),
        *("update_wrapper", "wraps"),
    )
)
ABSENT, UNKNOWN = "absent", "not-known"


@dataclass(frozen=True)
class Load:
    """A site with its node, and the words that its findings begin with."""

    node: ast.expr
    call: str
    weights_only: str
    verdict: Verdict
    problems: tuple[tuple[Rule, Level, str], ...] = ()


def loads(names: Names) -> Iterator[Load]:
    """Yield the calls that load, and the loaders that are handed to something that calls them."""
    for call in names.all(ast.Call):
        name = _loader(names, call.func)
        if name:
            yield _load(names, call, call, name, call.args)
    for node in names.all(ast.Name, ast.Attribute):
        name = _loader(names, node) if _is_handed_on(names, node) else None
        if name:
            yield _handed(names, node, name)


def _loader(names: Names, node: ast.expr) -> str | None:
    # Most attributes are told by their last part alone.
    if isinstance(node, ast.Attribute) and node.attr not in _LAST_PARTS:
        return None
    name = names.dotted(node)
    return name if name in LOADERS else None


def _is_handed_on(names: Names, node: ast.expr) -> bool:
    """Say whether a node is an argument, a default, returned, or the value of a mapping."""
    if not isinstance(getattr(node, "ctx", None), ast.Load):
        return False
    parent = names.parents[node]
    if isinstance(parent, ast.keyword):
        parent = names.parents[parent]
    if isinstance(parent, ast.Call):
        looks = last_name(parent.func) in _LOOKS or "assert" in last_name(parent.func)
        return parent.func is not node and not looks
    if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return node in (*parent.args.defaults, *parent.args.kw_defaults)
    return isinstance(parent, (ast.Dict, ast.Return))


def _handed(names: Names, node: ast.expr, name: str) -> Load:
    parent = names.parents[node]
    call = names.parents[parent] if isinstance(parent, ast.keyword) else parent
    if isinstance(call, ast.Call):
        # partial(torch.load, ...) and map(torch.load, files) say all that will be chosen.
        tells_all = last_name(call.func) == "partial" or last_name(call.func).endswith("map")
        if tells_all or any(each.arg == "weights_only" for each in call.keywords):
            return _load(names, node, call, name, ())
    sentence = f"{name} is handed on: who calls it chooses weights_only."
    problem = (NOT_KNOWN, NOT_KNOWN.level, sentence)
    return Load(node, name, UNKNOWN, Verdict.NOT_KNOWN, (problem,))


def _load(
    names: Names, node: ast.expr, call: ast.Call, name: str, args: Sequence[ast.expr]
) -> Load:
    chosen = _weights_only(names, call, args, _POSITION.get(name))
    own = name in TORCH_LOAD
    judged = _with_pickle_module if own and _has_pickle_module(call, args) else _judged
    verdict, problem = judged(name, chosen)
    mmap = _mmap(names, call, name) if own else None
    return Load(node, name, chosen, verdict, tuple(each for each in (problem, mmap) if each))


_Problem = tuple[Rule, Level, str]


def _judged(name: str, chosen: str) -> tuple[Verdict, _Problem | None]:
    if chosen == "True":
        return Verdict.OK, None
    if chosen == UNKNOWN:
        message = f"{name} with a weights_only that is decided at run time."
        return Verdict.NOT_KNOWN, (NOT_KNOWN, NOT_KNOWN.level, message)
    if chosen == "False":
        message = f"{name} with weights_only=False executes the file's pickle on every torch."
        return Verdict.EXECUTES, (EXECUTES, EXECUTES.level, message)
    return _by_default(name, chosen)


def _by_default(name: str, chosen: str) -> tuple[Verdict, _Problem]:
    if name in _DOWNLOADS:
        message = f"{name} without weights_only executes the file's pickle on every torch."
        return Verdict.EXECUTES, (DOWNLOAD, DOWNLOAD.level, message)
    if name in _LIGHTNING and chosen == ABSENT:
        message = (
            f"{name} without weights_only executes the file's pickle with lightning 2.4 to 2.5 "
            "on every torch, and with any other lightning on torch up to 2.5."
        )
        return Verdict.BY_LIGHTNING, (LIGHTNING, LIGHTNING.level, message)
    given = "without weights_only" if chosen == ABSENT else "with weights_only=None"
    message = (
        f"{name} {given} executes the file's pickle up to torch 2.5 and refuses other than "
        "plain tensors from 2.6 on."
    )
    return Verdict.BY_VERSION, (DEFAULT, DEFAULT.level, message)


def _with_pickle_module(name: str, chosen: str) -> tuple[Verdict, _Problem | None]:
    if chosen == "True":
        verdict = Verdict.RAISES
        message = f"{name} with weights_only=True and a pickle_module raises on every torch."
    elif chosen == UNKNOWN:
        verdict = Verdict.NOT_KNOWN
        message = f"{name} with a pickle_module raises where weights_only is True."
    else:
        verdict = Verdict.EXECUTES
        message = f"{name} with a pickle_module executes the file's pickle on every torch."
    return verdict, (PICKLE_MODULE, PICKLE_MODULE.level, message)


def _has_pickle_module(call: ast.Call, args: Sequence[ast.expr]) -> bool:
    given = [each.value for each in call.keywords if each.arg == "pickle_module"]
    positional = args[_PICKLE_MODULE_POSITION : _PICKLE_MODULE_POSITION + 1]
    starred = any(isinstance(each, ast.Starred) for each in args)
    values = [*given, *([] if starred else positional)]
    return any(not (isinstance(each, ast.Constant) and each.value is None) for each in values)


def _weights_only(
    names: Names, call: ast.Call, args: Sequence[ast.expr], position: int | None
) -> str:
    """Return what a call chooses: absent, None, False, True or not known."""
    for keyword in call.keywords:
        if keyword.arg == "weights_only":
            return _constant(names, keyword.value)
    if position is not None and len(args) > position:
        return _constant(names, args[position])
    spread = [each.value for each in call.keywords if each.arg is None]
    if spread:
        return _spread(names, spread[-1])
    starred = any(isinstance(each, ast.Starred) for each in args)
    return UNKNOWN if starred and position is not None else ABSENT


def _constant(names: Names, value: ast.expr) -> str:
    if isinstance(value, ast.Name):
        binding = names.binding(value)
        value = binding.value if binding and binding.value else value
    if not isinstance(value, ast.Constant):
        return UNKNOWN
    return "None" if value.value is None else str(bool(value.value))


def _spread(names: Names, value: ast.expr) -> str:
    """Return what ``**value`` chooses: a literal's own entry, or one that is set by name."""
    if isinstance(value, ast.Name):
        return _set_by_name(names, value)
    entries = _entries(value)
    return next((_constant(names, v) for k, v in entries if k == "weights_only"), UNKNOWN)


def _entries(value: ast.expr) -> Iterator[tuple[str | None, ast.expr]]:
    if isinstance(value, ast.Dict):
        for key, each in zip(value.keys, value.values):
            text = key.value if isinstance(key, ast.Constant) else None
            yield text if isinstance(text, str) else None, each
    elif isinstance(value, ast.Call) and last_name(value.func) == "dict":
        yield from ((each.arg, each.value) for each in value.keywords)


def _set_by_name(names: Names, spread: ast.Name) -> str:
    """Follow ``kwargs["weights_only"] = False`` and its kin in the function of a call."""
    binding = names.binding(spread)
    if binding and binding.value:
        for key, value in _entries(binding.value):
            if key == "weights_only":
                return _constant(names, value)
    lines, values = names.once(_given, names)[names.scope(spread), spread.id]
    before = bisect_right(lines, spread.lineno)
    return _constant(names, values[before - 1]) if before else UNKNOWN


def _given(names: Names) -> dict[tuple[Scope, str], tuple[list[int], list[ast.expr]]]:
    """Return the lines that set an entry of each mapping, in order, and what they set."""
    found: dict[tuple[Scope, str], tuple[list[int], list[ast.expr]]]
    found = defaultdict(lambda: ([], []))
    for name, value in sorted(_entries_set(names), key=lambda each: each[0].lineno):
        lines, values = found[names.scope(name), name.id]
        lines.append(name.lineno)
        values.append(value)
    return found


def _entries_set(names: Names) -> Iterator[tuple[ast.Name, ast.expr]]:
    """Yield the names of mappings that are given a ``weights_only``, and what they are given."""
    for node in names.all(ast.Assign):
        target = node.targets[0]
        if isinstance(target, ast.Subscript) and is_weights_only(target.slice):
            yield from (
                (each, node.value) for each in (target.value,) if isinstance(each, ast.Name)
            )
    for call in names.all(ast.Call):
        mapping = getattr(call.func, "value", None)
        if isinstance(mapping, ast.Name) and _defaults_to_false(call):
            yield mapping, call.args[-1]


def _defaults_to_false(call: ast.Call) -> bool:
    # What setdefault(..., True) leaves to the caller is not known.
    if last_name(call.func) != "setdefault" or not call.args:
        return False
    return is_weights_only(call.args[0]) and is_false(call.args[-1])


def is_weights_only(node: ast.AST) -> bool:
    """Say whether a node is the argument's name, as a key."""
    return isinstance(node, ast.Constant) and node.value == "weights_only"


def is_false(node: ast.expr) -> bool:
    """Say whether a node is False, or another constant that torch takes for it."""
    return isinstance(node, ast.Constant) and not node.value and node.value is not None


def _mmap(names: Names, call: ast.Call, name: str) -> _Problem | None:
    values = [each.value for each in call.keywords if each.arg == "mmap"]
    if not values or not (isinstance(values[0], ast.Constant) and values[0].value):
        return None
    if call.args and _is_file_object(names, call.args[0]):
        return MMAP, Level.WARNING, f"{name} with mmap=True raises ValueError for a file object."
    message = f"{name} with mmap=True raises RuntimeError for a file in the legacy format."
    return MMAP, MMAP.level, message


def _is_file_object(names: Names, node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        binding = names.binding(node)
        holder = names.parents.get(binding.node) if binding else None
        value = holder.context_expr if isinstance(holder, ast.withitem) else None
        node = value or (binding.value if binding and binding.value else node)
    return isinstance(node, ast.Call) and names.dotted(node.func) in _FILE_OBJECTS

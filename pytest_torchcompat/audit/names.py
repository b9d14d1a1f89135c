"""What the names of a module stand for, told from its imports and assignments alone."""

from __future__ import annotations

import ast
import builtins
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Optional, TypeVar, Union

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda]
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPED = frozenset((*_FUNCTIONS, *_COMPREHENSIONS, ast.ClassDef))
# Fields that hold no node with a name in it: contexts, operators and plain text.
_PLAIN = frozenset(("attr", "ctx", "id", "kind", "lineno", "op", "ops", "s", "type_comment"))
# The commonest nodes, which give no name a meaning.
_BIND_NOTHING = frozenset((ast.Attribute, ast.Call, ast.Constant, ast.Expr, ast.keyword))
_MODULES = ("torch", "torchaudio")
# A chain of aliases is followed so far: names can be assigned in a circle.
_DEPTH = 8
_SHOWN = 60
_About = TypeVar("_About")
_Answer = TypeVar("_Answer")
_Node = TypeVar("_Node", bound=ast.AST)


@dataclass(frozen=True)
class Binding:
    """One way by which a name gets its meaning."""

    node: ast.AST
    line: int
    origin: str | None = None
    value: ast.expr | None = None
    direct: bool = False


@dataclass(eq=False)
class Scope:
    """The names of a module, class, function or comprehension."""

    parent: Scope | None
    owner: ast.AST
    names: dict[str, list[Binding]] = field(default_factory=lambda: defaultdict(list))
    outer: set[str] = field(default_factory=set)
    star: str | None = None

    def chain(self) -> Iterator[Scope]:
        """Yield the scopes in which a name is looked up: a class's own only from inside it."""
        yield self
        scope = self.parent
        while scope:
            if not isinstance(scope.owner, ast.ClassDef):
                yield scope
            scope = scope.parent

    def root(self) -> Scope:
        """Return the module's scope."""
        return self if self.parent is None else list(self.chain())[-1]


class _Fields(dict[type[ast.AST], tuple[str, ...]]):
    """The fields of each type of node that may hold others."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        plain = kind is ast.Constant
        self[kind] = () if plain else tuple(each for each in kind._fields if each not in _PLAIN)
        return self[kind]


_FIELDS = _Fields()
_Found = list[tuple[ast.AST, Scope]]
_Meanings = list[Optional[str]]


class Names:
    """A parsed module with its nodes by type, their parents, and what their names stand for."""

    def __init__(self, tree: ast.Module) -> None:
        self.parents: dict[ast.AST, ast.AST] = {}
        self._scopes: dict[ast.AST, Scope] = {}
        self._known: dict[tuple[Scope, str], tuple[list[int], _Meanings]] = {}
        self._by_type: dict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        self._answers: dict[tuple[Any, Any], Any] = {}
        self._walk(tree)

    def _walk(self, tree: ast.Module) -> None:
        # A stack of our own: generated code nests deeper than Python recurses.
        stack: _Found = [(tree, Scope(None, tree))]
        while stack:
            node, scope = stack.pop()
            kind = type(node)
            self._scopes[node] = scope
            self._by_type[kind].append(node)
            if kind not in _BIND_NOTHING:
                self._bind(node, scope)
            children = _children(node, scope) if kind in _SCOPED else _nodes(node, scope)
            for child, _ in children:
                self.parents[child] = node
            children.reverse()
            stack += children

    def all(self, *types: type[_Node]) -> Iterator[_Node]:
        """Yield the module's nodes of these types, each type in the order of the source."""
        for each in types:
            yield from self._by_type[each]  # type: ignore[misc]

    def ancestors(self, node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
        """Yield each parent, innermost first, with the child by which it is reached."""
        while node in self.parents:
            yield self.parents[node], node
            node = self.parents[node]

    def scope(self, node: ast.AST) -> Scope:
        """Return the scope in which a node is evaluated."""
        return self._scopes[node]

    def dotted(self, node: ast.AST, depth: int = _DEPTH) -> str | None:
        """Return the full name that an expression stands for, ``None`` where it is not known."""
        tail: list[str] = []
        while isinstance(node, ast.Attribute):
            tail.append(node.attr)
            node = node.value
        base = self._base(node, depth) if depth else None
        return ".".join([base, *reversed(tail)]) if base else None

    def once(self, ask: Callable[[_About], _Answer], about: _About) -> _Answer:
        """Return the answer of a function about a node or this module, which is asked once."""
        if (ask, about) not in self._answers:
            self._answers[ask, about] = ask(about)
        answer: _Answer = self._answers[ask, about]
        return answer

    def binding(self, node: ast.Name) -> Binding | None:
        """Return what binds a name where exactly one place does."""
        for scope in self._scopes[node].chain():
            if scope.names.get(node.id):
                found = scope.names[node.id]
                return found[0] if len(found) == 1 else None
        return None

    def _base(self, node: ast.AST, depth: int) -> str | None:
        if isinstance(node, ast.Name):
            return self._named(node, depth)
        return self._called(node, depth) if isinstance(node, ast.Call) else None

    def _called(self, node: ast.Call, depth: int) -> str | None:
        texts = [getattr(each, "value", None) for each in node.args]
        if self.dotted(node.func, depth - 1) == "builtins.getattr" and len(texts) > 1:
            base = self.dotted(node.args[0], depth - 1)
            return f"{base}.{texts[1]}" if base and isinstance(texts[1], str) else None
        # importlib.import_module("torch"), pytest.importorskip("torch"), any lazy loader
        imports = any(word in last_name(node.func).lower() for word in ("import", "lazy"))
        return next((name for name in _MODULES if imports and name in texts), None)

    def _named(self, node: ast.Name, depth: int) -> str | None:
        use = self._scopes[node]
        for scope in use.chain():
            if scope.names.get(node.id):
                lines, meanings = self._meanings(scope, node.id, depth)
                # What another scope sees is what a name means in the end.
                before = bisect_right(lines, node.lineno) if scope is use else 0
                return meanings[before - 1] if meanings else None
        return self._unbound(node.id, use)

    def _unbound(self, name: str, scope: Scope) -> str | None:
        if hasattr(builtins, name):
            return f"builtins.{name}"
        star = scope.root().star
        if name in _MODULES:
            return name
        return f"{star}.{name}" if star else None

    def _meanings(self, scope: Scope, name: str, depth: int) -> tuple[list[int], _Meanings]:
        """
        Return what a name means from each line on that binds it.

        An assignment that may not have run, as ``torch = None`` in a handler, takes no
        meaning away; one that runs in any case does.
        """
        key = (scope, name)
        if key not in self._known:
            # A name that is asked for on the way here has the meanings found so far.
            lines, meanings = self._known[key] = ([], [])
            for binding in sorted(scope.names[name], key=lambda each: each.line):
                meaning = binding.origin or self._aliased(binding, depth)
                kept = meanings[-1] if meanings and not binding.direct else None
                lines.append(binding.line)
                meanings.append(meaning or kept)
        return self._known[key]

    def _aliased(self, binding: Binding, depth: int) -> str | None:
        return self.dotted(binding.value, depth - 1) if binding.value else None

    def _bind(self, node: ast.AST, scope: Scope) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self._bind_import(node, scope)
        elif isinstance(node, ast.Global):
            scope.outer.update(node.names)
        elif isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                self._add(node.id, node, scope, value=_assigned(node, self.parents[node]))
        else:
            name = _bound_name(node)
            if name:
                self._add(name, node, scope)

    def _bind_import(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        for alias in node.names:
            if isinstance(node, ast.Import):
                name = alias.asname or alias.name.partition(".")[0]
                origin = alias.name if alias.asname else name
            else:
                name = alias.asname or alias.name
                origin = f"{'.' * node.level}{node.module or ''}.{alias.name}"
            if alias.name == "*":
                scope.root().star = origin[:-2]
            else:
                self._add(name, node, scope, origin=origin)

    def _add(
        self,
        name: str,
        node: ast.AST,
        scope: Scope,
        origin: str | None = None,
        value: ast.expr | None = None,
    ) -> None:
        home = scope.root() if name in scope.outer else scope
        statement = self._statement(node)
        # A case of a match may not be the one that runs.
        runs = type(statement).__name__ != "Match"
        direct = runs and self.parents.get(statement) is home.owner
        line = int(getattr(statement, "lineno", 0))
        home.names[name].append(Binding(node, line, origin, value, direct))

    def _statement(self, node: ast.AST) -> ast.AST:
        while not isinstance(node, (ast.stmt, ast.arg, ast.ExceptHandler, ast.Module)):
            node = self.parents[node]
        return node


def _assigned(node: ast.Name, parent: ast.AST) -> ast.expr | None:
    if isinstance(parent, ast.Assign):
        return parent.value if node in parent.targets else None
    return parent.value if isinstance(parent, (ast.AnnAssign, ast.NamedExpr)) else None


def _bound_name(node: ast.AST) -> str | None:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler)):
        return node.name
    if isinstance(node, ast.arg):
        return node.arg
    # The patterns of a match statement are no types of Python 3.9's ast.
    kind = type(node).__name__
    if kind in {"MatchAs", "MatchStar", "MatchMapping"}:
        name = getattr(node, "rest", None) or getattr(node, "name", None)
        return name if isinstance(name, str) else None
    return None


def _children(node: ast.AST, scope: Scope) -> _Found:
    if isinstance(node, _FUNCTIONS):
        return list(_of_function(node, scope))
    if isinstance(node, ast.ClassDef):
        inner, body = Scope(scope, node), set(map(id, node.body))
        return [(each, inner if id(each) in body else scope) for each, _ in _nodes(node, scope)]
    return _nodes(node, Scope(scope, node))


def _nodes(node: ast.AST, scope: Scope) -> _Found:
    """Return a node's children; ast's own iterator takes three times as long."""
    found: _Found = []
    for name in _FIELDS[type(node)]:
        value = getattr(node, name, None)
        if isinstance(value, list):
            found += [(each, scope) for each in value if isinstance(each, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append((value, scope))
    return found


def _of_function(node: Function, scope: Scope) -> Iterator[tuple[ast.AST, Scope]]:
    """Yield a function's nodes; decorators, defaults and annotations are evaluated outside."""
    inner = Scope(scope, node)
    given = node.args
    yield from ((each, scope) for each in getattr(node, "decorator_list", ()))
    yield from ((each, scope) for each in (*given.defaults, *given.kw_defaults) if each)
    parameters = (*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg)
    yield from ((each, inner) for each in parameters if each)
    if getattr(node, "returns", None):
        yield node.returns, scope  # type: ignore[union-attr,misc]
    body = node.body if isinstance(node.body, list) else [node.body]
    yield from ((each, inner) for each in body)


def last_name(node: ast.AST) -> str:
    """Return the last part of a dotted name, empty for anything else."""
    name = getattr(node, "attr", None) or getattr(node, "id", None)
    return name if isinstance(name, str) else ""


def shown(node: ast.AST) -> str:
    """Return an expression's source on one line and no longer than a message can bear."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"

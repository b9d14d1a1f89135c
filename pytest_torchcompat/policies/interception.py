"""
``torch.load`` under a policy: applied to every reference to it, and undone exactly.

A wrapper set as ``torch.load`` misses whoever wrote ``from torch import load`` before it, so the
code of the one function object is exchanged instead: every reference, however it was imported,
reaches the policy. Child processes are reached by torch's own environment switch.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import types
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Callable

from pytest_torchcompat.policies import FORCE, FORCE_NOT, Policy
from pytest_torchcompat.policies.call_sites import call_sites, file_name
from pytest_torchcompat.policies.refusals import (
    BrokenFileError,
    PolicyRefusedError,
    is_refusal,
)
from pytest_torchcompat.policies.rules import Load, Rules
from pytest_torchcompat.policies.safe_globals import allowed_by_library, registered
from pytest_torchcompat.scan import Scan, Verdict, allowed_by_torch, scan_file

_HOOK = "_torchcompat_load"
# What is wrong with the bytes and not with what they would do; no policy is why they do not load.
FAULTS = ("empty", "truncated", "download-fault", "not-a-checkpoint")
NEWEST = "999.0"  # builtins.set, say, is no risk on torch 2.5 since 2.6 allows it unasked


@contextlib.contextmanager
def applied(policy: Policy, rules: Rules, on_load: Callable[[Load], None]) -> Iterator[None]:
    """
    Hold a policy over the whole process for the length of a ``with`` block.

    Every call of ``torch.load`` is handed to ``on_load`` once it has ended. Of two nested
    policies the inner one holds, save that ``stock`` leaves the outer one's environment switches.
    Needs torch; raises nothing of its own.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_environment(policy))
        stack.enter_context(_intercepted(_Interceptor(policy, rules, on_load)))
        yield


@contextlib.contextmanager
def _environment(policy: Policy) -> Iterator[None]:
    """Set torch's own switches, which child processes inherit, as the policy has it."""
    before = {name: os.environ.get(name) for name in (FORCE, FORCE_NOT)}
    if policy is not Policy.STOCK:
        for name in before:
            os.environ.pop(name, None)
    if policy.enforces:
        os.environ[FORCE] = "1"  # the one spelling that every torch since 2.4 understands
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


_stack: list[_Interceptor] = []


@contextlib.contextmanager
def _intercepted(interceptor: _Interceptor) -> Iterator[None]:
    with contextlib.ExitStack() as undo:
        if not _stack:
            undo.enter_context(_code_exchanged())
        _stack.append(interceptor)
        try:
            yield
        finally:
            _stack.remove(interceptor)


@contextlib.contextmanager
def _code_exchanged() -> Iterator[None]:
    """Exchange the code of ``torch.load``, whatever references to it exist."""
    from torch import serialization

    load = inspect.unwrap(serialization.load)
    if load.__code__.co_freevars:  # somebody's closure stands in its place, and torch's is not seen
        with _attributes_exchanged(load):
            yield
        return
    original = _copy(load)
    state = (load.__code__, load.__defaults__, load.__kwdefaults__)
    namespace = load.__globals__
    namespace[_HOOK] = _calling(original)
    # Libraries ask inspect.signature whether torch.load knows weights_only.
    load.__signature__ = inspect.signature(load)
    load.__code__, load.__defaults__, load.__kwdefaults__ = _trampoline.__code__, None, None
    try:
        yield
    finally:
        load.__code__, load.__defaults__, load.__kwdefaults__ = state
        del load.__signature__
        del namespace[_HOOK]


@contextlib.contextmanager
def _attributes_exchanged(original: Callable[..., Any]) -> Iterator[None]:
    """Set the two names of ``torch.load``: less than every reference, but all that is reachable."""
    import torch

    before = (torch.load, torch.serialization.load)
    torch.load = torch.serialization.load = _calling(original)
    try:
        yield
    finally:
        torch.load, torch.serialization.load = before


def _calling(original: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        return _stack[-1](original, *args, **kwargs)

    return call


def _trampoline(*args: Any, **kwargs: Any) -> Any:
    __tracebackhide__ = True
    return _torchcompat_load(*args, **kwargs)  # type: ignore[name-defined]  # noqa: F821 - in torch's namespace


def _copy(function: types.FunctionType) -> Callable[..., Any]:
    copy = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


class _Interceptor:
    """What stands in for ``torch.load`` while a policy holds."""

    def __init__(self, policy: Policy, rules: Rules, on_load: Callable[[Load], None]) -> None:
        self.policy = policy
        self.rules = rules
        self.on_load = on_load

    def __call__(self, original: Callable[..., Any], f: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        site, caller = call_sites(self.rules.root)
        load = Load(self.policy, site, caller, file_name(f, self.rules.root))
        try:
            with _opened(f) as file:
                scan = self._scanned(file, load.file)
                load = self._described(load, scan, kwargs.get("weights_only"))
                self._admit(load, scan, f, kwargs.get("weights_only"))
                if self.policy is Policy.STOCK:
                    result = original(f, *args, **kwargs)
                else:
                    result = self._ruled(load, original, _readable(f, file, kwargs), args, kwargs)
        except BaseException as error:
            self.on_load(_failed(load, error))
            raise
        self.on_load(load)
        return result

    def _described(self, load: Load, scan: Scan | None, explicit: bool | None) -> Load:
        return replace(
            load,
            sha256=scan.sha256 if scan else "",
            weights_only=None if explicit is None else bool(explicit),
            globals=_beyond_torch(scan) if scan else (),
            overridden=self.policy.enforces and explicit is False,
            allowed_by_library=allowed_by_library(),
        )

    def _admit(self, load: Load, scan: Scan | None, f: Any, explicit: bool | None) -> None:
        """Refuse what the policy must not hand to torch."""
        __tracebackhide__ = True
        if self.policy.enforces and scan and scan.verdict is Verdict.REFUSED:
            message = f"{self.policy.value} refuses {load.file}: {scan.cause} {scan.next_step}"
            kind = BrokenFileError if scan.reason in FAULTS else PolicyRefusedError
            raise kind(message)
        if self.policy is Policy.PATCHED and not explicit and not _absent(f):
            self._require_trust(load, f)

    def _scanned(self, file: BinaryIO | None, name: str) -> Scan | None:
        if file is None:
            return None
        try:
            return scan_file(file, name)
        except Exception:
            if self.policy is Policy.STOCK:  # an odd file object is torch's to judge
                return None
            raise

    def _require_trust(self, load: Load, f: Any) -> None:
        __tracebackhide__ = True
        message = untrusted("patched", self.rules, f, load.sha256)
        if message:
            raise PolicyRefusedError(message)

    def _ruled(
        self, load: Load, original: Callable[..., Any], f: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        __tracebackhide__ = True
        kwargs = dict(kwargs)
        if self.policy.enforces:
            kwargs["weights_only"] = True
        elif kwargs.get("weights_only") is None:
            kwargs["weights_only"] = False
        with registered(self._names(load)):
            return original(f, *args, **kwargs)

    def _names(self, load: Load) -> tuple[str, ...]:
        """Return what to register: the file's own list, and what a later torch allows by itself."""
        if self.policy is not Policy.ALLOWLISTED:
            return ()
        later = allowed_by_torch(NEWEST)
        return (*self.rules.allowed(load.sha256), *(n for n in load.globals if n in later))


def untrusted(who: str, rules: Rules, f: Any, sha256: str) -> str:
    """Return why the pickle of a file must not be executed; empty where ``patched`` may."""
    if rules.trusts(_names_of(f, rules.root), sha256):
        return ""
    name = file_name(f, rules.root)
    return (
        f"{who} would execute the pickle in {name}, which is neither verified nor trusted."
        f" If you trust it, name it: --torchcompat-trust={sha256 or name}"
    )


@contextlib.contextmanager
def _opened(f: Any) -> Iterator[BinaryIO | None]:
    """Yield the bytes of what ``torch.load`` was given, or nothing where torch must judge it."""
    if isinstance(f, (str, os.PathLike)):
        if not Path(f).is_file():
            yield None
            return
        with Path(f).open("rb") as file:
            yield file
    else:
        yield f if _seekable(f) else None


def _absent(f: Any) -> bool:
    """Whether there is nothing to execute: torch's own error says it best."""
    return isinstance(f, (str, os.PathLike)) and (not Path(f).exists() or Path(f).is_dir())


def _names_of(f: Any, root: Path | None) -> tuple[str, ...]:
    """Return what a user may call a file when they name it trusted."""
    path = _path_of(f)
    if path is None:
        return ()
    path = path.resolve() if ".." in path.parts else path  # assets/../evil.pt is not in assets
    return (file_name(path, root), path.name, str(path.absolute()))


def _path_of(f: Any) -> Path | None:
    """Return where a file lies; the member of an archive has but a name that the archive chose."""
    if isinstance(f, (str, os.PathLike)):
        return Path(f)
    name = getattr(f, "name", None)
    if not isinstance(name, str):
        return None
    try:
        same = os.path.samestat(os.fstat(f.fileno()), Path(name).stat())
    except (AttributeError, OSError, ValueError):
        return None
    return Path(name) if same else None


def _seekable(f: Any) -> bool:
    return all(hasattr(f, name) for name in ("read", "seek", "tell"))


def _readable(f: Any, file: BinaryIO | None, kwargs: Mapping[str, Any]) -> Any:
    """
    Hand torch the very file that was screened; a swap of the path between the two is harmless.

    Only ``mmap`` needs the path itself.
    """
    return f if file is None or _wants_mmap(kwargs) else file


def _wants_mmap(kwargs: Mapping[str, Any]) -> bool:
    if kwargs.get("mmap") is not None:
        return bool(kwargs["mmap"])
    try:
        from torch.utils.serialization import config
    except ImportError:  # before torch 2.7
        return False
    return bool(config.load.mmap)


def _failed(load: Load, error: BaseException) -> Load:
    from pytest_torchcompat.diagnosis.raised import errors_of  # read where something failed alone

    message = errors_of(error)[0].message
    refused = isinstance(error, PolicyRefusedError) or is_refusal(message)
    return replace(
        load,
        outcome="refused" if refused and load.policy is not Policy.STOCK else "fail",
        exception=type(error).__name__,
        message=message,
    )


def _beyond_torch(scan: Scan) -> tuple[str, ...]:
    import torch

    return scan.beyond(torch.__version__)

"""Holding a policy over the tests and the collection of a session."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterable, Iterator

import pytest

from pytest_torchcompat.plugin import marks
from pytest_torchcompat.plugin.options import POLICY, SETTINGS
from pytest_torchcompat.plugin.summary import note
from pytest_torchcompat.policies import Policy

FIXTURES = frozenset(
    {
        "torchcompat_policy",
        "torchcompat_load",
        "torchcompat_model",
        "torchcompat_forward",
    }
)
_HELD = pytest.StashKey[bool]()
_TORCH = pytest.StashKey[bool]()


def policies_for(node: marks.Node, names: Iterable[str]) -> tuple[Policy, ...]:
    """Return the policies that a test runs under: its marker's, else the chosen ones, else none."""
    settings = node.config.stash[SETTINGS]
    concerned = settings.whole_suite or bool(FIXTURES.intersection(names))
    return marks.policies(node) or (settings.policies if concerned else ())


def policy_of(item: pytest.Item) -> Policy | None:
    """Return the one policy that an item runs under, or nothing."""
    named = marks.parametrized(item)
    if named is not None:
        return Policy(named) if named in list(Policy) else None  # its setup says what is wrong
    found = policies_for(item, getattr(item, "fixturenames", ()))
    return found[0] if found else None


@contextlib.contextmanager
def held_for(node: pytest.Item | pytest.Collector, policy: Policy | None) -> Iterator[None]:
    """Hold a policy for a ``with`` block; does nothing without one, without torch, or twice."""
    node.config.stash[POLICY] = policy
    if policy is None or node.config.stash.get(_HELD, False) or not _torch_imports(node.config):
        yield
        return
    from pytest_torchcompat.plugin import caught
    from pytest_torchcompat.plugin.state import state_of
    from pytest_torchcompat.policies.interception import applied
    from pytest_torchcompat.policies.rules import Load

    state = state_of(node.config)
    state.loads.clear()
    node.config.stash[_HELD] = True

    def keep(load: Load) -> None:
        state.loads.append(load)
        line = {**load.to_dict(), **state.named(load.sha256)}
        note(node, line)
        caught.keep(node, line)

    try:
        with applied(policy, state.rules, keep):
            yield
    finally:
        node.config.stash[_HELD] = False


def _torch_imports(config: pytest.Config) -> bool:
    if _TORCH not in config.stash:
        config.stash[_TORCH] = torch_is_installed() and _try_torch()
    return config.stash[_TORCH]


def torch_is_installed() -> bool:
    """Whether there is a torch to import; a test's stand-in for it is none."""
    try:
        return importlib.util.find_spec("torch") is not None
    except ValueError:  # a module put into sys.modules by hand
        return False


def runs_once(item: pytest.Item) -> bool:
    """Whether an item can't run once a policy: those of unittest and doctest can't."""
    several = len(policies_for(item, getattr(item, "fixturenames", ()))) > 1
    return several and not hasattr(item, "callspec")


def _try_torch() -> bool:
    try:
        import torch.serialization  # noqa: F401 - torch must be there before its load is ruled
    except Exception:  # noqa: BLE001 - a broken torch raises anything; its users will show it
        return False
    return True

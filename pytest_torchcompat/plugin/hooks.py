"""pytest's hooks, thin: each hands on to the module that knows."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytest

from pytest_torchcompat.plugin import hookspecs, marks, options, summary
from pytest_torchcompat.plugin.enforcement import held_for, policies_for, policy_of, runs_once
from pytest_torchcompat.plugin.options import PROBLEM, SETTINGS


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    options.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks that others implement."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, once; help and version are shown whatever they are."""
    for line in marks.DECLARATIONS:
        config.addinivalue_line("markers", line)
    if config.getoption("help", False) or config.getoption("version", 0):
        return
    config.stash[SETTINGS] = options.resolve(config)
    config.stash[summary.PENDING] = []
    for name, plugin in _plugins(config):
        config.pluginmanager.register(plugin, f"torchcompat-{name}")


def _plugins(config: pytest.Config) -> Iterator[tuple[str, object]]:
    """Yield what a session registers beside these hooks; none pays for what it has no use for."""
    yield "boundary", _Boundary()
    if options.is_benchmarking(config):
        from pytest_torchcompat.plugin import benchmarks

        yield "benchmarks", benchmarks
    if config.stash[SETTINGS].whole_suite:
        yield "fixtures", _Fixtures()
    if not hasattr(config, "workerinput"):
        yield "writer", summary.Writer(config)


def pytest_report_header(config: pytest.Config) -> str:
    """Show each setting and where it came from."""
    try:
        torch = f"torch {version('torch')}"
    except PackageNotFoundError:
        torch = "torch not installed"
    return f"torchcompat: {config.stash[SETTINGS].describe()}, {torch}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each of its policies and checkpoints, where there are several."""
    names = policies_for(metafunc.definition, metafunc.fixturenames)
    if len(names) > 1 or marks.policies(metafunc.definition):
        _parametrize(metafunc, "torchcompat_policy", [name.value for name in names], "session")
    named = marks.checkpoints(metafunc.definition)
    if len(named) > 1:
        _parametrize(metafunc, "torchcompat_checkpoint", named, "function")


def _parametrize(metafunc: pytest.Metafunc, name: str, values: Sequence[Any], scope: Any) -> None:
    if name not in metafunc.fixturenames:
        metafunc.fixturenames.append(name)
    # Of session scope, so that pytest runs all tests of one policy before those of the next.
    metafunc.parametrize(name, values, indirect=True, ids=list(map(str, values)), scope=scope)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Hold the first chosen policy while modules are imported, where one was asked for."""
    settings = collector.config.stash[SETTINGS]
    asked = settings.whole_suite and not collector.config.getoption("collectonly")
    with held_for(collector, settings.policies[0] if asked else None):
        report = yield
    call = getattr(report, "call", None)
    if report.failed and call is not None and call.excinfo is not None:
        summary.note_failure(collector, call.excinfo, report)
    if report.failed or not hasattr(collector.config, "workerinput"):
        # A worker of pytest-xdist keeps a report of success to itself; its first test carries the
        # lines.
        summary.attach(collector.config, report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Hold the item's policy from its setup to its teardown."""
    policy = policy_of(item)
    if policy is not None and runs_once(item):
        summary.note(item, {"kind": "once", "policy": policy.value})
    with held_for(item, policy):
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Stop a test whose markers make no sense, with a sentence."""
    problem = marks.problem(item)
    if problem:
        pytest.fail(problem, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the report carry what was loaded since the last one, and what is known of a failure."""
    report = yield
    if report.failed and call.excinfo is not None:
        summary.note_failure(item, call.excinfo, report)
    summary.attach(item.config, report)
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Stop the session with the sentence that a worker of pytest-xdist stopped for."""
    problem = getattr(node, "workeroutput", {}).get(PROBLEM)
    if problem:
        raise pytest.UsageError(problem)


class _Boundary:
    """
    Tears everything down between two policies.

    A session-scoped fixture that loads a model under the first would hand it to the tests of the
    second, which would then pass without a load.
    """

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Any:
        if nextitem is None or policy_of(item) == policy_of(nextitem):
            return None
        item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
        return True


class _Fixtures:
    """Tells the loads of fixtures that outlive a test, where a policy holds for the whole suite."""

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        from pytest_torchcompat.plugin.caught import in_fixture

        with in_fixture(request.config, fixturedef):
            return (yield)

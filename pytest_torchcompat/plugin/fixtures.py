"""The fixtures that tests ask for."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

from pytest_torchcompat.errors import FetchError, TorchcompatError, UnknownNameError
from pytest_torchcompat.plugin import marks
from pytest_torchcompat.plugin.enforcement import held_for, torch_is_installed
from pytest_torchcompat.plugin.options import SETTINGS

if TYPE_CHECKING:  # what every pytest session imports is kept light
    from pytest_torchcompat.checkpoints.catalogue import CheckpointFile
    from pytest_torchcompat.plugin.subject import Subject

NO_TORCH = "torch is not installed; python -m pip install 'pytest-torchcompat[torch]'"
NO_CHECKPOINT = (
    "torchcompat_checkpoint needs to know which one: "
    '@pytest.mark.torchcompat_checkpoint("rvc/hubert-base")'
)
NOTHING_TO_TIME = (
    "torchcompat_forward takes a model or call=, a function without arguments, and not both. Write"
    " torchcompat_forward(model) or torchcompat_forward(call=lambda: ...)."
)


@pytest.fixture(scope="session")
def torchcompat_policy(request: pytest.FixtureRequest) -> str:
    """The name of the policy that the test runs under."""
    named = getattr(request, "param", None)
    return named or request.config.stash[SETTINGS].policies[0].value


@pytest.fixture
def torchcompat_checkpoint(request: pytest.FixtureRequest) -> Iterator[CheckpointFile]:
    """The file of the checkpoint that the test's marker names, verified."""
    names = marks.checkpoints(request.node)
    named = getattr(request, "param", names[0] if names else None)
    if named is None:
        pytest.fail(NO_CHECKPOINT, pytrace=False)
    from pytest_torchcompat.plugin.state import state_of

    file = _located(request.node, named)
    with state_of(request.config).learned(file):
        yield file


def _located(node: pytest.Item, named: marks.Name) -> CheckpointFile:
    from pytest_torchcompat.plugin.checkpoints import located

    try:
        return located(node, named)
    except FetchError as error:
        problem = f"infra: {error}"
    except TorchcompatError as error:
        problem = f"@pytest.mark.torchcompat_checkpoint: {error}"
    # Outside of the handlers: pytest would show each error that this one came from.
    pytest.fail(problem, pytrace=False)


@pytest.fixture
def _torchcompat_subject(
    request: pytest.FixtureRequest,
    torchcompat_policy: str,  # noqa: ARG001 - parametrizes the test
    torchcompat_checkpoint: CheckpointFile,
) -> Iterator[Subject]:
    if not torch_is_installed():
        pytest.skip(NO_TORCH)
    from pytest_torchcompat.plugin.subject import Subject

    subject = Subject(request.node, torchcompat_checkpoint)
    # A test that asks for it while it runs, by its name in a text, has no policy until now.
    with held_for(request.node, subject.policy):
        yield subject
    subject.note()


@pytest.fixture
def torchcompat_load(_torchcompat_subject: Subject) -> Callable[..., Any]:
    """
    Load the checkpoint under the policy: ``torchcompat_load()`` or ``torchcompat_load(loader)``.

    ``loader`` is called with the file's path; without one ``torch.load`` reads it to the CPU.
    """

    def load(loader: Callable[[Path], Any] | None = None) -> Any:
        __tracebackhide__ = True
        from pytest_torchcompat.outcome import Stage

        read = loader or _to_cpu
        path = _torchcompat_subject.file.path
        return _torchcompat_subject.attempted(Stage.LOAD, lambda: read(path))

    return load


def _to_cpu(path: Path) -> Any:
    import torch

    return torch.load(path, map_location="cpu")


@pytest.fixture
def torchcompat_model(_torchcompat_subject: Subject) -> Iterator[Any]:
    """The model, loaded by its library's own loader under the policy."""
    from pytest_torchcompat.outcome import Stage

    subject = _torchcompat_subject
    library = subject.library
    if not _is_installed(library.distribution):
        pytest.skip(
            f"{library.name} is not installed; python -m pip install {library.distribution}"
        )
    with contextlib.ExitStack() as stack:
        early, late = _shims(library, subject.state.settings.shims)
        subject.attempted(Stage.IMPORT, lambda: _imported(stack, subject, early))
        subject.model = subject.attempted(Stage.LOAD, lambda: _loaded(stack, subject, late))
        yield subject.model


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def _shims(library: Any, chosen: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """
    Return the shims that may be needed for the import, and those that may be after it.

    All of the first are applied, as in one process an import cannot be tried twice.
    """
    from pytest_torchcompat import shim

    return shim.early_and_late(shim.that_apply(library.name, shim.installed(), chosen))


def _imported(stack: contextlib.ExitStack, subject: Subject, early: Sequence[str]) -> None:
    from pytest_torchcompat import shim

    stack.enter_context(shim.held(early))
    subject.shims = tuple(early)
    subject.library.import_()


def _loaded(stack: contextlib.ExitStack, subject: Subject, late: Sequence[str]) -> Any:
    """
    Return the model; where it does not load unaided, with the first shim that helps alone, or all.

    Where none helps, none stays applied, and the error is that of the unaided load.
    """
    row, path = subject.file.checkpoint, subject.file.path
    try:
        return subject.library.load(row, path)
    except Exception as error:
        if subject.refused(error):
            raise
        for names in [*([name] for name in late), *([late] if len(late) > 1 else [])]:
            with _unless_refused(subject), _aided(stack, subject, names):
                return subject.library.load(row, path)
        raise


@contextlib.contextmanager
def _unless_refused(subject: Subject) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if subject.refused(error):
            raise


@contextlib.contextmanager
def _aided(stack: contextlib.ExitStack, subject: Subject, names: Sequence[str]) -> Iterator[None]:
    """Apply shims for a block, and for the rest of the test where it ends without an error."""
    from pytest_torchcompat import shim

    with contextlib.ExitStack() as tried:
        tried.enter_context(shim.held(names))
        yield
        stack.enter_context(tried.pop_all())
    subject.shims += tuple(names)


@pytest.fixture
def torchcompat_forward(request: pytest.FixtureRequest) -> Callable[..., dict[str, Any]]:
    """
    Time a forward pass: ``torchcompat_forward(model)`` or ``torchcompat_forward(call=function)``.

    ``batch`` inputs at once, and ``dtype`` float32, float16 or bfloat16, are what the library's
    forward pass is timed with; of a ``call`` they are what you say of it. While another benchmark
    runs on the device, this waits for it, up to two minutes.

    Returns the rounds, minimum, quartiles, median with its interval, interquartile range and
    maximum in seconds, the inputs a second, the most memory in bytes, the method of timing, and
    remarks on what speaks against the figures; on a GPU also ``launch``, what the CPU takes to
    queue a call, and ``graph``, the call without that. Of several in one test each returns its
    own; the record, the summary, and pytest-benchmark's table and JSON, where it is installed,
    have the first.
    """
    subject: Subject = request.getfixturevalue("_torchcompat_subject")

    def torchcompat_forward(
        model: Any = None,
        *,
        call: Callable[[], Any] | None = None,
        batch: int = 1,
        dtype: str = "float32",
    ) -> dict[str, Any]:
        __tracebackhide__ = True
        if not _can_be_timed(subject, model, call):
            pytest.fail(NOTHING_TO_TIME, pytrace=False)
        device = _device(subject.state.settings.device)
        size = {"batch": batch, "dtype": dtype}
        run = _run(subject, model, call, device, size)
        size["batch"] = operator.index(batch)  # JSON takes no number of numpy's
        return _benchmarked(request, subject, run, device, size)

    torchcompat_forward.__qualname__ = torchcompat_forward.__name__  # a wrong keyword is told by it
    return torchcompat_forward


def _can_be_timed(subject: Subject, model: Any, call: Any) -> bool:
    """Whether there is a model or a call; a text is a model where the library takes one for it."""
    if call is not None:
        return model is None and callable(call)
    if isinstance(model, str):
        return model is subject.model or model == str(subject.file.path)
    return model is not None


def _run(
    subject: Subject,
    model: Any,
    call: Callable[[], Any] | None,
    device: str,
    size: dict[str, Any],
) -> Callable[[], Any]:
    """Return what is timed; ends the test with a sentence where there is nothing of that size."""
    __tracebackhide__ = True
    from pytest_torchcompat.libraries import forward_of
    from pytest_torchcompat.libraries.inputs import NotOfferedError, checked
    from pytest_torchcompat.outcome import Stage

    row, before = subject.file.checkpoint, dict(subject.found)
    try:
        checked(**size)
        run = call or subject.attempted(
            Stage.FORWARD, lambda: forward_of(subject.library, row, model, device, **size), device
        )
    except (NotOfferedError, UnknownNameError) as error:
        subject.found = before  # what the test asks for says nothing about the checkpoint
        problem = f"torchcompat_forward: {error}"
    else:
        return run or pytest.skip(f"{row.id} has no forward pass")
    pytest.fail(problem, pytrace=False)


def _benchmarked(
    request: pytest.FixtureRequest,
    subject: Subject,
    run: Callable[[], Any],
    device: str,
    size: dict[str, Any],
) -> dict[str, Any]:
    """Return the figures, and keep the test's first; a clock that can't be right ends the test."""
    __tracebackhide__ = True
    from pytest_torchcompat.outcome import Stage
    from pytest_torchcompat.timing import ClockError

    first = "benchmark" not in subject.found
    try:
        figures: dict[str, Any] = subject.attempted(
            Stage.FORWARD, lambda: _timed(request, run, device, size, in_table=first), device
        )
    except ClockError as error:
        problem = f"infra: {error}"
    else:
        subject.found.setdefault("benchmark", figures)
        return figures
    pytest.fail(problem, pytrace=False)


def _device(name: str) -> str:
    from pytest_torchcompat.forward import device_of

    try:
        return device_of(name)
    except RuntimeError as error:
        pytest.skip(str(error))


def _timed(
    request: pytest.FixtureRequest,
    run: Callable[[], Any],
    device: str,
    size: dict[str, Any],
    *,
    in_table: bool,
) -> dict[str, Any]:
    from pytest_torchcompat.timing.measuring import measured

    figures, times = measured(run, device)
    figures.update(size)
    if figures["median"]:
        figures["throughput"] = size["batch"] / figures["median"]
    # pytest-benchmark takes one figure a test, and a test may take it for something else.
    if in_table and "benchmark" not in request.fixturenames:
        from pytest_torchcompat.plugin.benchmarks import tell

        tell(request, figures, times)
    return figures

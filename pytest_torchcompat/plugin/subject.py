"""One checkpoint in one test."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable

import pytest

from pytest_torchcompat import machine, shim
from pytest_torchcompat.attempt import Attempt, classify, failed
from pytest_torchcompat.checkpoints.catalogue import CheckpointFile
from pytest_torchcompat.libraries import Library
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.plugin.enforcement import policy_of
from pytest_torchcompat.plugin.state import state_of
from pytest_torchcompat.plugin.summary import note
from pytest_torchcompat.policies.refusals import is_refusal
from pytest_torchcompat.record import Record
from pytest_torchcompat.timing import memory


class Subject:
    """One checkpoint in one test: loads it, times it, and notes what became of it."""

    def __init__(self, node: pytest.Item, file: CheckpointFile) -> None:
        self.node = node
        self.file = file
        self.state = state_of(node.config)
        self.policy = policy_of(node) or self.state.settings.policies[0]
        self.shims: tuple[str, ...] = ()
        self.found: dict[str, Any] = {}
        self.model: Any = None  # as the library's own loader gave it

    @property
    def library(self) -> Library:
        """The adapter of the checkpoint's library."""
        return self.state.libraries.get(self.file.checkpoint.library)

    def attempted(self, stage: Stage, action: Callable[[], Any], device: str | None = None) -> Any:
        """Run a stage, keeping its outcome whether it raises or not."""
        self.found["stage"] = stage
        if device:
            self.found["device"] = device
        try:
            found = action()
        except pytest.skip.Exception:
            self.found.clear()
            raise
        except BaseException as error:  # pytest's own, and those of its timeouts, are no Exception
            self._keep(error, failed(stage, error, self.state.loads), device or "cpu")
            raise
        if self.found.get("outcome") is Outcome.INFRA:  # as of a batch that was too large
            self._forget()
        return found

    def _forget(self) -> None:
        """Take back a failure of the machine that did not come again."""
        for name in ("outcome", "exception", "message"):
            self.found.pop(name, None)

    def _keep(self, error: BaseException, attempt: Attempt, device: str) -> None:
        """Note what failed; what the machine lacked, the error says in a sentence with sizes."""
        words = "\n".join(attempt.chain)
        if machine.fault(words, device):
            fault = machine.fault(words, device, memory.free(device))
            attempt = dataclasses.replace(attempt, infra=True, message=fault)
            error.args = (fault,)  # its type stays: a test may catch it and try a smaller batch
        self.found["outcome"] = classify(attempt, self.policy, shimmed=bool(self.shims))
        self.found["exception"] = attempt.exception
        self.found["message"] = attempt.message

    def refused(self, error: BaseException) -> bool:
        """Whether an error is a policy's refusal or torch's own, which no shim can help."""
        attempt = failed(Stage.LOAD, error, self.state.loads)
        verdict = classify(attempt, self.policy, shimmed=False)
        return verdict is Outcome.REFUSED or any(map(is_refusal, attempt.chain))

    def note(self) -> None:
        """Add the check's record to the report, if anything was attempted."""
        if "stage" not in self.found:
            return
        worked = Attempt(Stage.FORWARD, lost=shim.lost(self.shims))
        reads = [load for load in self.state.loads if load.sha256 == self.file.sha256]
        record = Record(
            checkpoint=self.file.checkpoint.id,
            edition=self.file.edition.value,
            sha256=self.file.sha256,
            library=self.file.checkpoint.library,
            policy=self.policy.value,
            shims=self.shims,
            globals=reads[-1].globals if reads else (),
            allowed_by_library=reads[-1].allowed_by_library if reads else (),
            overridden=tuple(load.site for load in reads if load.overridden),
            outcome=classify(worked, self.policy, bool(self.shims)),
            message="; ".join(worked.lost) or None,
        )
        note(self.node, record.changed(**self.found).to_dict())

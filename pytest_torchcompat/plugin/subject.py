"""One checkpoint in one test."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from pytest_torchcompat import shim
from pytest_torchcompat.attempt import Attempt, classify, failed
from pytest_torchcompat.checkpoints.catalogue import CheckpointFile
from pytest_torchcompat.libraries import Library
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.plugin.enforcement import policy_of
from pytest_torchcompat.plugin.state import state_of
from pytest_torchcompat.plugin.summary import note
from pytest_torchcompat.policies.refusals import is_refusal
from pytest_torchcompat.record import Record


class Subject:
    """One checkpoint in one test: loads it, times it, and notes what became of it."""

    def __init__(self, node: pytest.Item, file: CheckpointFile) -> None:
        self.node = node
        self.file = file
        self.state = state_of(node.config)
        self.policy = policy_of(node) or self.state.settings.policies[0]
        self.shims: tuple[str, ...] = ()
        self.found: dict[str, Any] = {}

    @property
    def library(self) -> Library:
        """The adapter of the checkpoint's library."""
        return self.state.libraries.get(self.file.checkpoint.library)

    def attempted(self, stage: Stage, action: Callable[[], Any]) -> Any:
        """Run a stage, keeping its outcome whether it raises or not."""
        self.found["stage"] = stage
        try:
            return action()
        except pytest.skip.Exception:
            self.found.clear()
            raise
        except BaseException as error:  # pytest's own, and those of its timeouts, are no Exception
            attempt = failed(stage, error, self.state.loads)
            self.found["outcome"] = classify(attempt, self.policy, shimmed=bool(self.shims))
            self.found["exception"] = attempt.exception
            self.found["message"] = attempt.message
            raise

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

"""One checkpoint in one test."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from pytest_torchcompat.checkpoints.catalogue import CheckpointFile
from pytest_torchcompat.libraries import Library
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.plugin.enforcement import policy_of
from pytest_torchcompat.plugin.state import state_of
from pytest_torchcompat.plugin.summary import note
from pytest_torchcompat.policies import Policy
from pytest_torchcompat.policies.refusals import is_refusal, plain
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
        except Exception as error:
            message = plain(str(error))
            refused = self.policy is not Policy.STOCK and is_refusal(message)
            self.found["outcome"] = Outcome.REFUSED if refused else Outcome.FAIL
            self.found["exception"] = type(error).__name__
            self.found["message"] = message
            raise

    def note(self) -> None:
        """Add the check's record to the report, if anything was attempted."""
        if "stage" not in self.found:
            return
        reads = [load for load in self.state.loads if load.sha256 == self.file.sha256]
        record = Record(
            checkpoint=self.file.checkpoint.id,
            edition=self.file.edition.value,
            sha256=self.file.sha256,
            library=self.file.checkpoint.library,
            policy=self.policy.value,
            shims=self.shims,
            globals=reads[0].globals if reads else (),
            allowed_by_library=reads[0].allowed_by_library if reads else (),
            overridden=tuple(load.site for load in reads if load.overridden),
            outcome=Outcome.SHIMMED if self.shims else Outcome.PASS,
        )
        note(self.node, record.changed(**self.found).to_dict())

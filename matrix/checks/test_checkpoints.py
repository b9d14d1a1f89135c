"""One test a check; its verdict is the record, and red where the check does not work."""

from __future__ import annotations

import pytest

from pytest_torchcompat.record import Record


def test_checkpoint(record: Record) -> None:
    """The checkpoint loads, builds and runs under the policy."""
    if not record.outcome.works:
        pytest.fail(record.sentence, pytrace=False)

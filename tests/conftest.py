"""Shared by all tests."""

from __future__ import annotations

import contextlib

import pytest

pytest_plugins = ["pytester"]

with contextlib.suppress(ImportError):  # not all that is tested draws its cases
    from hypothesis import HealthCheck, settings

    # How long a case takes is the machine's affair, and no verdict on the code.
    settings.register_profile(
        "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _no_addopts(monkeypatch):
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # what tests start is no worker


def pytest_make_parametrize_id(val, argname):
    """Name a case of bytes by its place: an archive's hold the time, which no two workers share."""
    return argname if isinstance(val, bytes) else None

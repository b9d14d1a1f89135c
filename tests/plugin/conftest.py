"""Shared by the tests of the plugin."""

from __future__ import annotations

import importlib.util
import os

import pytest
from forking import forks

if importlib.util.find_spec("torch"):
    # A suite that pytester runs in this process takes back what it imported, and a torch that is
    # imported a second time corrupts the process.
    import torch  # noqa: F401


@pytest.fixture(scope="session")
def _forks():
    with forks() as popen:
        yield popen


@pytest.fixture
def in_forks(request, pytester, monkeypatch):
    """What pytester starts has torch imported already, where a process can fork."""
    if hasattr(os, "fork") and importlib.util.find_spec("torch"):
        monkeypatch.setattr(pytester, "popen", request.getfixturevalue("_forks"))

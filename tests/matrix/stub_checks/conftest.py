"""The options of a cell's checks, and the promise to go with the sweep."""

from __future__ import annotations

from pytest_torchcompat.reaping import die_with_parent


def pytest_addoption(parser):
    """Declare what the real checks declare."""
    parser.addoption("--torchcompat-cell")
    parser.addoption("--torchcompat-check-memory")


def pytest_configure():
    """Go when the sweep goes."""
    die_with_parent()

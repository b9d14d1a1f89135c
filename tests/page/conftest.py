"""A whole synthetic matrix and its page."""

from __future__ import annotations

import pytest
import synthetic_matrix

from matrix.page.render import render


@pytest.fixture
def matrix():
    """Return a fresh matrix that a test may change."""
    return synthetic_matrix.matrix()


@pytest.fixture(scope="session")
def page():
    """Return the page of the whole matrix."""
    return render(synthetic_matrix.matrix())

"""Timing a call so that the figure is that of the work, with the method beside it."""

from pytest_torchcompat.timing.measuring import measure
from pytest_torchcompat.timing.sampling import ClockError, Effort, Timer

__all__ = ["ClockError", "Effort", "Timer", "measure"]

"""Known failures: how they are recognised, why they happen and what helps."""

from pytest_torchcompat.diagnosis.failure import Error, Failure
from pytest_torchcompat.diagnosis.matching import Advice, Diagnosis, diagnose

__all__ = ["Advice", "Diagnosis", "Error", "Failure", "diagnose"]

"""Reading checkpoints without executing them."""

from pytest_torchcompat.scan.allowlists import allowed_by_torch
from pytest_torchcompat.scan.limits import Limits
from pytest_torchcompat.scan.verdict import Scan, Verdict, scan_file, scan_path

__all__ = ["Limits", "Scan", "Verdict", "allowed_by_torch", "scan_file", "scan_path"]

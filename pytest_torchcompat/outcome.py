"""The closed set of verdicts on a check, and the stages that a check goes through."""

from __future__ import annotations

from enum import Enum


class Stage(str, Enum):
    """
    How far a check got, in order.

    ``import``: torch and the library are imported, with the shims that the import needs.

    ``load``: the library's own loader reads the file, under the policy.

    ``build``: ``torch.load`` has returned, and the loader makes the model of what it gave.

    ``forward``: the model is used once on a fixed input; then its forward pass is timed.

    ``parity``: the output is compared with that of the baseline, when a run is merged.
    """

    IMPORT = "import"
    LOAD = "load"
    BUILD = "build"
    FORWARD = "forward"
    PARITY = "parity"


class Outcome(str, Enum):
    """The verdict on a check, from best to least telling."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    SHIMMED = "shimmed"
    DEGRADED = "degraded"
    REFUSED = "refused"
    FAIL = "fail"
    CRASH = "crash"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    INFRA = "infra"
    NOT_RUN = "not-run"

    @property
    def works(self) -> bool:
        """Whether a user gets a result that they can rely on."""
        return self in (Outcome.PASS, Outcome.SHIMMED)

    @property
    def meaning(self) -> str:
        """One sentence for legends and reports."""
        return MEANINGS[self]

    @property
    def severity(self) -> int:
        """The position in the list above; a cell shows its most severe check."""
        return list(Outcome).index(self)


# The verdicts that a user can rely on, as records have them.
WORKING = tuple(each.value for each in Outcome if each.works)

MEANINGS = {
    Outcome.PASS: "all stages, no shim",
    Outcome.SHIMMED: "all stages, with the named shims",
    Outcome.DEGRADED: "it runs, but the output differs from the baseline's beyond the tolerance",
    Outcome.REFUSED: "the policy refused the pickle, as it exists to do",
    Outcome.FAIL: "an exception at a stage",
    Outcome.CRASH: "the process died",
    Outcome.TIMEOUT: "the stage ran out of its time",
    Outcome.UNAVAILABLE: "the environment cannot exist",
    Outcome.INFRA: "a fault of the machine; says nothing about the cell",
    Outcome.NOT_RUN: "planned and not reached",
}

"""What the project promises of its speed and its memory: each by its name, its unit and its aim."""

from __future__ import annotations

from typing import NamedTuple

RATIO = "x"  # ours over the peer's, of what costs: below one, ours takes less
DESCRIPTIONS = {
    "start-up": "what the plugin adds to every pytest",
    "fetch": "a download from a hub on localhost",
    "scan": "reading checkpoints without executing them",
    "explain": "diagnoses of recorded failures",
    "scale": "runs of up to a hundred thousand cells",
    "carry": "a night on which nothing changed",
    "page": "the page in a browser",
    "forward": "the timing of a forward pass",
    "load": "torch.load under a policy",
    "sweep": "the whole sweep",
}
SUITES = tuple(DESCRIPTIONS)


class Promise(NamedTuple):
    """A figure's bounds, in its unit; ``x`` is the ratio to the peer."""

    name: str
    unit: str
    least: float | None = None
    most: float | None = None

    @property
    def aim(self) -> str:
        """Return the bounds in words."""
        unit = f" {self.unit}" if self.unit not in (RATIO, "") else ""
        if self.least is None:
            return f"<= {self.most:g}{unit}"
        if self.most is None:
            return f">= {self.least:g}{unit}"
        return f"{self.least:g} to {self.most:g}{unit}"

    def met(self, value: float) -> bool:
        """Whether a figure is within the bounds."""
        low = self.least is None or value >= self.least
        return low and (self.most is None or value <= self.most)


PROMISES = {
    "start-up": (
        Promise("what the plugin adds to pytest --co", "ms", most=10),
        Promise("times that torch is imported", "", most=0),
    ),
    "fetch": (
        # A throughput of 0.8 of the client's, which verifies nothing.
        Promise("1 GiB, verified", RATIO, most=1.25),
        Promise("1 GiB: most memory", "MB", most=200),
    ),
    "scan": (
        Promise("zip of 3 GiB", RATIO, most=0.8),
        Promise("3 M opcodes", RATIO, most=0.25),
        Promise("zip of 3 GiB: most memory", "MB", most=25),
        Promise("3 M opcodes: most memory", "MB", most=60),
        Promise("harmful files not seen", "files", most=0),
        Promise("false alarms", "files", most=0),
    ),
    "explain": (Promise("10,000 failures", "s", most=1),),
    "scale": (
        Promise("planning 100,000 cells", "s", most=10),
        Promise("planning 100,000 cells: memory", "MB", most=500),
        Promise("merging 100,000 cells from three files each", "s", most=10),
        Promise("merging 100,000 cells from three files each: memory", "MB", most=500),
        Promise("reading two and comparing 100,000 cells", "s", most=10),
        Promise("reading two and comparing 100,000 cells: memory", "MB", most=500),
        Promise("all three of 100,000 cells", "s", most=10),
        # Linear: a cell of many costs what a cell of few does.
        Promise("planning 100,000 cells: processor time a cell", RATIO, most=1.25),
        Promise(
            "merging 100,000 cells from three files each: processor time a cell", RATIO, most=1.25
        ),
        Promise("reading two and comparing 100,000 cells: processor time a cell", RATIO, most=1.25),
    ),
    "carry": (Promise("200 cells, planned and carried over", "s", most=5),),
    "page": (
        Promise("1,000 checks: page", "MB", most=0.5),
        Promise("1,000 checks: first paint", "ms", most=300),
        Promise("10,000 checks: page", "MB", most=3),
        Promise("10,000 checks: rendered in Python", "s", most=3),
        Promise("10,000 checks: interactive", "ms", most=1000),
        Promise("10,000 checks: a search, to the next frame", "ms", most=100),
        Promise("10,000 checks: only what changed, to the next frame", "ms", most=100),
    ),
    "forward": (
        Promise("median", RATIO, 0.97, 1.03),
        # The cache is flushed as triton does it; torch's timer leaves it, and so is its peer.
        Promise("median on a GPU", RATIO, 0.98, 1.02),
        Promise("median, cache as it is", RATIO, 0.98, 1.02),
        Promise("overhead of a round", "us", most=20),
    ),
    "load": (
        # The file's hash is what tells a verified file from another, so it is in the peer as well.
        Promise("patched, with the file's sha256", RATIO, most=1.1),
        Promise("strict, with the file's sha256", RATIO, most=1.1),
    ),
    "sweep": (
        Promise("wall x cores", RATIO, most=1.15),
        Promise("the fastest by hand", RATIO, most=0.333),
    ),
}


def of(suite: str, name: str) -> Promise | None:
    """Return what is promised of a figure; of most nothing is, and they are stated."""
    return next((each for each in PROMISES[suite] if each.name == name), None)

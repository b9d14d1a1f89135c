"""A device that works behind the CPU's back, in time that a test moves."""

from __future__ import annotations


class Queue:
    """
    A device with a queue: the CPU goes on at once, and the work is done later.

    Queueing takes the CPU ``launch`` seconds, a microsecond unless told otherwise. Both clocks,
    ``cpu`` and the device's, are in seconds; nobody sleeps.
    """

    LAUNCH, FLUSH = 1e-6, 1e-4

    def __init__(self, launch=LAUNCH):
        self.cpu = self.done = 0.0
        self.launch, self.flushed, self.own = launch, 0, 0

    def clock(self):
        """Return the time of the CPU."""
        return self.cpu

    def work(self, seconds):
        """Queue work of so many seconds."""
        self.cpu += self.launch
        self.done = max(self.done, self.cpu) + seconds

    def event(self):
        return _Event(self)

    def flush(self):
        self.flushed += 1
        self.work(self.FLUSH)

    def synchronise(self):
        self.cpu = max(self.cpu, self.done)


class _Event:
    def __init__(self, queue):
        self.queue, self.at = queue, None

    def record(self):
        self.at = max(self.queue.done, self.queue.cpu)

    def elapsed_time(self, later):
        return (later.at - self.at) * 1000

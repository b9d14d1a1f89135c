"""What CPython's own unpickler asks for is listed, or the file is refused."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from scan_corpus import torch_zip

from pytest_torchcompat.scan import Verdict, scan_file

pytest.importorskip("resource", reason="the oracle runs under a memory limit")

# In a process of its own: a mutated length may ask the unpickler for more memory than there is.
_ORACLE = r"""
import io, json, pickle, random, resource, sys, warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

sys.path.insert(0, sys.argv[1])
from scan_corpus import HIDDEN, REFUSED, STATE
from pytest_torchcompat.scan import Verdict, scan_file

warnings.simplefilter("ignore")
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))


class Inert:
    def __init__(self, *args, **kwargs): pass
    def __call__(self, *args, **kwargs): return Inert()
    def __setstate__(self, state): pass
    def append(self, item): pass
    def extend(self, items): pass
    def add(self, item): pass
    def __setitem__(self, key, value): pass


class Recorder(pickle.Unpickler):
    def __init__(self, data):
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self.asked = []

    def find_class(self, module, name):
        self.asked.append((module, name))
        return Inert

    def persistent_load(self, key):
        return Inert()


def asked(data):
    recorder = Recorder(data)
    try:
        recorder.load()
    except Exception:
        pass
    return recorder.asked


def renamed(module, name):
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return f"{module}.{name}"


def refused(data):
    return scan_file(io.BytesIO(data)).verdict is Verdict.REFUSED


def silent(data):
    scan = scan_file(io.BytesIO(data))
    if scan.verdict is Verdict.REFUSED:
        return []
    listed = set(scan.globals)
    return [each for each in asked(data) if not {".".join(each), renamed(*each)} & listed]


def mutations(rng, streams, count):
    for _ in range(count):
        data = bytearray(rng.choice(streams))
        for _ in range(rng.choice((1, 1, 2, 3))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        yield bytes(data)


PIECES = [bytes([code]) for code in b"()N0122]}tlde\x85\x86\x87asbRQ\x81\x92\x93\x94\x90\x91o\x8f"]
PIECES += [b"\x8c\x02os", b"\x8c\x06getpid", b"Vos\n", b"S'os'\n", b"U\x06getpid"]
PIECES += [b"cos\ngetpid\n", b"ios\ngetpid\n", b"K\x01", b"C\x01x", b"I0x1\n", b"Pid\n"]
PIECES += [b"q\x00", b"q\x01", b"h\x00", b"h\x01", b"g0\n", b"p1\n"]
PIECES += [b"\x80\x04", b"\x80\x02", b"\x95\x04" + bytes(7), b"\x95\x09" + bytes(7)]


def random_streams(rng, count):
    for _ in range(count):
        yield b"".join(rng.choices(PIECES, k=rng.randrange(2, 14))) + b"."


rng = random.Random(20261120)
value = pickle.loads(STATE)
known = [*HIDDEN.values(), *(data for data, _ in REFUSED.values())]
whole = [pickle.dumps(value, protocol) for protocol in range(6)]
count = int(sys.argv[2])
streams = [*known, *whole, *mutations(rng, known + whole, count), *random_streams(rng, 2 * count)]
result = {
    "streams": len(streams),
    "asking": sum(bool(asked(data)) for data in streams[: len(known) + count]),
    "not refused": sum(not refused(data) for data in streams),
    "silent": [(data.hex(), found) for data in streams for found in [silent(data)] if found],
}
print(json.dumps(result))
"""


def test_no_global_that_the_unpickler_asks_for_is_missing():
    command = [sys.executable, "-c", _ORACLE, str(Path(__file__).parent), "4000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)

    assert result["silent"] == []
    assert result["asking"] > 500, "the streams must put the question"
    assert result["not refused"] > 500, "refusing everything would be no answer"


BROKEN = {
    "test_bad_mark": 30,
    "test_bad_stack": 40,
    "test_badly_escaped_string": 1,
    "test_badly_quoted_string": 10,
    "test_misc_get": 3,
    "test_negative_put": 1,
    "test_truncated_data": 85,
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_broken_streams_of_cpython_s_own_tests_are_refused(name):
    pickletester = pytest.importorskip("test.pickletester", reason="some systems leave it out")
    streams = []

    class Collector(pickletester.AbstractUnpickleTests):
        truncated_errors = bad_stack_errors = ()

        def check_unpickling_error(self, _, data):
            streams.append(data)

        check_unpickling_error_strict = check_unpickling_error

    collector = Collector()
    collector.subTest = lambda *_: contextlib.nullcontext()
    # Behind those of broken streams some go on to others, which the collector cannot load.
    with contextlib.suppress(NotImplementedError, AttributeError):
        getattr(collector, name)()

    accepted = [data for data in streams if _verdict(data) is not Verdict.REFUSED]
    assert len(streams) >= BROKEN[name]
    assert accepted == []


def _verdict(data):
    return scan_file(io.BytesIO(torch_zip(data))).verdict

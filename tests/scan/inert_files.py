"""
Inert checkpoints of every kind that defeats a reader, each with the answer that is right.

``python inert_files.py FOLDER`` writes them. The payload is os.getpid, which does nothing.
"""

from __future__ import annotations

import argparse
import io
import pickle
import struct
import sys
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import big_files
from scan_corpus import HIDDEN, MAGIC, PAYLOAD, REFUSED, STATE, legacy, make_zip, torch_zip

# What is right: the payload is named, or the file refused; or it is an ordinary file.
FOUND, REFUSE, EITHER, ORDINARY = "found", "refused", "found or refused", "ordinary"


class Inert(NamedTuple):
    """A file, the answer that is right, and a name that must be listed where it is found."""

    data: bytes
    right: str
    name: str = "os.getpid"
    suffix: str = ".pt"


def _at(data: bytes, signature: bytes, offset: int, new: bytes) -> bytes:
    at = data.index(signature) + offset
    return data[:at] + new + data[at + len(new) :]


LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"
VERSION = ("archive/version", b"3\n")
SAFE, EVIL = ("archive/data.pkl", STATE), ("archive/data.pkl", PAYLOAD)


def _flagged(flag: int) -> bytes:
    return _at(torch_zip(PAYLOAD), CENTRAL, 8, struct.pack("<H", flag))


def _method(number: int) -> bytes:
    return _at(torch_zip(PAYLOAD), CENTRAL, 10, struct.pack("<H", number))


def _described(data: bytes) -> bytes:
    """Return a zip with data descriptors, as torch writes them."""

    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

        def seek(self, *_: int) -> int:
            raise OSError

    file = Unseekable()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (("archive/data.pkl", data), VERSION):
            archive.writestr(name, content)
    return file.getvalue()


def _padded(data: bytes) -> bytes:
    """Return a zip with padding in the extra field, as torch aligns its records."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (("archive/data.pkl", data), VERSION):
            info = zipfile.ZipInfo(name)
            info.extra = struct.pack("<2s H", b"FB", 24) + b"Z" * 24
            archive.writestr(info, content)
    return file.getvalue()


def _tar(link: bool = False) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("storages", "tensors", "pickle"):
            info = tarfile.TarInfo(name)
            info.size = len(PAYLOAD)
            if link and name == "storages":
                info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/hostname", 0
            archive.addfile(info, io.BytesIO(PAYLOAD[: info.size]))
    return buffer.getvalue()


def _in_place(place: int) -> bytes:
    values = (0x1950A86A20F9469CFC6C, 1001, {}, {}, [])
    parts = [pickle.dumps(value, 2) for value in values]
    parts[place] = b"\x80\x02cos\ngetpid\n)R0" + parts[place][2:]
    return b"".join(parts)


def _long_text(text: str) -> bytes:
    return b"X" + struct.pack("<L", len(text.encode())) + text.encode()


def _zips() -> Iterator[tuple[str, Inert]]:
    both = [("archive/data.pkl", STATE), ("archive/DATA.PKL", PAYLOAD), VERSION]
    storages = [(f"archive/data/{number}", b"") for number in range(50)]
    yield "nulls before a zip", Inert(bytes(512) + torch_zip(PAYLOAD), REFUSE)
    yield "pickle before a zip", Inert(PAYLOAD + torch_zip(), EITHER)
    yield "entry outside the root", Inert(make_zip([EVIL, VERSION, ("x/y", b"")]), REFUSE)
    yield "no version record", Inert(make_zip([EVIL]), REFUSE)
    yield "data.pkl without a folder", Inert(make_zip([("data.pkl", PAYLOAD), VERSION]), REFUSE)
    yield "backslash", Inert(make_zip([("archive\\data.pkl", PAYLOAD), VERSION]), REFUSE)
    yield "name in capitals", Inert(make_zip([("archive/DATA.PKL", PAYLOAD), VERSION]), FOUND)
    yield "names that differ in case", Inert(make_zip(both), REFUSE)
    yield "the same name twice", Inert(make_zip([SAFE, EVIL, VERSION]), REFUSE)
    yield "the same name first", Inert(make_zip([EVIL, SAFE, VERSION]), REFUSE)
    yield "the same name, 50 storages", Inert(make_zip([SAFE, *storages, EVIL, VERSION]), REFUSE)
    yield "wrong checksum", Inert(_at(torch_zip(PAYLOAD), CENTRAL, 16, bytes(4)), FOUND)
    yield "other local name", Inert(_at(torch_zip(PAYLOAD), LOCAL, 30, b"archive/nothing!"), FOUND)
    yield "local flags", Inert(_at(torch_zip(PAYLOAD), LOCAL, 6, b"\x01\0"), FOUND)
    for flag in (0x1, 0x20, 0x40):
        yield f"flag {flag:#x}", Inert(_flagged(flag), REFUSE)
    for method in (1, 9, 12, 14):
        yield f"method {method}", Inert(_method(method), REFUSE)
    yield "deflated", Inert(make_zip([EVIL, VERSION], zipfile.ZIP_DEFLATED), FOUND)
    yield "data descriptors", Inert(_described(PAYLOAD), FOUND)
    yield "padding", Inert(_padded(PAYLOAD), FOUND)
    yield "broken entry first", Inert(_broken_first(), EITHER)


def _broken_first() -> bytes:
    data = make_zip([("archive/broken.pkl", b"\x80\x02(((("), EVIL, VERSION])
    return _at(data, LOCAL, 14, b"\xff" * 4)


def _containers() -> Iterator[tuple[str, Inert]]:
    for place, name in enumerate(("magic", "protocol", "system", "state", "keys")):
        yield f"legacy, in its {name}", Inert(_in_place(place), FOUND)
    computed = b"cbuiltins\nint\nVx\n\x85R."
    yield "legacy, magic computed", Inert(legacy(PAYLOAD, magic=computed), EITHER)
    first = b"\x8c\x02os\x94\x8c\x06getcwd\x940."
    second = b"\x8c\x02os\x94\x8c\x06getpid\x940h\x00h\x01\x93)R."
    yield "legacy, memo anew", Inert(MAGIC + _pickles(first, second), EITHER)
    yield "tar", Inert(_tar(), REFUSE)
    yield "tar with a link", Inert(_tar(link=True), REFUSE)
    for name in ("constants.pkl", "CONSTANTS.pkl", "code/constants.pkl"):
        yield f"TorchScript, {name}", Inert(torch_zip(PAYLOAD, **{name: b"N."}), REFUSE)
    yield "zip of one entry", Inert(make_zip([("model.pth", legacy(PAYLOAD))]), REFUSE)


def _pickles(first: bytes, second: bytes) -> bytes:
    return pickle.dumps(1001, 2) + first[:-1] + b"N." + second + pickle.dumps([], 2)


# Names of calls that people forget to block, in modules that come with Python and torch.
NAMES = (
    *("pip.main", "timeit.timeit", "cProfile.run", "_operator.methodcaller", "code.interact"),
    *("pkgutil.resolve_name", "logging.FileHandler", "asyncio.unix_events.subprocess.Popen"),
    *("multiprocessing.util.spawnv_passfds", "idlelib.run.Executive", "doctest.debug_script"),
    *("torch.utils.collect_env.run", "torch.jit.unsupported_tensor_ops.execWrapper"),
    *("numpy.testing._private.utils.runstring", "functools.reduce", "types.CodeType"),
    *("ensurepip._run_pip", "uuid._get_command_stdout", "imaplib.IMAP4_stream", "os.path.abspath"),
    *("lib2to3.pgen2.pgen.ParserGenerator", "trace.Trace.run", "bdb.Bdb.run", "pydoc.pipepager"),
)


def _pickled() -> Iterator[tuple[str, Inert]]:
    for name, data in HIDDEN.items():
        listed = "os.getpid" if name != "dotted" else "pathlib.os.getpid"
        yield name, Inert(torch_zip(data), EITHER, listed)
        yield f"legacy, {name}", Inert(legacy(data), EITHER, listed)
    for name, (data, _) in REFUSED.items():
        yield name, Inert(torch_zip(data), REFUSE)
    for number, code in enumerate((b"\x82\x01", b"\x83\x01\0", b"\x84\x01\0\0\0")):
        yield f"extension {1 << number}", Inert(torch_zip(code + b")R."), REFUSE)
    for name in NAMES:
        module, _, last = name.rpartition(".")
        data = torch_zip(f"c{module}\n{last}\n.".encode())
        yield f"names {name}", Inert(data, FOUND, name)
    spaced = b"cos path\ngetpid\n)R."
    yield "space in a module", Inert(torch_zip(spaced), FOUND, "os path.getpid")
    yield "module beyond ascii", Inert(torch_zip("cé\nx\n.".encode()), FOUND, "é.x")
    for suffix in (".7z", ".joblib", ".config", ".md", ""):
        yield f"named {suffix or 'nothing'}", Inert(torch_zip(PAYLOAD), FOUND, suffix=suffix)


def _ordinary() -> Iterator[tuple[str, Inert]]:
    state = b"".join(big_files.state_dict(20))
    odd = b"PK\x05\x06PK\x03\x04cos\nsystem\n(S'x'\ntR." * 9
    storages = {f"data/{number}": odd for number in range(20)}
    yield "state dict", Inert(torch_zip(state, **storages), ORDINARY)
    yield "state dict, legacy", Inert(legacy(state) + odd, ORDINARY)
    yield "bytes behind the pickle", Inert(torch_zip(state + b"\0" * 40), ORDINARY)
    yield "bytes behind the zip", Inert(torch_zip(state) + b"appended", ORDINARY)
    for protocol in range(6):
        value = OrderedDict(args=argparse.Namespace(lr=0.1), epoch=3, seen={1, 2}, text="x" * 300)
        pickled = pickle.dumps(value, protocol)
        yield f"arguments, protocol {protocol}", Inert(torch_zip(pickled), ORDINARY)
    scalar = b"cnumpy._core.multiarray\nscalar\ncnumpy\ndtype\n" + _long_text("f8")
    scalar += (
        b"\x89\x88\x87R(K\x03" + _long_text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    )
    yield (
        "numpy scalar",
        Inert(torch_zip(b"\x80\x02" + scalar + b"C\x08" + bytes(8) + b"\x86R."), ORDINARY),
    )
    module = b"ctorch.nn.modules.linear\nLinear\n)\x81}(" + _long_text("training") + b"\x88ub."
    yield "whole module", Inert(torch_zip(b"\x80\x02" + module), ORDINARY)
    yield (
        "metadata",
        Inert(
            torch_zip(state, **{".data/serialization_id": b"1", "byteorder": b"little"}), ORDINARY
        ),
    )


def files() -> dict[str, Inert]:
    """Return each file by a name that says what is odd about it."""
    return dict([*_zips(), *_containers(), *_pickled(), *_ordinary()])


def streams() -> list[bytes]:
    """Return the pickles alone, without the files around them."""
    return [*HIDDEN.values(), *(data for data, _ in REFUSED.values()), STATE]


def write(folder: Path) -> dict[str, Inert]:
    """Write the files, and return them by their file names."""
    written = {}
    for number, (_, each) in enumerate(files().items()):
        path = folder / f"{number:03}{each.suffix}"
        path.write_bytes(each.data)
        written[path.name] = each
    return written


if __name__ == "__main__":
    write(Path(sys.argv[1]))

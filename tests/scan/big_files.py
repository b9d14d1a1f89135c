"""Files that are large, or that ask for more than they are, written without holding them."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

GIB = 1 << 30
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LARGEST = 0xFFFFFFFF


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<L", len(text)) + text.encode()


class _Pickler:
    """Writes a state dict as torch does, each tensor with a storage of its own."""

    def __init__(self) -> None:
        self.count = 0
        self.keys: dict[str, int] = {}

    def put(self) -> bytes:
        key, self.count = self.count, self.count + 1
        return b"q" + bytes([key]) if key < 256 else b"r" + struct.pack("<L", key)

    def once(self, name: str, data: bytes) -> bytes:
        if name in self.keys:
            key = self.keys[name]
            return b"h" + bytes([key]) if key < 256 else b"j" + struct.pack("<L", key)
        self.keys[name] = self.count
        return data + self.put()

    def tensor(self, number: int) -> bytes:
        name = f"model.layers.{number // 12}.block.{number % 12}.attention.weight"
        parts = [
            _text(name) + self.put(),
            self.once("rebuild", b"ctorch._utils\n_rebuild_tensor_v2\n") + b"((",
            self.once("storage", _text("storage")),
            self.once("type", b"ctorch\nFloatStorage\n"),
            _text(str(number)) + self.put(),
            self.once("cpu", _text("cpu")) + b"M\x00\x10t" + self.put() + b"QK\x00K@K@\x86",
            self.put() + b"K@K\x01\x86" + self.put() + b"\x89",
            self.once("hooks", b"ccollections\nOrderedDict\n") + b")R" + self.put() + b"t",
            self.put() + b"R" + self.put(),
        ]
        return b"".join(parts)


def state_dict(tensors: int) -> Iterator[bytes]:
    """Yield the data.pkl of a state dict: 32 opcodes a tensor."""
    pickler = _Pickler()
    yield b"\x80\x02" + pickler.once("hooks", b"ccollections\nOrderedDict\n") + b")R"
    yield pickler.put()
    for number in range(tensors):
        yield (b"" if number % 1000 else b"u(" if number else b"(") + pickler.tensor(number)
    yield b"u." if tensors else b"."


def write_checkpoint(path: Path, tensors: int, size: int) -> None:
    """Write a zip as torch does, a hole in the place of each storage of that many bytes."""
    entries = [("data.pkl", b"".join(state_dict(tensors)), None), ("version", b"3\n", None)]
    entries += [(f"data/{number}", b"", size) for number in range(tensors)]
    directory = []
    with path.open("wb") as file:
        for name, data, hole in entries:
            written = f"archive/{name}".encode()
            size, offset = len(data) if hole is None else hole, file.tell()
            local = (b"PK\3\4", 20, 0, 0, 0, 0, 0, size, size, len(written), 0)
            file.write(struct.pack("<4s5H3L2H", *local) + written + data)
            file.seek(offset + 30 + len(written) + size)
            directory.append(_directory_entry(written, size, offset))
        _write_end(file, b"".join(directory), len(entries))


def _directory_entry(name: bytes, size: int, offset: int) -> bytes:
    extra = struct.pack("<2HQ", 1, 8, offset) if offset >= _LARGEST else b""
    fields = (b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, size, size, len(name), len(extra), 0, 0, 0, 0)
    return _ENTRY.pack(*fields, min(offset, _LARGEST)) + name + extra


def _write_end(file, directory: bytes, count: int) -> None:
    start = file.tell()
    sizes = (count, count, len(directory), start)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, *sizes)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + len(directory), 1)
    short = (min(count, 0xFFFF), min(count, 0xFFFF), len(directory), min(start, _LARGEST), 0)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *short)
    file.write(directory + record + locator + end)


def write_literal(path: Path, opcode: bytes, size: int) -> None:
    """Write a plain pickle of one literal, a hole in its place."""
    width = {b"B": 4, b"T": 4, b"X": 4, b"\x8e": 8, b"\x8d": 8, b"\x8b": 4}[opcode]
    with path.open("wb") as file:
        file.write(opcode + size.to_bytes(width, "little"))
        file.seek(size, 1)
        file.write(b".")


def write_bomb(path: Path, size: int) -> None:
    """Write a torch zip whose data.pkl unpacks to that many opcodes that do nothing."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = b"N0" * (1 << 16)
    packed = b"".join(packer.compress(block) for _ in range(size // len(block)))
    packed += packer.compress(b"N.") + packer.flush()
    whole = size // len(block) * len(block) + 2
    with path.open("wb") as file:
        directory = []
        for name, data, method, plain in (
            (b"archive/data.pkl", packed, 8, whole),
            (b"archive/version", b"3\n", 0, 2),
        ):
            fields = (20, 0, method, 0, 0, 0, len(data), min(plain, _LARGEST), len(name), 0)
            offset = file.tell()
            file.write(struct.pack("<4s5H3L2H", b"PK\3\4", *fields) + name + data)
            central = (b"PK\1\2", 20, *fields[:-1], 0, 0, 0, 0, 0, offset)
            directory.append(_ENTRY.pack(*central) + name)
        _write_end(file, b"".join(directory), 2)


def write_entries(path: Path, count: int) -> None:
    """Write a torch zip of that many entries."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"N.")
        archive.writestr("archive/version", b"3\n")
        for number in range(count - 2):
            archive.writestr(f"archive/data/{number}", b"")


def write_repeated(path: Path, piece: bytes, count: int, end: bytes = b".") -> None:
    """Write a plain pickle of a piece many times over."""
    with path.open("wb") as file:
        for _ in range(count // 1000):
            file.write(piece * 1000)
        file.write(end)

"""Ordinary files that torch itself wrote: right, and no false alarm."""

from __future__ import annotations

import argparse
import contextlib
import io
import pickle
import zipfile

import pytest
from scan_corpus import HIDDEN, legacy, torch_zip

from pytest_torchcompat.scan import Verdict, scan_file

torch = pytest.importorskip("torch")

STATE = {"torch._utils._rebuild_tensor_v2", "torch.FloatStorage", "collections.OrderedDict"}


def saved(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    file.seek(0)
    return scan_file(file, "file.pt")


def module():
    return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())


@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_is_safe(zipped):
    scan = saved(module().state_dict(), _use_new_zipfile_serialization=zipped)

    assert (scan.verdict, set(scan.globals)) == (Verdict.SAFE, STATE)
    assert scan.format == ("zip" if zipped else "legacy")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("zipped", [True, False])
def test_each_protocol_is_read(protocol, zipped):
    value = {"args": argparse.Namespace(lr=0.1), "weight": torch.zeros(3)}
    scan = saved(value, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)

    assert scan.verdict is Verdict.NEEDS_ALLOWLIST
    assert "argparse.Namespace" in scan.globals
    assert scan.weights_only is (protocol in (2, 3))


def test_a_whole_module_needs_its_classes():
    scan = saved(module())

    # Each module holds a set, which torch 2.5 does not allow by itself and 2.6 does.
    assert set(scan.beyond("2.6")) == {
        "torch.nn.modules.container.Sequential",
        "torch.nn.modules.linear.Linear",
        "torch.nn.modules.activation.ReLU",
    }


def test_numpy_values_are_no_alarm():
    numpy = pytest.importorskip("numpy")
    scan = saved({"score": numpy.float64(1), "array": numpy.zeros(3)})

    assert scan.verdict is Verdict.NEEDS_ALLOWLIST
    assert "numpy.dtype" in scan.globals


def test_odd_storages_are_no_alarm():
    odd = torch.frombuffer(
        bytearray(b"PK\x05\x06PK\x03\x04cos\nsystem\n(S'x'\ntR." * 9), dtype=torch.uint8
    )

    assert saved({"odd": odd}).verdict is Verdict.SAFE
    assert saved({"odd": odd}, _use_new_zipfile_serialization=False).verdict is Verdict.SAFE


def test_torchscript_is_refused(tmp_path):
    path = tmp_path / "scripted.pt"
    archive = {"data.pkl": b"N.", "constants.pkl": b"N.", "version": b"3\n"}
    with zipfile.ZipFile(path, "w") as file:
        for name, data in archive.items():
            file.writestr(f"scripted/{name}", data)

    with path.open("rb") as opened:
        assert scan_file(opened).reason == "torchscript"


def test_what_is_called_safe_with_bytes_behind_it_torch_loads(tmp_path):
    path = tmp_path / "appended.pt"
    torch.save({"weight": torch.ones(2)}, path)
    path.write_bytes(path.read_bytes() + b"appended")

    with path.open("rb") as opened:
        assert scan_file(opened).verdict is Verdict.SAFE
    assert torch.load(path, weights_only=True)["weight"].tolist() == [1, 1]


class Recording:
    """A pickle module for torch.load that records what is asked for and imports nothing."""

    def __init__(self):
        self.asked = asked = []

        class Unpickler(pickle.Unpickler):
            def find_class(self, _, name):
                asked.append(name)
                return lambda *_, **__: None

        self.Unpickler = Unpickler
        self.__name__ = "pickle"

    def load(self, file, **options):
        """Unpickle, as the function of that name in pickle."""
        return self.Unpickler(file, **options).load()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wrap", [torch_zip, legacy, bytes], ids=["zip", "legacy", "plain"])
@pytest.mark.parametrize("name", HIDDEN)
def test_what_torch_itself_asks_for_is_listed(name, wrap):
    data, recording = wrap(HIDDEN[name]), Recording()
    with contextlib.suppress(Exception):
        torch.load(io.BytesIO(data), weights_only=False, pickle_module=recording)

    listed = {each.rpartition(".")[2] for each in scan_file(io.BytesIO(data)).globals}
    assert recording.asked
    assert {each.rpartition(".")[2] for each in recording.asked} <= listed

"""torchaudio's removed file functions over soundfile, on stand-ins for both."""

from __future__ import annotations

import importlib
import importlib.util
import io
import pickle
import sys
import types

import numpy as np
import pytest

from pytest_torchcompat.shim.torchaudio_legacy import TorchaudioLegacy

torch = pytest.importorskip("torch")


class LibsndfileError(RuntimeError):
    error_string = "Format not recognised."


class SoundFile:
    """A sound of 8 frames and 2 channels that counts up, of the subtype that the file names."""

    format, samplerate, channels, frames = "WAV", 16000, 2, 8

    def __init__(self, file):
        words = (file.read() if hasattr(file, "read") else file.read_bytes()).decode()
        if not words.startswith("sound"):
            raise LibsndfileError
        self.subtype = words.split()[1]
        self.at = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def seekable(self):
        return True

    def seek(self, frame):
        self.at = frame

    def read(self, frames, dtype, always_2d):
        count = np.arange(-8, 8, dtype=dtype).reshape(8, 2)[self.at :]
        samples = count * 256 if dtype == "int16" else count
        return samples if frames < 0 else samples[:frames]


@pytest.fixture
def torchaudio(monkeypatch):
    """A torchaudio of 2.9: load, save, and none of the older names."""
    module = types.ModuleType("torchaudio")
    module.__path__ = []
    module.load = module.save = lambda *_: "torchcodec"
    monkeypatch.setitem(sys.modules, "torchaudio", module)
    return module


@pytest.fixture
def written(monkeypatch):
    """What was written with a soundfile that stands in for the real one."""
    calls = []
    soundfile = types.ModuleType("soundfile")
    soundfile.SoundFile = SoundFile
    soundfile.write = lambda *given, **named: calls.append((given, named))
    monkeypatch.setitem(sys.modules, "soundfile", soundfile)
    return calls


@pytest.fixture
def legacy(torchaudio, written):
    with TorchaudioLegacy().applied():
        yield torchaudio


@pytest.fixture
def legacy_writing(legacy, written):
    return legacy, written


@pytest.fixture
def sound(tmp_path):
    def write(subtype="PCM_16"):
        path = tmp_path / "tone.wav"
        path.write_text(f"sound {subtype}")
        return path

    return write


def test_everything_is_put_back_also_after_an_error(torchaudio, written):
    before, modules = dict(vars(torchaudio)), dict(sys.modules)

    with pytest.raises(ZeroDivisionError), TorchaudioLegacy().applied():
        torchaudio.backend.common.AudioMetaData(1, 2, 3, 4, "").sample_rate / 0

    assert dict(vars(torchaudio)) == before
    assert dict(sys.modules) == modules


def test_applied_twice_the_inner_gives_back_what_the_outer_put_there(torchaudio, written):
    before = dict(vars(torchaudio))
    with TorchaudioLegacy().applied():
        outer = dict(vars(torchaudio)), sys.modules["torchaudio.backend.common"]
        with TorchaudioLegacy().applied():
            pass
        assert (dict(vars(torchaudio)), sys.modules["torchaudio.backend.common"]) == outer
    assert dict(vars(torchaudio)) == before


def test_the_modules_of_the_backends_are_imported_as_before(legacy):
    common = importlib.import_module("torchaudio.backend.common")

    assert common.AudioMetaData is legacy.AudioMetaData is legacy.backend.common.AudioMetaData
    assert importlib.import_module("torchaudio.backend.soundfile_backend").load is legacy.load
    assert importlib.util.find_spec("torchaudio.backend.common").name == common.__name__
    with pytest.raises(ModuleNotFoundError, match=r"torchaudio\.backend\.sox"):
        importlib.import_module("torchaudio.backend.sox")


def test_a_files_metadata_has_all_five_fields(legacy, sound):
    found = legacy.info(sound("PCM_24"), backend="soundfile")

    assert str(found) == (
        "AudioMetaData(sample_rate=16000, num_frames=8, num_channels=2,"
        " bits_per_sample=24, encoding=PCM_S)"
    )
    assert vars(pickle.loads(pickle.dumps(found))) == vars(found)
    assert b"torchaudio.backend.common" in pickle.dumps(found)


@pytest.mark.parametrize(
    ("subtype", "bits", "encoding"),
    [
        ("PCM_U8", 8, "PCM_U"),
        ("DOUBLE", 64, "PCM_F"),
        ("ULAW", 8, "ULAW"),
        ("VORBIS", 0, "VORBIS"),
        ("G721_32", 0, "UNKNOWN"),
        ("DWVW_12", 12, "UNKNOWN"),
        ("MPEG_LAYER_III", 0, "MP3"),
    ],
)
def test_depth_and_encoding_follow_from_soundfiles_subtype(legacy, sound, subtype, bits, encoding):
    found = legacy.info(sound(subtype))

    assert (found.bits_per_sample, found.encoding) == (bits, encoding)


def test_a_flac_says_so(legacy, sound, monkeypatch):
    monkeypatch.setattr(SoundFile, "format", "FLAC")

    assert legacy.info(sound()).encoding == "FLAC"
    assert legacy.load(sound(), normalize=False)[0].dtype == torch.float32


def test_a_waveform_is_channels_by_time_and_float(legacy, sound):
    waveform, rate = legacy.load(sound())

    assert (waveform.shape, waveform.dtype, rate) == ((2, 8), torch.float32, 16000)
    assert legacy.load(sound(), channels_first=False)[0].shape == (8, 2)
    with sound().open("rb") as file:
        assert legacy.load(file)[0].shape == (2, 8)


@pytest.mark.parametrize(
    ("offset", "frames", "left"),
    [(0, -1, 8), (3, -1, 5), (3, 2, 2), (0, 0, 0), (6, 100, 2), (100, -1, 0)],
)
def test_a_part_of_a_file_is_read(legacy, sound, offset, frames, left):
    waveform, _ = legacy.load(sound(), frame_offset=offset, num_frames=frames)

    assert waveform.shape == (2, left)
    assert waveform[0, :1].tolist() == [-8.0 + 2 * offset][: min(left, 1)]


@pytest.mark.parametrize(
    ("subtype", "dtype"),
    [
        ("PCM_16", "int16"),
        ("PCM_24", "int32"),
        ("PCM_32", "int32"),
        ("PCM_U8", "uint8"),
        ("FLOAT", "float32"),
        ("DOUBLE", "float64"),
    ],
)
def test_samples_that_are_not_normalized_keep_their_type(legacy, sound, subtype, dtype):
    waveform, _ = legacy.load(sound(subtype), normalize=False)

    assert waveform.dtype == getattr(torch, dtype)


def test_eight_bits_are_unsigned_both_ways(legacy, sound, written):
    waveform, rate = legacy.load(sound("PCM_U8"), normalize=False)
    assert waveform[0, :3].tolist() == [120, 122, 124]

    legacy.save("out.wav", waveform, rate)
    (_, samples, _), named = written[0]
    assert samples[:3, 0].tolist() == [-8 * 256, -6 * 256, -4 * 256]
    assert named == {"subtype": "PCM_U8", "format": "WAV"}


def test_samples_without_an_integer_of_their_own_are_told(legacy, sound):
    with pytest.raises(ValueError, match=r"tone\.wav' has ULAW samples, which need normalize=True"):
        legacy.load(sound("ULAW"), normalize=False)


def test_a_file_that_soundfile_cannot_read_is_named(legacy, tmp_path):
    path = tmp_path / "odd.wav"
    path.write_text("nonsense")

    words = r"soundfile cannot read '.*odd\.wav': Format not recognised\. Is it a sound file\?"
    for reading in (legacy.load, legacy.info):
        with pytest.raises(RuntimeError, match=words):
            reading(path)
    open_file = io.BytesIO(b"nonsense")
    open_file.name = "speech.wav"
    with pytest.raises(RuntimeError, match=r"cannot read speech\.wav: Format not recognised"):
        legacy.load(open_file)


def test_a_file_that_is_not_there_is_told(legacy, tmp_path, monkeypatch):
    def fail(_):
        raise LibsndfileError

    monkeypatch.setattr(sys.modules["soundfile"], "SoundFile", fail)
    with pytest.raises(RuntimeError, match=r"none\.wav': there is no such file or folder"):
        legacy.load(str(tmp_path / "none.wav"))


def test_soundfile_is_the_only_backend(legacy, sound):
    assert legacy.list_audio_backends() == ["soundfile"]
    assert legacy.set_audio_backend("sox_io") is None
    assert legacy.get_audio_backend() is None
    with pytest.raises(ValueError, match="no backend 'sox' here: soundfile is the only one"):
        legacy.load(sound(), backend="sox")


def test_without_soundfile_the_error_says_what_to_install(torchaudio, monkeypatch, sound):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with TorchaudioLegacy().applied():
        assert torchaudio.list_audio_backends() == []
        words = "need soundfile here, which cannot be imported .*python -m pip install soundfile"
        with pytest.raises(ImportError, match=words):
            torchaudio.load(sound())


def test_with_torchcodec_alone_torchaudio_keeps_its_own_load(torchaudio, monkeypatch):
    monkeypatch.delitem(sys.modules, "soundfile", raising=False)
    monkeypatch.setitem(sys.modules, "torchcodec", types.ModuleType("torchcodec"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with TorchaudioLegacy().applied():
        assert torchaudio.load() == torchaudio.save() == "torchcodec"
        assert torchaudio.AudioMetaData


@pytest.mark.parametrize(
    ("file", "how", "dtype", "written_as"),
    [
        ("a.wav", {}, "float32", ("FLOAT", "WAV")),
        ("a.wav", {}, "int16", ("PCM_16", "WAV")),
        ("a.wav", {"bits_per_sample": 16}, "float32", ("PCM_16", "WAV")),
        ("a.wav", {"encoding": "PCM_S"}, "float32", ("PCM_32", "WAV")),
        ("a.wav", {"encoding": "ULAW"}, "float32", ("ULAW", "WAV")),
        ("a", {"format": "flac"}, "float32", ("PCM_16", "FLAC")),
        ("a.FLAC", {"bits_per_sample": 24}, "float32", ("PCM_24", "FLAC")),
        ("a.ogg", {}, "float32", ("VORBIS", "OGG")),
        ("a.x", {"format": "vorbis"}, "float32", ("VORBIS", "OGG")),
        ("a.mp3", {"bits_per_sample": 16}, "float32", ("MPEG_LAYER_III", "MP3")),
    ],
)
def test_a_tensor_is_written(legacy_writing, file, how, dtype, written_as):
    legacy, written = legacy_writing
    legacy.save(file, torch.zeros(2, 8, dtype=getattr(torch, dtype)), 16000, **how)

    (uri, samples, rate), named = written[0]
    assert (uri, samples.shape, rate) == (file, (8, 2), 16000)
    assert (named["subtype"], named["format"]) == written_as


@pytest.mark.parametrize(
    ("file", "shape", "how", "words"),
    [
        ("a.wav", (8,), {}, "a tensor of 2 dimensions, and got one of 1"),
        ("a.wav", (1, 8), {"compression": 5}, "no compression to choose"),
        ("a.sph", (1, 8), {}, "wav, flac, ogg and mp3, but not 'sph' with encoding"),
        ("a.wav", (1, 8), {"bits_per_sample": 12}, "None and 12 bits per sample"),
        (io.BytesIO(), (1, 8), {}, "to a file object needs format=, such as 'wav'"),
    ],
)
def test_what_cannot_be_written_is_told(legacy_writing, file, shape, how, words):
    legacy, written = legacy_writing
    with pytest.raises((RuntimeError, ValueError), match=words):
        legacy.save(file, torch.zeros(shape), 16000, **how)
    assert written == []


@pytest.mark.parametrize(
    ("version", "applies"),
    [("2.8.0", False), ("2.9.0", True), ("2.9.0.dev20250901+cpu", True), ("2.11.0", True)],
)
def test_it_applies_from_torchaudio_2_9_on(version, applies):
    assert TorchaudioLegacy().applies({"torchaudio": version}) is applies
    assert TorchaudioLegacy().applies({"torch": version}) is False

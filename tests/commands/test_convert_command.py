"""``torchcompat convert`` on a terminal."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from pytest_torchcompat.checkpoints.catalogue import REPLICAS
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.commands.cli import main
from pytest_torchcompat.scan import Verdict, scan_path

YOLO = catalogue().get("ultralytics/yolov8n").replica.path


def test_a_pickled_yolo_is_taken_apart_without_its_library(tmp_path, capsys):
    out = tmp_path / "yolo.safetensors"
    assert main(["convert", str(YOLO), str(out)]) == 0
    first, second, *lines, last = capsys.readouterr().out.splitlines()
    others, shared = lines[:4], lines[4:]
    assert first == (
        "355 tensors, 151.7 k values, from a pickled ultralytics.nn.tasks.DetectionModel."
        " Nothing was executed; ultralytics was not needed."
    )
    assert second == (
        "Not carried: epoch, train_args, train_metrics, train_results, date, version"
        " (as JSON in its metadata)"
    )
    assert others == [
        f"Not carried: model.{name}, an attribute that its module does not save"
        for name in ("model.22.stride", "model.22.anchors", "model.22.strides", "stride")
    ]
    assert [line.partition(":")[0] for line in shared] == ["Share their storage"] * 4
    assert re.search(r"\w+, \S+, \S+ and \d+ more \(written once for each\)$", shared[0])
    assert re.search(r": \d+ more groups$", shared[3])
    assert last == f"{out} holds no pickle: safetensors reads it beside every torch."
    assert out.stat().st_size > 300_000


@pytest.mark.parametrize("ending", [".pt", ".pth", ".bin"])
def test_a_state_dict_needs_no_allow_list(tmp_path, capsys, ending):
    pytest.importorskip("torch")
    out = tmp_path / f"hubert{ending}"
    assert main(["convert", str(REPLICAS / "rvc-hubert-base.pt"), str(out)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "38 tensors, 26.3 k values, from a state dict. Nothing was executed; fairseq was not"
        " needed.",
        "Not carried: cfg, optimizer_history, extra_state",
        "Not carried: task_state, an object of dict with fairseq.data.dictionary.Dictionary",
        f"{out} loads under strict on every torch.",
    ]
    assert scan_path(out).verdict is Verdict.SAFE


def test_the_script_that_saved_the_file_is_no_library_that_was_not_needed(tmp_path, capsys):
    pytest.importorskip("torch")
    path = tmp_path / "in.pt"
    program = (
        "import sys, torch\n\nclass Config: pass\n\n"
        "torch.save({'config': Config(), 'a': torch.ones(2)}, sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert main(["convert", str(path), str(tmp_path / "out.pt")]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "1 tensor, 2 values, from a state dict. Nothing was executed.",
        "Not carried: config, an object of __main__.Config",
    ]


def test_a_plain_pickle_says_what_makes_a_checkpoint_of_it(tmp_path, capsys):
    path = tmp_path / "in.pkl"
    path.write_bytes(b"\x80\x02}q\x00.")
    assert main(["convert", str(path), str(tmp_path / "out.pt")]) == 2
    assert capsys.readouterr().err == (
        f"torchcompat: {path} was not converted: it is a pickle, and torch.save writes none."
        " Where you trust it, load it in an isolated process, save what it holds with torch.save,"
        " and convert that file\n"
    )


def test_an_ending_that_is_not_known_is_told_with_those_that_are(tmp_path, capsys):
    assert main(["convert", str(YOLO), str(tmp_path / "yolo.onnx")]) == 2
    assert capsys.readouterr().err == (
        f"torchcompat: {tmp_path / 'yolo.onnx'} has none of the endings .safetensors, .pt, .pth,"
        " .bin; name it by one of them\n"
    )


def test_a_file_that_exists_is_kept_unless_it_may_be_replaced(tmp_path, capsys):
    out = tmp_path / "out.safetensors"
    out.write_text("mine")
    assert main(["convert", str(YOLO), str(out)]) == 2
    assert out.read_text() == "mine"
    sentence = f"torchcompat: {out} exists; name another file, or add --force to replace it\n"
    assert capsys.readouterr().err == sentence
    assert main(["convert", "--force", str(YOLO), str(out)]) == 0
    assert out.stat().st_size > 300_000


def test_a_file_that_is_not_there_is_told(tmp_path, capsys):
    missing = tmp_path / "missing.pt"
    assert main(["convert", str(missing), str(tmp_path / "out.pt")]) == 2
    assert capsys.readouterr().err == (
        f"torchcompat: {missing} cannot be read: No such file or directory."
        " Check the path and its permissions.\n"
    )


def test_a_place_where_no_file_can_be_is_told_before_anything_is_read(tmp_path, capsys):
    assert main(["convert", str(YOLO), str(tmp_path / "new" / "out.pt")]) == 2
    (tmp_path / "out.pt").mkdir()
    assert main(["convert", "--force", str(YOLO), str(tmp_path / "out.pt")]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"torchcompat: there is no folder {tmp_path / 'new'} for {tmp_path / 'new' / 'out.pt'};"
        " make it, or name a file elsewhere",
        f"torchcompat: {tmp_path / 'out.pt'} is a folder; name a file",
    ]


def test_a_file_without_tensors_is_told_and_nothing_is_written(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    torch.save({"epoch": 3}, tmp_path / "in.pt")
    assert main(["convert", str(tmp_path / "in.pt"), str(tmp_path / "out.pt")]) == 2
    assert capsys.readouterr().err.endswith(
        "was not converted: it holds no tensor. What it names is told by: torchcompat scan FILE\n"
    )
    assert not (tmp_path / "out.pt").exists()


def test_one_tensor_of_one_value_is_not_counted_as_several(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.ones(1)}, tmp_path / "in.pt")
    main(["convert", str(tmp_path / "in.pt"), str(tmp_path / "out.safetensors")])
    assert capsys.readouterr().out.startswith("1 tensor, 1 value, from a state dict. ")


def test_shared_storages_are_told(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    whole = torch.arange(8.0)
    torch.save({"a": whole, "b": whole[2:]}, tmp_path / "in.pt")
    main(["convert", str(tmp_path / "in.pt"), str(tmp_path / "out.pt")])
    main(["convert", str(tmp_path / "in.pt"), str(tmp_path / "out.safetensors")])
    said = capsys.readouterr().out
    assert "Share their storage: a, b (shared as before)" in said
    assert "Share their storage: a, b (written once for each)" in said


def test_a_dtype_that_is_not_allowed_everywhere_is_told(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    if not hasattr(torch.serialization, "get_unsafe_globals_in_checkpoint"):
        pytest.skip("torch before 2.6 does not save such a tensor")
    torch.save({"a": torch.ones(2).to(torch.uint16)}, tmp_path / "in.pt")
    assert main(["convert", str(tmp_path / "in.pt"), str(tmp_path / "out.pt")]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith("loads under strict on every torch that allows torch.uint16.")


def test_a_link_that_leads_nowhere_is_not_replaced_unasked(tmp_path, capsys):
    out = tmp_path / "out.safetensors"
    out.symlink_to(tmp_path / "missing")
    assert main(["convert", str(YOLO), str(out)]) == 2
    assert "exists; name another file" in capsys.readouterr().err
    assert out.is_symlink()


def test_too_little_memory_is_told(tmp_path, capsys, monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr("pytest_torchcompat.commands.convert.flatten", full)
    assert main(["convert", str(YOLO), str(tmp_path / "out.safetensors")]) == 2
    said = capsys.readouterr().err
    assert said == f"torchcompat: {YOLO} was not converted: it takes more memory than there is\n"


def test_modules_beside_each_other_are_named_and_those_inside_are_not(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    modules = {"a": torch.nn.Sequential(torch.nn.Linear(1, 1)), "ab": torch.nn.Bilinear(1, 1, 1)}
    torch.save({"b": modules}, tmp_path / "in.pt")
    main(["convert", str(tmp_path / "in.pt"), str(tmp_path / "out.safetensors")])
    assert (
        "from a pickled torch.nn.modules.container.Sequential, a pickled"
        " torch.nn.modules.linear.Bilinear. Nothing"
    ) in capsys.readouterr().out

"""The adapter of ultralytics, against a stand-in for the library."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch

from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import MissingFileError
from pytest_torchcompat.libraries.ultralytics import IMAGE, Ultralytics

ROW = catalogue().get("ultralytics/yolov8n")


class Detector(torch.nn.Module):
    """Says one number of each image, as deep in tuples as it is told."""

    depth = 1

    def forward(self, image):
        output = image.mean((1, 2, 3))
        for _ in range(self.depth):
            output = (output, "what training needs")
        return output


class Yolo:
    """Takes any path: one that is not there, ultralytics downloads."""

    def __init__(self, path):
        self.path = path
        self.model = Detector().half().train()


@pytest.fixture
def library(monkeypatch):
    module = ModuleType("ultralytics")
    module.YOLO = Yolo
    monkeypatch.setitem(sys.modules, "ultralytics", module)
    return Ultralytics()


@pytest.fixture
def model(library, tmp_path):
    path = tmp_path / "yolov8n.pt"
    path.write_bytes(b"weights")
    return library.load(ROW, path)


def test_a_model_is_loaded_for_use_and_not_for_training(model):
    assert isinstance(model, Detector)
    assert not model.training


def test_a_file_that_is_not_there_is_not_asked_for_and_so_not_downloaded(library, tmp_path):
    path = tmp_path / "yolov8n.pt"
    with pytest.raises(MissingFileError) as raised:
        library.load(ROW, path)
    assert str(raised.value) == (
        f"no file at {path}, and ultralytics would download one of that name, which need not be"
        " ultralytics/yolov8n; put the file there first"
    )


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_first_tensor_of_the_head_is_the_output_however_deep_it_lies(library, model, depth):
    model.depth = depth
    run = library.forward(ROW, model, "cpu")
    assert torch.equal(run(), run())
    assert run().shape == IMAGE[:1]


def test_a_batch_of_images_in_another_type_of_numbers(library, model):
    run = library.forward(ROW, model, "cpu", batch=3, dtype="bfloat16")
    assert (run().shape, run().dtype) == ((3,), torch.bfloat16)

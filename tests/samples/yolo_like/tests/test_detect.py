import pytest
import torch
from detect.detector import Detector
from detect.tracker import colours, tracker
from make_checkpoints import ASSETS


def test_a_black_picture_has_boxes():
    boxes = Detector(ASSETS / "yolov8n.pt").see(torch.zeros(3, 64, 64))
    assert len(boxes)


def test_the_tracker_knows_three_boxes():
    assert tracker(ASSETS / "tracker.pt").boxes.shape == (3, 4)


@pytest.mark.torchcompat_checkpoint("yolo-like/tracker")
def test_the_tracker_is_this_applications_own(torchcompat_load):
    assert torchcompat_load(tracker).boxes.shape == (3, 4)


def test_colours_are_plain_tensors():
    assert set(colours(ASSETS / "colours.pt")) == {"mean", "std"}

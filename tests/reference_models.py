"""
Two models of the size of those that are benchmarked most, in plain torch and with random weights.

The speech model is built as HuBERT base is (95 million parameters), the detector as YOLOv8n is (3.2
million): the same layers in the same order, so that their calls queue as many kernels of the same
sizes. What training and decoding need is left out.
"""

from __future__ import annotations

import torch
from torch import nn

RATE = 16_000  # of the sound
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class Speech(nn.Module):
    """Seven convolutions over the sound, a position, and twelve layers of a transformer."""

    STEPS = ((10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2))
    WIDTH, HEADS, LAYERS = 768, 12, 12

    def __init__(self):
        super().__init__()
        blocks, before = [], 1
        for kernel, stride in self.STEPS:
            norm = nn.GroupNorm(512, 512) if before == 1 else nn.Identity()
            blocks += [nn.Conv1d(before, 512, kernel, stride, bias=False), norm, nn.GELU()]
            before = 512
        self.sound = nn.Sequential(*blocks)
        self.project = nn.Sequential(nn.LayerNorm(512), nn.Linear(512, self.WIDTH))
        self.position = nn.Conv1d(self.WIDTH, self.WIDTH, 128, padding=64, groups=16)
        self.norm = nn.LayerNorm(self.WIDTH)
        layer = nn.TransformerEncoderLayer(
            self.WIDTH, self.HEADS, 4 * self.WIDTH, activation="gelu", batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, self.LAYERS, enable_nested_tensor=False)

    def forward(self, sound):
        x = self.project(self.sound(sound[:, None]).transpose(1, 2))
        place = self.position(x.transpose(1, 2))[..., :-1].transpose(1, 2)
        return self.layers(self.norm(x + nn.functional.gelu(place)))


class Conv(nn.Sequential):
    """A convolution, its normalisation and its activation."""

    def __init__(self, before, after, kernel=1, stride=1):
        conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
        super().__init__(conv, nn.BatchNorm2d(after), nn.SiLU())


class Split(nn.Module):
    """YOLOv8's C2f: half goes through bottlenecks, and every stage of it is kept."""

    def __init__(self, before, after, times, *, shortcut):
        super().__init__()
        half = after // 2
        self.enter, self.leave = Conv(before, after), Conv((2 + times) * half, after)
        pairs = ((Conv(half, half, 3), Conv(half, half, 3)) for _ in range(times))
        self.bottlenecks = nn.ModuleList(nn.Sequential(*pair) for pair in pairs)
        self.shortcut = shortcut

    def forward(self, x):
        parts = list(self.enter(x).chunk(2, 1))
        for each in self.bottlenecks:
            parts.append(each(parts[-1]) + parts[-1] if self.shortcut else each(parts[-1]))
        return self.leave(torch.cat(parts, 1))


class Pool(nn.Module):
    """YOLOv8's SPPF: one pooling, three times."""

    def __init__(self, width):
        super().__init__()
        self.enter, self.leave = Conv(width, width // 2), Conv(2 * width, width)
        self.pool = nn.MaxPool2d(5, 1, 2)

    def forward(self, x):
        parts = [self.enter(x)]
        for _ in range(3):
            parts.append(self.pool(parts[-1]))
        return self.leave(torch.cat(parts, 1))


class Detector(nn.Module):
    """YOLOv8n: a backbone, a way up and a way down again, and a head a scale."""

    CLASSES, BINS = 80, 64

    def __init__(self):
        super().__init__()
        self.to_8 = nn.Sequential(
            *(Conv(3, 16, 3, 2), Conv(16, 32, 3, 2), Split(32, 32, 1, shortcut=True)),
            *(Conv(32, 64, 3, 2), Split(64, 64, 2, shortcut=True)),
        )
        self.to_16 = nn.Sequential(Conv(64, 128, 3, 2), Split(128, 128, 2, shortcut=True))
        last = (Conv(128, 256, 3, 2), Split(256, 256, 1, shortcut=True), Pool(256))
        self.to_32 = nn.Sequential(*last)
        self.up = nn.Upsample(scale_factor=2)
        self.up_16 = Split(384, 128, 1, shortcut=False)
        self.up_8 = Split(192, 64, 1, shortcut=False)
        self.down_16, self.at_16 = Conv(64, 64, 3, 2), Split(192, 128, 1, shortcut=False)
        self.down_32, self.at_32 = Conv(128, 128, 3, 2), Split(384, 256, 1, shortcut=False)
        self.boxes = nn.ModuleList(self._head(width, 64, self.BINS) for width in (64, 128, 256))
        self.names = nn.ModuleList(self._head(width, 80, self.CLASSES) for width in (64, 128, 256))

    @staticmethod
    def _head(before, width, after):
        return nn.Sequential(
            Conv(before, width, 3), Conv(width, width, 3), nn.Conv2d(width, after, 1)
        )

    def forward(self, image):
        x8 = self.to_8(image)
        x16 = self.to_16(x8)
        x32 = self.to_32(x16)
        y16 = self.up_16(torch.cat((self.up(x32), x16), 1))
        y8 = self.up_8(torch.cat((self.up(y16), x8), 1))
        z16 = self.at_16(torch.cat((self.down_16(y8), y16), 1))
        z32 = self.at_32(torch.cat((self.down_32(z16), x32), 1))
        scales = zip(self.boxes, self.names, (y8, z16, z32))
        return torch.cat([torch.cat((b(x), n(x)), 1).flatten(2) for b, n, x in scales], 2)


def speech(device="cpu", dtype=torch.float32, batch=1, seconds=5.0):
    """Return a call of the speech model, over sound of so many seconds."""
    return _call(Speech(), torch.randn(batch, int(RATE * seconds)), device, dtype)


def detector(device="cpu", dtype=torch.float32, batch=1, side=640):
    """Return a call of the detector, over square images of so many pixels a side."""
    return _call(Detector(), torch.rand(batch, 3, side, side), device, dtype)


def _call(model, given, device, dtype):
    model, given = model.eval().to(device, dtype), given.to(device, dtype)
    return lambda: model(given)

"""``torch.isin`` on plain numbers given by keyword."""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any


class IsinNumbers:
    """
    Lets ``torch.isin`` take a plain number for a tensor.

    transformers 4.41 to 4.43 hand the token that pads and the one that ends to ``torch.isin`` by
    keyword, as tensors. The streaming of TTS 0.22 is a copy of an older ``generate``, in which they
    are numbers still, and no torch takes a number there. It is no matter of torch's version. From
    4.42 on the same copy fails next on a helper that asks for a device: it gets the model's.
    """

    name = "isin-numbers"
    restores = "streaming XTTS of TTS 0.22 beside transformers 4.41 to 4.43 (a TypeError of isin)"
    retired_when = "nobody streams with TTS 0.22, or transformers is kept out of 4.41 to 4.43"
    at_import = False
    libraries = ("coqui-tts",)
    modules = ("TTS",)

    def __init__(self) -> None:
        self.lost: list[str] = []

    def applies(self, versions: Mapping[str, str]) -> bool:
        """Apply where the library that copied meets the transformers that changed."""
        transformers = versions.get("transformers")
        if transformers is None or not {"TTS", "tts"} & set(versions):
            return False
        from packaging.version import Version

        return Version("4.41") <= Version(transformers) < Version("4.44")

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Make tensors of the numbers, on the other's device, and leave all else to torch."""
        import torch

        self.lost.clear()
        isin: Any = torch.isin

        def tolerant(elements: Any, test_elements: Any, **options: Any) -> Any:
            device = _device_of(elements, test_elements)
            tensors = [_tensor(each, device) for each in (elements, test_elements)]
            return isin(*tensors, **options)

        torch.isin = tolerant
        try:
            with _device_given():
                yield
        finally:
            torch.isin = isin


@contextlib.contextmanager
def _device_given() -> Iterator[None]:
    """Let transformers' helper that came to ask for a device do without, where there is one."""
    generation: Any = None
    with contextlib.suppress(ImportError):  # without transformers there is nobody to stream
        generation = importlib.import_module("transformers.generation.utils")
    mixin: Any = getattr(generation, "GenerationMixin", None)
    helper: Any = vars(mixin).get("_get_logits_warper") if mixin else None
    if helper is None:
        yield
        return

    def tolerant(model: Any, generation_config: Any, *rest: Any, **options: Any) -> Any:
        if not rest and "device" in inspect.signature(helper).parameters:
            options.setdefault("device", model.device)
        return helper(model, generation_config, *rest, **options)

    mixin._get_logits_warper = tolerant  # noqa: SLF001 - there is no other place
    try:
        yield
    finally:
        mixin._get_logits_warper = helper  # noqa: SLF001


def _device_of(*values: Any) -> Any:
    return next((each.device for each in values if hasattr(each, "device")), None)


def _tensor(value: Any, device: Any) -> Any:
    import torch

    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return torch.tensor(value, device=device) if is_number else value

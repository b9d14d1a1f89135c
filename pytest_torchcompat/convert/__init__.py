"""The tensors out of a checkpoint, without its library and without executing anything of it."""

from pytest_torchcompat.convert.contents import Contents, reading
from pytest_torchcompat.convert.flatten import Flat, flatten
from pytest_torchcompat.convert.write import write_safetensors, write_state_dict

__all__ = ["Contents", "Flat", "flatten", "reading", "write_safetensors", "write_state_dict"]

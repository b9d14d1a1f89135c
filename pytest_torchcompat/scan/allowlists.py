"""
torch's own weights_only allow-list, by torch version, as data.

Measured by listing ``torch._weights_only_unpickler._get_allowed_globals()`` and
``_get_user_allowed_globals()`` after a bare ``import torch`` of 2.5.1, 2.6.0, 2.13.0 and 2.15.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pytest_torchcompat.errors import unknown_name

_SINCE_2_5: Final = (
    "_codecs.encode",
    "builtins.bytearray",
    "collections.Counter",
    "collections.OrderedDict",
    "torch.BFloat16Storage",
    "torch.BFloat16Tensor",
    "torch.BoolStorage",
    "torch.BoolTensor",
    "torch.ByteStorage",
    "torch.ByteTensor",
    "torch.CharStorage",
    "torch.CharTensor",
    "torch.ComplexDoubleStorage",
    "torch.ComplexFloatStorage",
    "torch.DoubleStorage",
    "torch.DoubleTensor",
    "torch.FloatStorage",
    "torch.FloatTensor",
    "torch.HalfStorage",
    "torch.HalfTensor",
    "torch.IntStorage",
    "torch.IntTensor",
    "torch.LongStorage",
    "torch.LongTensor",
    "torch.QInt32Storage",
    "torch.QInt8Storage",
    "torch.QUInt2x4Storage",
    "torch.QUInt4x2Storage",
    "torch.QUInt8Storage",
    "torch.ShortStorage",
    "torch.ShortTensor",
    "torch.Size",
    "torch.Tensor",
    "torch._tensor._rebuild_from_type_v2",
    "torch._utils._rebuild_device_tensor_from_numpy",
    "torch._utils._rebuild_meta_tensor_no_storage",
    "torch._utils._rebuild_nested_tensor",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._utils._rebuild_qtensor",
    "torch._utils._rebuild_sparse_tensor",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_wrapper_subclass",
    "torch.bfloat16",
    "torch.bits16",
    "torch.bits1x8",
    "torch.bits2x4",
    "torch.bits4x2",
    "torch.bits8",
    "torch.bool",
    "torch.complex128",
    "torch.complex32",
    "torch.complex64",
    "torch.cuda.BFloat16Storage",
    "torch.cuda.BFloat16Tensor",
    "torch.cuda.BoolStorage",
    "torch.cuda.BoolTensor",
    "torch.cuda.ByteStorage",
    "torch.cuda.ByteTensor",
    "torch.cuda.CharStorage",
    "torch.cuda.CharTensor",
    "torch.cuda.ComplexDoubleStorage",
    "torch.cuda.ComplexFloatStorage",
    "torch.cuda.DoubleStorage",
    "torch.cuda.DoubleTensor",
    "torch.cuda.FloatStorage",
    "torch.cuda.FloatTensor",
    "torch.cuda.HalfStorage",
    "torch.cuda.HalfTensor",
    "torch.cuda.IntStorage",
    "torch.cuda.IntTensor",
    "torch.cuda.LongStorage",
    "torch.cuda.LongTensor",
    "torch.cuda.ShortStorage",
    "torch.cuda.ShortTensor",
    "torch.cuda.sparse.BFloat16Tensor",
    "torch.cuda.sparse.ByteTensor",
    "torch.cuda.sparse.CharTensor",
    "torch.cuda.sparse.DoubleTensor",
    "torch.cuda.sparse.FloatTensor",
    "torch.cuda.sparse.HalfTensor",
    "torch.cuda.sparse.IntTensor",
    "torch.cuda.sparse.LongTensor",
    "torch.cuda.sparse.ShortTensor",
    "torch.device",
    "torch.float16",
    "torch.float32",
    "torch.float64",
    "torch.float8_e4m3fn",
    "torch.float8_e4m3fnuz",
    "torch.float8_e5m2",
    "torch.float8_e5m2fnuz",
    "torch.int16",
    "torch.int32",
    "torch.int64",
    "torch.int8",
    "torch.nn.parameter.Parameter",
    "torch.per_channel_affine",
    "torch.per_channel_affine_float_qparams",
    "torch.per_channel_symmetric",
    "torch.per_tensor_affine",
    "torch.per_tensor_symmetric",
    "torch.qint32",
    "torch.qint8",
    "torch.quint2x4",
    "torch.quint4x2",
    "torch.quint8",
    "torch.serialization._get_layout",
    "torch.sparse.BFloat16Tensor",
    "torch.sparse.ByteTensor",
    "torch.sparse.CharTensor",
    "torch.sparse.DoubleTensor",
    "torch.sparse.FloatTensor",
    "torch.sparse.HalfTensor",
    "torch.sparse.IntTensor",
    "torch.sparse.LongTensor",
    "torch.sparse.ShortTensor",
    "torch.storage.TypedStorage",
    "torch.storage.UntypedStorage",
    "torch.uint8",
)
# From release to release: what came, and what went.
_CAME: Final = {
    (2, 6): (
        "builtins.complex",
        "builtins.set",
        "torch._utils._rebuild_device_tensor_from_cpu_tensor",
        "torch.nested._internal.nested_tensor.NestedTensor",
        "torch.nested._internal.nested_tensor._rebuild_njt",
        "torch.uint16",
        "torch.uint32",
        "torch.uint64",
    ),
    (2, 13): (
        "torch.distributed._mesh_layout._FlatLayout",
        "torch.distributed._mesh_layout._MeshLayout",
        "torch.float4_e2m1fn_x2",
        "torch.float8_e8m0fnu",
        "torch.int1",
        "torch.int2",
        "torch.int3",
        "torch.int4",
        "torch.int5",
        "torch.int6",
        "torch.int7",
        "torch.uint1",
        "torch.uint2",
        "torch.uint3",
        "torch.uint4",
        "torch.uint5",
        "torch.uint6",
        "torch.uint7",
    ),
    (2, 15): ("torch.bcomplex32",),
}
_WENT: Final = {
    (2, 15): (
        "torch._utils._rebuild_nested_tensor",
        "torch.nested._internal.nested_tensor.NestedTensor",
        "torch.nested._internal.nested_tensor._rebuild_njt",
    ),
}


def _measured() -> dict[tuple[int, int], frozenset[str]]:
    names = frozenset(_SINCE_2_5)
    lists = {(2, 5): names}
    for release, came in _CAME.items():
        names = (names | frozenset(came)) - frozenset(_WENT.get(release, ()))
        lists[release] = names
    return lists


MEASURED: Final = _measured()


def allowed_by_torch(version: str) -> frozenset[str]:
    """
    Return the globals that this torch loads with ``weights_only=True`` unasked.

    A release that was not measured has the list of the nearest older one that was, and one older
    than all of them the oldest's. Raises ``UnknownNameError`` for what is no version.
    """
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if not numbers:
        kind = "torch version"
        raise unknown_name(kind, version, map(spelled, MEASURED))
    release = (int(numbers[1]), int(numbers[2]))
    older = [measured for measured in MEASURED if measured <= release]
    return MEASURED[max(older, default=min(MEASURED))]


def spelled(release: tuple[int, int]) -> str:
    """Return a release as people write it."""
    return f"{release[0]}.{release[1]}"


def beyond_any(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that are missing from some torch's own allow-list."""
    return tuple(
        name for name in names if not all(name in allowed for allowed in MEASURED.values())
    )

"""Operations that have no rules, on purpose: what each is, and what to do about it.

Programs that hold them still compile. The error comes where a value that is differentiated or batched meets one.
"""

from __future__ import annotations

__all__ = ["OUTSIDE"]

_QUANTIZED = (
    "it converts to or from quantized integers, which have no derivative here; convert to floats before, "
    "or model quantization by rounding with a derivative of its own (mycc.custom_jvp)"
)
_TRANSFER = "it exchanges data with the world outside of the program; do so outside of the differentiated or mapped function"
_TUPLE = (
    "tuples are not looked into; run the pass expand, which takes apart those that are made and used in one "
    "function, or pass the elements one by one"
)
_ASYNC = "it starts or awaits work that runs beside the program; use the operation that it wraps directly"

OUTSIDE: dict[str, str] = {
    "stablehlo.async_done": _ASYNC,
    "stablehlo.async_start": _ASYNC,
    "stablehlo.get_tuple_element": _TUPLE,
    "stablehlo.infeed": _TRANSFER,
    "stablehlo.outfeed": _TRANSFER,
    "stablehlo.recv": _TRANSFER,
    "stablehlo.return": "it ends a region and computes nothing; the rules of the operation around it cover it",
    "stablehlo.send": _TRANSFER,
    "stablehlo.set_dimension_size": (
        "it makes a shape that is known at run time only; use a static shape, and mask what is beyond the size"
    ),
    "stablehlo.tuple": _TUPLE,
    "stablehlo.uniform_dequantize": _QUANTIZED,
    "stablehlo.uniform_quantize": _QUANTIZED,
}
"""The reason, and the way out, by operation."""

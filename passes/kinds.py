"""Kinds of operations by what XLA does to them: what it fuses, computes again, or stores."""

from __future__ import annotations

__all__ = [
    "BROADCAST",
    "CHEAP",
    "ELEMENTWISE",
    "EXPENSIVE",
    "FUSIBLE",
    "KINDS",
    "NEEDS_STORED",
    "RECOMPUTED",
    "REDUCTION",
    "RESHAPE",
    "TRANSPARENT",
]

# Kinds of operations; one may be of several.
CHEAP = 1  # XLA computes these again in each consumer without asking.
EXPENSIVE = 2  # XLA never computes these twice, but stores them (its InstructionFusion::IsExpensive).
TRANSPARENT = 4  # Moves of elements that a loop fusion reads through.
BROADCAST = 8
RESHAPE = 16
REDUCTION = 32
NEEDS_STORED = (
    64  # Elementwise work fused into these is done at their stride or per block, several times slower.
)
ELEMENTWISE = CHEAP | EXPENSIVE
FUSIBLE = ELEMENTWISE | TRANSPARENT
RECOMPUTED = CHEAP | TRANSPARENT

_NAMES = {
    CHEAP: "abs add and bitcast_convert ceil clamp compare complex convert count_leading_zeros floor imag "
    "is_finite maximum minimum multiply negate not or popcnt real reduce_precision round_nearest_afz "
    "round_nearest_even select shift_left shift_right_arithmetic shift_right_logical sign square subtract "
    "xor conj",
    EXPENSIVE: "acos acosh asin asinh atan atan2 atanh bessel_i1e cbrt cosh cosine digamma divide erf "
    "erf_inv erfc exponential exponential_minus_one lgamma log log_plus_one logistic "
    "polygamma power remainder rsqrt sine sinh sqrt tan tanh zeta",
    TRANSPARENT: "concatenate dynamic_slice iota pad reverse slice",
    TRANSPARENT | BROADCAST: "broadcast_in_dim broadcast",
    TRANSPARENT | RESHAPE: "reshape",
    REDUCTION: "reduce reduce_window",
    NEEDS_STORED: "transpose dot_general dot convolution",
}
KINDS = {
    f"{dialect}.{name}": kind
    for kind, names in _NAMES.items()
    for name in names.split()
    for dialect in ("stablehlo", "chlo")
}

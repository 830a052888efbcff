"""`--args`: shapes and dtypes as text."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from mycc.dialects.errors import MyccError
from mycc.tools.specs import Spec, parse_specs

F32 = np.dtype(np.float32)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("f32", [Spec((), F32)]),
        ("f32[], i32[ 3 , 4 ]", [Spec((), F32), Spec((3, 4), np.dtype(np.int32))]),
        ("bf16[2], pred", [Spec((2,), np.dtype(ml_dtypes.bfloat16)), Spec((), np.dtype(bool))]),
        ("u8[0]", [Spec((0,), np.dtype(np.uint8))]),
        ("(f32[2], f32), ()", [(Spec((2,), F32), Spec((), F32)), ()]),
        ("(f32[2],)", [(Spec((2,), F32),)]),
        ("{w: f32[2], b: {c: float32}}", [{"w": Spec((2,), F32), "b": {"c": Spec((), F32)}}]),
    ],
)
def test_specs(text: str, expected: list[Any]) -> None:
    assert parse_specs(text) == expected


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("f3[2]", 1, "unknown dtype 'f3' (did you mean 'f32'?)"),
        ("f32[2", 4, "never closed"),
        ("f32[x]", 5, "expected a size"),
        ("f32[2 3]", 7, "expected ',' or ']'"),
        ("f32[-1]", 5, "expected a size"),
        ("f32,,f32", 5, "expected a dtype such as f32, found ','"),
        ("f32]", 4, "found ']'"),
        ("(f32", 1, "never closed"),
        ("{w f32}", 4, "expected ':' after 'w'"),
        ("(" * 100, 33, "nested more than 32 deep"),
    ],
)
def test_errors_have_a_position(text: str, position: int, message: str) -> None:
    with pytest.raises(MyccError) as caught:
        parse_specs(text)
    head, line, caret = str(caught.value).split("\n")
    assert head.startswith(f"--args:1:{position}: error: ")
    assert message in head
    assert line == text
    assert caret == " " * (position - 1) + "^"

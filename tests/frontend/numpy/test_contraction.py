"""Products of matrices and tensors against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mycc
import mycc.numpy as mnp

RNG = np.random.default_rng(1)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def test_matmul(compare):
    shapes = [
        ((3, 4), (4, 5)),
        ((4,), (4,)),
        ((4,), (4, 5)),
        ((3, 4), (4,)),
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 3, 4), (2, 4, 5)),
        ((1, 3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (6, 4, 5)),
        ((4,), (2, 4, 5)),
        ((2, 3, 4), (4,)),
        ((3, 1), (1, 5)),
        ((2, 3, 0), (0, 5)),
        ((0, 3, 4), (4, 5)),
    ]
    for x, y in shapes:
        compare((normal(*x), normal(*y)), {f"{x} @ {y}": lambda np_, a, b: a @ b})


def test_products_of_vectors_and_tensors(compare):
    a, b, c, v, w = normal(3, 4), normal(4, 5), normal(2, 5, 4), normal(4), normal(4)
    compare(
        (a, b, c, v, w),
        {
            "dot": lambda np_, a, b, c, v, w: np_.dot(a, b),
            "dot tensor": lambda np_, a, b, c, v, w: np_.dot(c, np_.stack([a.T, a.T])),
            "dot vector": lambda np_, a, b, c, v, w: np_.dot(c, v),
            "dot number": lambda np_, a, b, c, v, w: np_.dot(a, np_.float32(2)),
            "inner": lambda np_, a, b, c, v, w: np_.inner(a, c),
            "outer": lambda np_, a, b, c, v, w: np_.outer(a, v),
            "vdot": lambda np_, a, b, c, v, w: np_.vdot(v + 1j * w, w),
            "vecdot": lambda np_, a, b, c, v, w: np_.vecdot(c, v),
            "vecdot axis": lambda np_, a, b, c, v, w: np_.vecdot(b, b + 1, axis=0),
            "matvec": lambda np_, a, b, c, v, w: np_.matvec(c, v),
            "vecmat": lambda np_, a, b, c, v, w: np_.vecmat(v, b),
            "tensordot": lambda np_, a, b, c, v, w: np_.tensordot(a, b, 1),
            "tensordot axes": lambda np_, a, b, c, v, w: np_.tensordot(c, b, ((1, 2), (1, 0))),
            "tensordot outer": lambda np_, a, b, c, v, w: np_.tensordot(a, v, 0),
            "tensordot one": lambda np_, a, b, c, v, w: np_.tensordot(c, a, (-1, 1)),
            "kron": lambda np_, a, b, c, v, w: np_.kron(a, b),
            "kron ranks": lambda np_, a, b, c, v, w: np_.kron(c, v),
            "cross": lambda np_, a, b, c, v, w: np_.cross(a.T, b[:, :3]),
            "cross axis": lambda np_, a, b, c, v, w: np_.cross(a, a[::-1], axis=0),
            "cross broadcast": lambda np_, a, b, c, v, w: np_.cross(a.T, v[:3]),
            "trace": lambda np_, a, b, c, v, w: np_.trace(c, 1, 1, 2),
            "trace below": lambda np_, a, b, c, v, w: np_.trace(a, -1),
        },
    )


def test_bools_and_integers(compare):
    m, n = RNG.integers(0, 5, (3, 4)).astype(np.int32), RNG.integers(0, 5, (4, 2)).astype(np.int32)
    compare((m, n), {"integers": lambda np_, m, n: m @ n, "bools": lambda np_, m, n: (m > 2) @ (n > 2)})


def test_einsum(compare):
    a, b, c, v, s, t = normal(3, 4), normal(4, 5), normal(5, 3), normal(4), normal(4, 4), normal(2, 4, 4)
    cases = [
        ("ij,jk->ik", 0, 1),
        ("ij,jk->ki", 0, 1),
        ("ij,jk", 0, 1),
        ("ij->ji", 0),
        ("ij->", 0),
        ("ij->j", 0),
        ("ii->i", 4),
        ("ii", 4),
        ("bii->bi", 5),
        ("ij,j->ij", 0, 3),
        ("ij,j->i", 0, 3),
        ("ij,ij->", 0, 0),
        ("i,j->ij", 3, 3),
        ("...ij,jk->...ik", 5, 1),
        ("...ij,...jk->...ik", 5, 4),
        ("b...,...->b...", 5, 4),
        ("ij,jk,ki->", 0, 1, 2),
        ("ij,jk,kl->il", 0, 1, 2),
        ("ij,j,jk->ik", 0, 3, 1),
        ("bij,bkj->bik", 5, 5),
        ("bij,bij->b", 5, 5),
        ("ij,kl->", 0, 1),
        ("ij,jk->", 0, 1),
        ("bij,j->b", 5, 3),
        ("i...->...", 0),
        ("...", 5),
        ("ab,cb,db,eb->", 0, 0, 0, 0),
    ]
    arrays = (a, b, c, v, s, t)
    compare(
        arrays,
        {
            f"{case[0]} {optimize}": lambda np_, *xs, case=case, optimize=optimize: np_.einsum(
                case[0], *(xs[i] for i in case[1:]), optimize=optimize
            )
            for case in cases
            for optimize in (True, False)
        },
        rtol=1e-4,
        atol=1e-4,
    )
    compare((a, b), {"lists": lambda np_, a, b: np_.einsum(a, [0, 1], b, [1, 2], [2, 0])})
    compare((a, normal(1, 4)), {"sizes of one": lambda np_, a, b: np_.einsum("ij,ij->ij", a, b)})


def test_a_pair_is_one_contraction():
    a, b = normal(2, 3, 4), normal(2, 5, 4)
    text = mycc.jit(lambda a, b: mnp.einsum("bij,bkj->bik", a, b)).lower(a, b).as_text()
    assert text.count("dot_general") == 1
    assert "transpose" not in text
    text = mycc.jit(lambda a, b: mnp.einsum("ij,kj->ki", a, b)).lower(a[0], b[0]).as_text()
    assert "transpose" not in text
    text = mycc.jit(mnp.matmul).lower(a, b[0].T).as_text()
    assert "broadcast" not in text
    assert "transpose" not in text


def test_the_cheap_pair_comes_first():
    chain = mycc.jit(lambda a, b, v: mnp.einsum("ij,jk,k->i", a, b, v))
    text = chain.lower(normal(50, 60), normal(60, 70), normal(70)).as_text()
    assert "tensor<50x70xf32>" not in text


letters = st.text("abcd", max_size=3)


@given(letters, letters, letters, st.data())
@settings(max_examples=25, deadline=None)
def test_any_subscripts(first, second, third, data):
    words = [w for w in (first, second, third) if w] or ["a"]
    sizes = dict(zip("abcd", (2, 3, 1, 4), strict=True))
    every = sorted(set("".join(words)))
    output = "".join(data.draw(st.permutations(every))[: data.draw(st.integers(0, len(every)))])
    arrays = [
        np.arange(1, 1 + np.prod([sizes[c] for c in w])).reshape([sizes[c] for c in w]) % 7 for w in words
    ]
    arrays = [x.astype(np.float32) for x in arrays]
    subscripts = f"{','.join(words)}->{output}"
    np.testing.assert_allclose(mnp.einsum(subscripts, *arrays), np.einsum(subscripts, *arrays), rtol=1e-5)


def test_precision_and_wider_sums():
    x = mnp.ones((2, 3), mnp.bfloat16)
    assert mnp.matmul(x, x.T, preferred_element_type=mnp.float32).dtype == np.float32
    assert mnp.einsum("ij,kj->ik", x, x, preferred_element_type=mnp.float32).dtype == np.float32
    text = mycc.jit(lambda x: mnp.matmul(x, x.T, precision="highest")).lower(x).as_text()
    assert "HIGHEST" in text
    with pytest.raises(ValueError, match="precision='exact'"):
        mnp.matmul(x, x.T, precision="exact")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mnp.matmul(mnp.ones((2, 3)), mnp.ones((4, 5))), r"matmul got shapes \(2, 3\) and \(4, 5\)"),
        (lambda: mnp.matmul(mnp.ones((2, 2, 3)), mnp.ones((3, 3, 5))), "leading dimensions"),
        (lambda: mnp.matmul(2.0, mnp.ones(3)), "both need dimensions"),
        (lambda: mnp.dot(mnp.ones(2), mnp.ones(3)), "dot got shapes"),
        (lambda: mnp.tensordot(mnp.ones((2, 3)), mnp.ones((2, 3)), 1), "differ in size"),
        (lambda: mnp.einsum("ij,jk->ik", mnp.ones((2, 3)), mnp.ones((4, 5))), "stands for sizes 3 and 4"),
        (lambda: mnp.einsum("ij->k", mnp.ones((2, 3))), "no operand has it"),
        (lambda: mnp.einsum("ij", mnp.ones(2)), "do not fit an operand of shape"),
        (lambda: mnp.einsum("ij,jk", mnp.ones((2, 3))), "1 operands"),
        (lambda: mnp.cross(mnp.ones(4), mnp.ones(4)), "two or three components"),
    ],
)
def test_shapes_that_do_not_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call()

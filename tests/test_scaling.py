"""`docs/make_scaling.py`: what it says is what the programs do, by formulas of its own; the page is its."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
COUNTS = (1, 2, 8)
UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}

Table = dict[int, list[str]]


def number(cell: str) -> float:
    found = re.fullmatch(r"([\d.]+) ?([kMGT]?)B?", cell)
    assert found, cell
    return float(found[1]) * UNITS[found[2]]


def tables(page: str) -> list[Table]:
    """The page's tables: for a number of devices the cells after it."""
    found: list[Table] = []
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| devices"):
            found.append({})
        elif line.startswith("| "):
            found[-1][int(cells[0].replace(",", ""))] = cells[1:]
    return found


@pytest.fixture(scope="module")
def page() -> str:
    """What the script prints for few devices."""
    command = [sys.executable, str(DOCS / "make_scaling.py"), "-o", "-", "--devices", *map(str, COUNTS)]
    done = subprocess.run(
        command, env=dict(os.environ), capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_numbers_are_those_of_the_programs(page: str) -> None:
    assert "a model, not a measurement" in page
    found = tables(page)
    assert [list(table) for table in found] == [list(COUNTS)] * 8
    width, layers, batch, rows = 1024, 4, 8192, 256
    forward_and_backward = 2 * (3 * layers - 1) * width * width
    gradients, hidden, contracted = 4 * layers * width * width, 8192, 65536
    for count in COUNTS:
        training, more, _, _, layer, _, product, _ = (table[count] for table in found)
        # Matrix products are nearly all that is counted.
        assert number(training[1]) == pytest.approx(forward_and_backward * batch / count, rel=0.03)
        assert number(more[1]) == pytest.approx(forward_and_backward * 64, rel=0.1)
        assert number(layer[1]) == pytest.approx(12 * rows * width * hidden / count, rel=0.03)
        assert number(product[1]) == pytest.approx(2 * width * width * contracted / count, rel=0.03)
        kinds = [table[count][3] for table in found]
        if count == 1:
            assert set(kinds) == {"none"}
            continue
        assert [kinds[i] for i in (0, 1, 4, 5, 6, 7)] == ["1 all-reduce"] * 6
        assert "all-gather" in kinds[2]
        assert number(training[4]) == pytest.approx(gradients, rel=0.01)
        # The layer's result, and the gradient of its input.
        assert number(layer[4]) == pytest.approx(2 * 4 * rows * width, rel=0.01)
        assert number(product[4]) == pytest.approx(4 * width * width, rel=0.01)
        operands = 4 * 2 * width * contracted / count
        assert number(product[5]) == pytest.approx(operands + 2 * 4 * width * width, rel=0.03)


def test_the_page_is_the_scripts(page: str) -> None:
    written = (DOCS / "scaling.md").read_text()
    now, then = tables(page), tables(written)
    assert [list(table) for table in then] == [[2**i for i in range(11)]] * 8
    for new, old in zip(now, then, strict=True):
        for count in COUNTS:
            assert number(new[count][1]) == pytest.approx(number(old[count][1]), rel=0.05)
    headings = re.compile(r"^#.*|^(?:Strong|Weak).*", re.MULTILINE)
    assert headings.findall(page) == headings.findall(written)


def test_collectives_are_read_from_hlo() -> None:
    sys.path.insert(0, str(DOCS))
    from make_scaling import amount, exchanges

    hlo = """
      %a = (f32[4,2]{1,0}, bf16[]) all-reduce(%x, %y), channel_id=1
      %b = pred[8]{0} all-gather(%a), dimensions={0}
      %c = s64[3]{0} collective-permute-start(%b)
      %d = f32[4]{0} get-tuple-element(%all-reduce.4), index=0
    """
    assert exchanges(hlo) == [("all-reduce", 34), ("all-gather", 8), ("collective-permute", 24)]
    assert [amount(x, "B") for x in (0, 999.4, 1000, 12345678)] == ["0 B", "999 B", "1 kB", "12.3 MB"]

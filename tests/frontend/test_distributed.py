"""Programs in several processes, on loopback."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import mycc

HEAD = """
import os, sys, time
import numpy as np
import mycc
import mycc.numpy as mnp
from mycc.sharding import NamedSharding, PartitionSpec as P
"""

TRAINING = (
    HEAD
    + """
if "MYCC_COORDINATOR" in os.environ:
    mycc.distributed.initialize(heartbeat_timeout=10)
mesh = mycc.make_mesh((mycc.device_count(),), ("data",))
rng = np.random.default_rng(0)
x, y, w = rng.normal(size=(32, 8)), rng.normal(size=(32, 1)), rng.normal(size=(8, 1))
rows, everywhere = NamedSharding(mesh, P("data")), NamedSharding(mesh, P())
index, count = mycc.process_index(), mycc.process_count()
mine = slice(index * 32 // count, (index + 1) * 32 // count)
x = mycc.make_array_from_process_local_data(rows, x[mine])
y = mycc.device_put(y, rows)
w = mycc.device_put(w, everywhere)

@mycc.jit
def step(w, x, y):
    value, gradient = mycc.value_and_grad(lambda w: mnp.mean((mnp.tanh(x @ w) - y) ** 2))(w)
    return w - 0.1 * gradient, value

for i in range(20):
    w, value = step(w, x, y)
    if "die" in sys.argv and i == 5 and index == 1:
        os._exit(3)
total = mycc.shard_map(lambda v: mycc.lax.psum(v.sum(), "data"), mesh=mesh, in_specs=P("data"), out_specs=P())(x)
print(f"result {float(value):.15f} {float(total):.12f} {len(mycc.local_devices())} of {mycc.device_count()}", flush=True)
try:
    print(np.asarray(x).shape)
except mycc.ShardingError as error:
    print("whole:", error, flush=True)
mycc.distributed.shutdown()
"""
)

JOINING = (
    HEAD
    + """
address, count, index = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
try:
    mycc.distributed.initialize(address, count, index, initialization_timeout=4)
except mycc.MyccError as error:
    print(f"{index}: {type(error).__name__}: {error}")
"""
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def start(script: Path, *arguments: object, devices: int = 1) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MYCC_")}
    environment |= {"MYCC_NUM_CPU_DEVICES": str(devices), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = (
        [sys.executable, *map(str, arguments)]
        if arguments[:1] == ("-m",)
        else [sys.executable, str(script), *map(str, arguments)]
    )
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run(script: Path, processes: int, *arguments: str, devices: int = 1) -> tuple[int, str]:
    process = start(
        script,
        "-m",
        "mycc.tools.cli",
        "run-distributed",
        "-n",
        processes,
        script,
        *arguments,
        devices=devices,
    )
    output = process.communicate(timeout=120)[0]
    return process.returncode, output


@pytest.fixture
def training(tmp_path: Path) -> Path:
    script = tmp_path / "training.py"
    script.write_text(TRAINING)
    return script


def test_training_is_the_same_in_one_two_and_four_processes(training: Path) -> None:
    alone = start(training, devices=4)
    (expected,) = re.findall(r"result (\S+ \S+) 4 of 4", alone.communicate(timeout=120)[0])
    for processes in (1, 2, 4):
        code, output = run(training, processes, devices=4 // processes)
        found = re.findall(rf"\[(\d)\] result (\S+ \S+) {4 // processes} of 4", output)
        assert code == 0 and sorted(i for i, _ in found) == list(map(str, range(processes))), output
        for _, numbers in found:
            np.testing.assert_allclose(
                [float(n) for n in numbers.split()], [float(n) for n in expected.split()], rtol=1e-12
            )
        assert ("which this process has" in output.replace("of which", "which")) == (processes > 1), output


def test_when_one_dies_the_others_end(training: Path) -> None:
    begin = time.monotonic()
    code, output = run(training, 2, "die", devices=2)
    # Ten seconds without a heartbeat, and the time to start and compile on a busy machine.
    assert code == 3 and time.monotonic() - begin < 90, output
    assert "result" not in output, output


def joined(script: Path, *processes: tuple[object, int, int]) -> str:
    script.write_text(JOINING)
    started = [start(script, *arguments) for arguments in processes]
    return "".join(process.communicate(timeout=120)[0] for process in started)


def test_who_does_not_find_the_others_is_told(tmp_path: Path) -> None:
    script = tmp_path / "joining.py"
    nobody = f"localhost:{free_port()}"
    assert (
        "1: DistributedError: " in (output := joined(script, (nobody, 2, 1))) and "nobody answered" in output
    )
    assert "[1] did not come" in joined(script, (f"localhost:{free_port()}", 2, 0))
    with socket.create_server(("", 0)) as taken:
        address = f"localhost:{taken.getsockname()[1]}"
        assert "cannot listen at port" in joined(script, (address, 2, 0))


def test_who_does_not_fit_is_told(tmp_path: Path) -> None:
    script = tmp_path / "joining.py"
    address = f"localhost:{free_port()}"
    output = joined(script, (address, 3, 0), (address, 3, 1), (address, 3, 1))
    assert "two processes have the number 1" in output and "[2] did not come" in output, output
    address = f"localhost:{free_port()}"
    output = joined(script, (address, 2, 0), (address, 3, 1))
    assert "process 1 expects 3 processes, and process 0 2" in output, output
    address = f"localhost:{free_port()}"
    older = tmp_path / "older.py"
    older.write_text(
        JOINING.replace("address, count", "mycc.lowering.pjrt.jaxlib_version = '0.1'\naddress, count", 1)
    )
    other = start(older, address, 2, 1)
    output = joined(script, (address, 2, 0)) + other.communicate(timeout=120)[0]
    assert "jaxlib 0.1" in output and "install the same versions" in output, output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "needs coordinator_address, num_processes and process_id"),
        (("nowhere", 2, 0), "host:port, got 'nowhere'"),
        (("localhost:1", 2, 2), "there is no process 2 of 2"),
        (("localhost:1", 2, 0), "devices are in use already"),
    ],
)
def test_bad_arguments(arguments: tuple[object, ...], message: str) -> None:
    mycc.devices()
    with pytest.raises(mycc.DistributedError, match=rf"test_distributed.py:\d+: .*{message}"):
        mycc.distributed.initialize(*arguments)  # type: ignore[arg-type]
    assert not mycc.distributed.is_initialized()


def test_the_command_line(tmp_path: Path) -> None:
    script = tmp_path / "fails.py"
    script.write_text(
        "import os, sys; print('here'); sys.exit(7 if os.environ['MYCC_PROCESS_ID'] == '1' else 0)"
    )
    code, output = run(script, 2)
    assert code == 7 and "[0] here" in output and "[1] here" in output
    assert run(tmp_path / "none.py", 2)[0] == 1
    assert "none.py: error: No such file" in run(tmp_path / "none.py", 2)[1]
    assert "takes a number of processes, got 0" in run(script, 0)[1]

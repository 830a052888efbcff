"""Molecular dynamics of a Lennard-Jones liquid: one function gives the energy, its gradient the forces.

    python examples/molecular_dynamics.py

Runs 1,000 steps of velocity Verlet in double precision and prints how well the total energy is conserved.
Units are the usual reduced ones: lengths in sigma, energies in epsilon, times in sigma * sqrt(m / epsilon).
"""

from __future__ import annotations

import itertools
import time
from typing import NamedTuple

import numpy as np

import mycc
import mycc.numpy as mnp
from mycc import lax, random

CELLS = 3  # face-centred cubic cells along each edge of the box, of four particles each
DENSITY = 0.8442
TEMPERATURE = 0.722
TIME_STEP = 0.002
STEPS = 1000
PARTICLES = 4 * CELLS**3
BOX = (PARTICLES / DENSITY) ** (1 / 3)
CUTOFF = 2.3  # less than half the box


def lennard_jones(squared: mycc.Array | float) -> mycc.Array:
    """The pair potential of squared distances."""
    inverse = 1 / squared**3
    return 4 * (inverse**2 - inverse)


# At the cutoff both the energy and the force go to zero, so that crossing it costs no energy.
SHIFT = float(lennard_jones(CUTOFF**2))
SLOPE = float(mycc.grad(lambda r: lennard_jones(r**2))(np.float64(CUTOFF)))


def energy(positions: mycc.Array) -> mycc.Array:
    """Potential energy of particles in a periodic box; positions have shape (particles, 3)."""
    apart = positions[:, None] - positions[None]
    apart = apart - BOX * mnp.round(apart / BOX)
    squared = (apart**2).sum(axis=-1)
    # The guard keeps the square root's derivative at the diagonal's zeros from making NaNs.
    near = (squared < CUTOFF**2) & ~mnp.eye(len(positions), dtype=bool)
    squared = mnp.where(near, squared, 1.0)
    pairs = lennard_jones(squared) - SHIFT - SLOPE * (mnp.sqrt(squared) - CUTOFF)
    return mnp.where(near, pairs, 0.0).sum() / 2


def forces(positions: mycc.Array) -> mycc.Array:
    """What pulls each particle."""
    return -mycc.grad(energy)(positions)


class State(NamedTuple):
    """Particles of mass one."""

    positions: mycc.Array
    velocities: mycc.Array
    forces: mycc.Array


def energies(state: State) -> tuple[mycc.Array, mycc.Array]:
    """Kinetic and potential energy."""
    return 0.5 * (state.velocities**2).sum(), energy(state.positions)


def step(state: State, _: None) -> tuple[State, tuple[mycc.Array, mycc.Array]]:
    """One step of velocity Verlet, and the energies after it."""
    half = state.velocities + 0.5 * TIME_STEP * state.forces
    positions = (state.positions + TIME_STEP * half) % BOX
    new = forces(positions)
    state = State(positions, half + 0.5 * TIME_STEP * new, new)
    return state, energies(state)


@mycc.jit
def simulate(state: State) -> tuple[State, tuple[mycc.Array, mycc.Array]]:
    """All steps in one program: the loop, and the gradient in it, are compiled."""
    return lax.scan(step, state, None, length=STEPS)


def initial_state() -> State:
    """A crystal at rest as a whole, with random velocities of the wanted temperature; it melts."""
    corners = np.array(list(itertools.product(range(CELLS), repeat=3)), float)
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    positions = mnp.array((corners[:, None] + basis).reshape(-1, 3) * BOX / CELLS)
    velocities = random.normal(random.key(0), positions.shape, dtype=np.float64) * TEMPERATURE**0.5
    return State(positions, velocities - velocities.mean(axis=0), forces(positions))


def main() -> None:
    state = initial_state()
    print(f"{PARTICLES} particles at density {DENSITY} in a box of edge {BOX:.3f}, {state.positions.dtype}")
    first = float(sum(energies(state)))
    start = time.perf_counter()
    state, (kinetic, potential) = mycc.block_until_ready(simulate(state))
    seconds = time.perf_counter() - start
    drift = abs((kinetic + potential - first) / first)
    print(f"{'step':>5} {'kinetic':>11} {'potential':>11} {'total':>13} {'drift':>8}")
    for n in [0, *range(99, STEPS, 100)]:
        total = kinetic[n] + potential[n]
        print(f"{n + 1:5} {kinetic[n]:11.5f} {potential[n]:11.5f} {total:13.7f} {drift[n]:8.1e}")
    print(f"{STEPS} steps in {seconds:.2f} s, compilation included")
    print(f"total momentum {abs(state.velocities.sum(axis=0)).max():.1e}")
    print(f"largest relative energy drift of all steps {drift.max():.1e} (aim: below 1e-4)")
    if not drift.max() < 1e-4:
        raise SystemExit("the energy is not conserved")


if __name__ == "__main__":
    main()

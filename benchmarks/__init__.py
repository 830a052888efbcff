"""Side-by-side measurements of mycc and JAX: ``python -m benchmarks``."""

"""Figures of the shipped bot against the sandbox: `make bench`. See docs/benchmarks.md."""

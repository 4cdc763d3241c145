"""Fuzzing: what nobody would write is fed to everything that reads from outside, and nothing may die of it.

    python -m fuzz [--minutes 10] [--only NAME …] [--seed N]

Each target has a process of its own, so that a segmentation fault is seen as one, and a watchdog. What broke
something once lies in `found/<target>/` and is tried first in every run.
"""

"""Stages side by side, each in a process of its own with a local Discord and local providers."""

import math
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.proof.chaos import points
from tests.proof.chaos.play import play
from tests.proof.chaos.report import Figures, block

KILLS_ON_A_STAGE = 15


def chaos(
    seed: int,
    kills: int,
    *,
    jobs: int = 6,
    minutes: float = 60,
    together: int = 3,
    on_a_stage: int = KILLS_ON_A_STAGE,
    only: Sequence[int] = (),
    keep: Path | None = None,
) -> tuple[Figures, str]:
    """The figures and the block that tells them. `only` plays these stages again; `minutes` is when no life begins."""
    began = time.time()
    stages = only or range(math.ceil(kills / on_a_stage))
    each = min(on_a_stage, kills)
    until = began + minutes * 60
    figures = Figures()
    with ProcessPoolExecutor(together, multiprocessing.get_context("spawn")) as pool:
        for played in [pool.submit(play, seed, stage, each, jobs, until, keep) for stage in stages]:
            figures.add(played.result())
    replay = f"make chaos ARGS='--seed {seed} --kills {kills} --jobs {jobs}', one stage of it with --stage N"
    return figures, block(figures, seed, time.time() - began, points.named(), replay)

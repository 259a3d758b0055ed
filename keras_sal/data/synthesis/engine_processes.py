"""Processes of the speech engines, as many at a time as there are cores."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from keras_sal.data.synthesis import clip_worker
from keras_sal.typing import Progress


def run_jobs(
    jobs: Sequence[Path], total: int, progress: Progress | None = None
) -> dict[str, dict[str, float]]:
    """Make the recordings of all jobs, each job in a process of its own.

    No process outlives the call, even if it is interrupted.

    Args:
        jobs: Paths of job files, see `plan.write_jobs`.
        total: Number of recordings in them.
        progress: Called as `progress(done, total)` after each recording, or `None`.

    Returns:
        A dict from the file of each recording to its times.

    Raises:
        RuntimeError: If an engine fails; the message quotes it.
    """
    times: dict[str, dict[str, float]] = {}
    running: set[subprocess.Popen] = set()
    results: queue.SimpleQueue = queue.SimpleQueue()
    pool = ThreadPoolExecutor(max_workers=os.cpu_count())
    try:
        for job in jobs:
            pool.submit(_run_job, job, running, results).add_done_callback(results.put)
        while len(times) < total:
            result = results.get()
            if isinstance(result, Future):
                result.result()  # raises the error that ended the job
                continue
            times[result.pop("file")] = result
            if progress is not None:
                progress(len(times), total)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        if len(times) < total:
            for process in list(running):
                process.kill()
        pool.shutdown()
    return times


def _run_job(job: Path, running: set[subprocess.Popen], results: queue.SimpleQueue) -> None:
    """Run a job in a process of its own, and put each result into the queue."""
    errors = job.with_suffix(".txt")
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, "-P", clip_worker.__file__, str(job)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
        ) as process,
    ):
        running.add(process)
        for line in process.stdout or ():
            results.put(json.loads(line))
    if process.returncode:
        raise RuntimeError(
            f"The speech engine {job.stem} failed with exit status {process.returncode}. "
            "Its output:\n" + errors.read_text(encoding="utf-8", errors="replace")[-2000:]
        )

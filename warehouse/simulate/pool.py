"""Computes chunks in several processes and hands them over in their order.

Each worker is a fresh process that holds one chunk at a time; only a few finished chunks wait, so memory stays bounded. Workers end with
the parent, also where it is killed.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import TypeVar

import pyarrow as pa

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_order(work: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """Results of all jobs, in the order of the jobs.

    Args:
        work: function that can be sent to another process.
        jobs: arguments.
        workers: processes; with one, everything happens in this process.
    """
    if workers == 1 or len(jobs) < 2:
        yield from map(work, jobs)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(work, job))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Make a worker one thread wide, and let it end with its parent."""
    pa.set_cpu_count(1)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)

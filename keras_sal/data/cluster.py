"""Worker processes of Ray, on this machine or on many.

Ray starts and watches the processes; nothing here distributes anything itself. A task whose process
is killed runs again on another one, so tasks must give the same whether they run once or twice.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import keras

from keras_sal.extras import import_package

RETRIES = 5  # of a task whose process was killed
LOCAL = "local"  # Ray's name of processes of its own on this machine
PATIENCE_S = 10

Item = TypeVar("Item")
Result = TypeVar("Result")


class Cluster:
    """Worker processes of Ray, as a context.

    Where this process is connected to Ray already, its workers are taken, and stay.

    Args:
        workers: Number of processes on this machine, at least 1; `None` (default) for one a core.
        address: Address of a Ray cluster, whose cores are all used: `"head:6379"`, or `"auto"` on
            one of its machines. `None` (default) for this machine. Each of them must have
            `keras_sal` installed, and the folders under the same paths.

    Raises:
        ImportError: If `ray` is missing.
        ConnectionError: If there is no cluster at the address.

    Example:

        with Cluster(workers=2) as cluster:
            for number, root in cluster.map(math.sqrt, [1.0, 4.0, 9.0]):
                print(number, root)
    """

    def __init__(self, workers: int | None = None, address: str | None = None) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it is read on import
        self._ray = import_package("ray", "start worker processes", "scale")
        local = {"address": LOCAL, "num_cpus": workers, "include_dashboard": False}
        self._where: dict[str, Any] = local if address is None else {"address": address}
        self._is_own = False

    def __enter__(self) -> Cluster:
        if not self._ray.is_initialized():
            self._connect()
            self._is_own = True
        return self

    def __exit__(self, *error: object) -> None:
        if self._is_own:
            self._ray.shutdown()

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, waiting: int = 1
    ) -> Iterator[tuple[Item, Result]]:
        """Call a function on each item, on the workers.

        After an error of the function no further items are begun, as most errors are of all items:
        a full disk, a setting. Where a process is killed each time, only that item is given up.
        Either is raised when what was begun has ended.

        Args:
            function: Function of a module that the workers can import. It may run twice for an item
                if its process is killed.
            items: The items, which are taken as workers become free.
            waiting: Items for each core that wait for it, at least 0. With none, an item is taken
                when all results before it have been used. Defaults to 1.

        Yields:
            `(item, result)`, in the order in which they end.

        Raises:
            Exception: The first error that the function raised.
            RuntimeError: If a process was killed each time that an item was tried.
        """
        task = self._ray.remote(function).options(max_retries=RETRIES, name=function.__name__)
        running: dict[Any, Item] = {}
        errors: list[BaseException] = []
        killed: list[BaseException] = []
        upcoming, nothing = iter(items), object()
        while not errors:
            while len(running) >= (1 + waiting) * self._core_count():
                yield from self._ended(running, errors, killed)
            item: Any = nothing if errors else next(upcoming, nothing)
            if item is nothing:
                break
            running[task.remote(item)] = item
        while running:
            yield from self._ended(running, errors, killed)
        for error in (*errors, *killed):
            raise error

    def _connect(self) -> None:
        try:
            _reach(self._where["address"])
            self._ray.init(
                **self._where,
                log_to_driver=False,
                logging_level="ERROR",
                runtime_env={"env_vars": {"KERAS_BACKEND": keras.backend.backend()}},
            )
        except (OSError, RuntimeError, ValueError) as error:
            if self._where["address"] == LOCAL:
                raise
            raise ConnectionError(
                "`address` must be that of a Ray cluster that runs; its machines do the work. "
                f"Received: address={self._where['address']!r} ({error}). Start one with `ray "
                "start --head`, or leave it out. If the cluster asks for a token, set "
                "RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH unless it is in ~/.ray/auth_token."
            ) from error

    def _ended(
        self, running: dict[Any, Item], errors: list[BaseException], killed: list[BaseException]
    ) -> Iterator[tuple[Item, Any]]:
        """Wait for a task, and yield what the tasks that have ended returned."""
        exceptions = self._ray.exceptions
        for task in self._ray.wait([*running])[0]:
            item = running.pop(task)
            try:
                yield item, self._ray.get(task)
            except exceptions.RayTaskError as error:
                errors.append(error.cause or error)
            except exceptions.RayError as error:
                given_up = RuntimeError(
                    f"`workers` must survive a task; one of them was killed {RETRIES + 1} times "
                    f"over the same. Received: {item} ({type(error).__name__}). Give each more "
                    "memory, or take fewer workers."
                )
                given_up.__cause__ = error
                killed.append(given_up)

    def _core_count(self) -> int:
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))


def _reach(address: str) -> None:
    """Connect to a port of a cluster, as Ray would wait for one for minutes.

    Raises:
        OSError: If nothing answers.
        ValueError: If there is no port.
    """
    if ":" in address:
        host, _, port = address.removeprefix("ray://").rpartition(":")
        socket.create_connection((host, int(port)), timeout=PATIENCE_S).close()

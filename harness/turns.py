"""Threads of which only one runs at a time: while one waits for a machine, the next has its turn.

So that what decides (searches, evidence, the journal) needs no locks and is written as if it were alone, however many
builds and boots are under way.
"""

from __future__ import annotations

import contextlib
import contextvars
import queue
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar, cast

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class Cancelled(Exception):
    """The result of this work is no longer wanted."""


class Cancel:
    """Says whether some work is still wanted.

    Args:
        above: the work of which it is a part; if that is cancelled, so is this.
    """

    def __init__(self, above: Cancel | None = None) -> None:
        self._event, self._above = threading.Event(), above

    def set(self) -> None:
        """Cancel the work, and all its parts."""
        self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set() or bool(self._above)


_current: contextvars.ContextVar[Cancel | None] = contextvars.ContextVar("cancel", default=None)


def cancel() -> Cancel:
    """That of the work at hand; one that is never set outside of any."""
    current = _current.get()
    return Cancel() if current is None else current


class Turns:
    """Whose turn it is; at first, that of the thread that makes it."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._turn.acquire()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Let others have their turn during the block, which only waits."""
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Run the block in turn; for a new thread."""
        with self._turn:
            yield


class Crew(Generic[K, T]):
    """Tasks in threads of their own that take turns with this one; a context manager that leaves none running.

    Args:
        turns: whose turn it is.
    """

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.running: dict[K, Cancel] = {}
        self._above = _current.get()
        self._threads: list[threading.Thread] = []
        self._ended: queue.SimpleQueue[tuple[K, T | None, BaseException | None]] = queue.SimpleQueue()

    def __enter__(self) -> Crew[K, T]:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.running.values():
            one.set()
        with self.turns.waiting():
            for thread in self._threads:
                thread.join()

    def start(self, key: K, work: Callable[[], T]) -> None:
        """Begin a task, which runs when this thread waits."""
        cancelled = Cancel(self._above)
        self.running[key] = cancelled

        def run() -> None:
            _current.set(cancelled)
            result: T | None = None
            error: BaseException | None = None
            with self.turns.taken():
                try:
                    if not cancelled:
                        result = work()
                    else:
                        error = Cancelled()
                except BaseException as caught:  # for the thread that waits for it
                    error = caught
            self._ended.put((key, result, error))

        thread = threading.Thread(target=run, name=f"task {key}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def next(self) -> tuple[K, T | None]:
        """Wait until a task ends.

        Returns:
            Its key and its result; None if it was cancelled.

        Raises:
            Exception: what the task raised.
        """
        with self.turns.waiting():
            key, result, error = self._ended.get()
        del self.running[key]
        if error is not None and not isinstance(error, Cancelled):
            raise error
        return key, result

    def cancel(self, key: K) -> None:
        """Say that a task's result is no longer wanted; it still ends, soon."""
        self.running[key].set()


class Room(Protocol):
    """Where tasks run side by side.

    Attributes:
        width: how many at a time.
        turns: whose turn it is meanwhile.
    """

    @property
    def width(self) -> int: ...  # noqa: D102

    @property
    def turns(self) -> Turns: ...  # noqa: D102


def each(work: Iterable[Callable[[], T]], room: Room | None) -> Iterator[T]:
    """The results of some tasks in their order: one after the other, or side by side where there is room."""
    return (task() for task in work) if room is None else in_order(room.turns, work, room.width)


def in_order(turns: Turns, work: Iterable[Callable[[], T]], width: int) -> Iterator[T]:
    """The results of some tasks in their order, of which so many run at a time; with one, each runs when asked for.

    Tasks that are running when the caller asks for no more results are cancelled.
    """
    if width == 1:
        yield from (task() for task in work)
        return
    tasks, done = enumerate(work), dict[int, T]()
    with Crew[int, T](turns) as crew:
        wanted = 0
        while True:
            while len(crew.running) < width and (task := next(tasks, None)) is not None:
                crew.start(*task)
            if wanted in done:
                yield done.pop(wanted)
                wanted += 1
            elif crew.running:
                number, result = crew.next()
                if result is None and _current.get():
                    raise Cancelled
                done[number] = cast(T, result)
            else:
                return

"""Hosts that fail: the work goes elsewhere, and no commit is judged by it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from harness.errors import InfrastructureError
from harness.fleet import fleet as fleets
from harness.fleet.fleet import Fleet, Work
from harness.fleet.host import Host, Order
from harness.fleet.reply import HostFault, Reply
from harness.fleet.request import BuildJob, Command, Request, Source
from harness.fleet.worker import SCHEMA
from harness.progress import Silent
from harness.turns import Cancelled, Crew, Turns, in_order

SOURCE = Source("a" * 40, "b" * 40, "a change", "sha1", "tree")
JOB = BuildJob(SOURCE, "x86_64", command=Command(("sh", "build.sh")))


def kernel(job: BuildJob) -> str:
    told = {"schema": SCHEMA, "job": job.id, "kind": "kernel", "files": {}, "archive": None}
    return json.dumps({**told, "signature": job.source.tree, "seconds": 1.0, "built": True})


def said(job: BuildJob, kind: str, reason: str) -> str:
    return json.dumps({"schema": SCHEMA, "job": job.id, "kind": kind, "files": {}, "reason": reason})


@dataclass
class Played:
    """A carrier that plays answers: texts, errors to raise, or functions of the request."""

    answers: list[str | Exception | Callable[[Request, Order], str]]
    calls: int = 0
    sent: list[str] = field(default_factory=list)

    def send(self, path: Path, digest: str) -> None:
        self.sent.append(digest)

    def call(self, request: Request, order: Order, sent: Sequence[str]) -> tuple[str, Path | None]:
        answer = self.answers[min(self.calls, len(self.answers) - 1)]
        self.calls += 1
        if isinstance(answer, Exception):
            raise answer
        return (answer if isinstance(answer, str) else answer(request, order)), None

    def close(self) -> None: ...


@contextlib.contextmanager
def a_fleet(**carriers: Played) -> Iterator[Fleet]:
    with Fleet([Host(name, one) for name, one in carriers.items()], Turns(), Silent()) as fleet:
        yield fleet


def work(job: BuildJob = JOB) -> Work:
    return Work(job, "building", Path, lambda _: Path("/nonexistent"))


def done(fleet: Fleet) -> Reply:
    return fleet.do(work(), lambda reply: reply)


def test_work_goes_to_another_host() -> None:
    broken, fine = Played([HostFault("a", "no route")]), Played([kernel(JOB)])
    with a_fleet(a=broken, b=fine) as fleet:
        assert {done(fleet).host for _ in range(4)} == {"b"}
        assert fleet.summary()[0]["faults"]


def test_work_of_a_task_goes_to_another_host_too() -> None:
    turns = Turns()
    carriers = [Played([HostFault("a", "no route")]), Played([kernel(JOB)])]
    with Fleet([Host(name, one) for name, one in zip("ab", carriers, strict=True)], turns, Silent()) as fleet:
        found = list(in_order(turns, [lambda: done(fleet)] * 4, 2))
    assert [reply.host for reply in found] == ["b"] * 4


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{",
        "[]",
        kernel(replace(JOB, arch="i386")),
        said(JOB, "infrastructure", "No space left on device"),
        "x" * (2 << 20),
        said(JOB, "missing", ""),
    ],
)
def test_nonsense_is_the_hosts_fault(answer: str) -> None:
    with a_fleet(a=Played([answer]), b=Played([kernel(JOB)])) as fleet:
        assert done(fleet).kind == "kernel"
        assert done(fleet).kind == "kernel"


def test_when_all_fail_each_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleets, "ASIDE", 0.01)
    with (
        a_fleet(a=Played([HostFault("a", "no route")]), b=Played([HostFault("b", "disk full")])) as fleet,
        pytest.raises(InfrastructureError, match=r"a: no route; b: disk full"),
    ):
        done(fleet)


def test_a_host_is_set_aside_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleets, "ASIDE", 0.3)
    recovering = Played([*[HostFault("a", "busy")] * 3, kernel(JOB)])
    with a_fleet(a=recovering) as fleet:
        assert done(fleet).host == "a"
        assert recovering.calls == 4
        assert fleet.hosts[0].strikes == 0


def test_a_host_that_may_not_build_gets_no_builds() -> None:
    with (
        Fleet([Host("a", Played([kernel(JOB)]), builds=0)], Turns(), Silent()) as fleet,
        pytest.raises(InfrastructureError, match="no host builds x86_64 kernels"),
    ):
        done(fleet)


def test_a_host_does_only_so_much_at_a_time() -> None:
    now, most, lock = [0], [0], threading.Lock()

    def slow(_request: Request, _order: Order) -> str:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        return kernel(JOB)

    turns = Turns()
    with Fleet([Host("a", Played([slow]), builds=2)], turns, Silent()) as fleet:
        assert len(list(in_order(turns, [lambda: done(fleet)] * 6, 6))) == 6
    assert most[0] == 2


def test_what_is_cancelled_ends() -> None:
    began = threading.Event()

    def endless(_request: Request, order: Order) -> str:
        began.set()
        while not order.cancelled:
            time.sleep(0.01)
        raise Cancelled

    turns = Turns()
    with Fleet([Host("a", Played([endless]))], turns, Silent()) as fleet, Crew[str, Reply](turns) as crew:
        crew.start("one", lambda: done(fleet))
        with turns.waiting():
            assert began.wait(5)
        crew.cancel("one")
        assert crew.next() == ("one", None)


def test_tasks_take_turns() -> None:
    turns, inside, order = Turns(), [0], []

    def task(number: int) -> int:
        for _ in range(3):
            inside[0] += 1
            assert inside[0] == 1
            order.append(number)
            inside[0] -= 1
            with turns.waiting():
                time.sleep(0.001)
        return number

    assert list(in_order(turns, [partial(task, number) for number in range(8)], 4)) == list(range(8))
    assert len(order) == 24


def test_an_error_in_a_task_is_that_of_the_caller() -> None:
    def fails() -> None:
        raise InfrastructureError("broken")

    turns = Turns()
    with pytest.raises(InfrastructureError, match="broken"):
        list(in_order(turns, [fails] * 3, 2))

"""Workers of a Dask cluster: the same requests, carried by its scheduler.

Dask is an optional dependency (`pip install 'regress[dask]'`).  Workers need this program, and resources that say what
they may do: `dask worker ADDRESS --resources "build=1,boot=2"`.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import paths
from harness.errors import InfrastructureError, UserError
from harness.fleet.host import Order
from harness.fleet.local import Local
from harness.fleet.reply import HostFault
from harness.fleet.request import Request
from harness.fleet.store import Store
from harness.fleet.worker import Worker
from harness.turns import Cancel, Cancelled

if TYPE_CHECKING:
    from distributed import Client, Future

ANSWER_TIME = 20.0
"""Seconds that the scheduler has to answer."""

NO_WORKER = 60.0
"""Seconds after which it is told that no worker has what a job needs."""


def perform(raw: bytes, files: Mapping[str, bytes]) -> tuple[str, bytes | None]:
    """Carry out a request on a worker of the cluster.

    It runs in the worker's own process, unless it needs variables in the environment, which are the whole process's.

    Args:
        raw: the request.
        files: files that the worker may lack, by digest.

    Returns:
        The reply, and the archive that goes with it.
    """
    request, folder = Request.from_bytes(raw), paths.cache() / "host"
    store = Store(folder / "blobs")
    with tempfile.TemporaryDirectory(prefix="regress-") as name:
        top = Path(name)
        for digest, content in files.items():
            if store.path(digest) is None:
                (top / "file").write_bytes(content)
                store.add(top / "file", digest)
        if request.job.passed:
            order = Order(request.job, Path, _no_pack, top, _unheard, Cancel())
            line, beside = Local(folder, "worker").call(request, order, ())
            return line, beside.read_bytes() if beside else None
        archive = top / "reply.tar.gz"
        line = json.dumps(Worker(folder, _unheard).reply(request, archive))
        return line, archive.read_bytes() if archive.exists() else None


def _unheard(_text: str) -> None:
    """Nobody hears what a worker tells while it works."""


def _no_pack(_have: Sequence[str]) -> Path:
    raise AssertionError("the controller makes packs")


@dataclass
class Cluster:
    """See `harness.fleet.host.Carrier`.

    Args:
        client: a connection to the scheduler.
        name: for people.
    """

    client: Client
    name: str
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sent: dict[str, Future[Any]] = field(default_factory=dict)

    def send(self, path: Path, digest: str) -> None:
        """See `Carrier.send`: the cluster has it now, and its workers fetch it from each other."""
        with self._lock:
            if digest not in self._sent:
                self._sent[digest] = self.client.scatter(path.read_bytes(), hash=False)

    def call(self, request: Request, order: Order, sent: Sequence[str]) -> tuple[str, Path | None]:
        """See `Carrier.call`."""
        kind = request.job.kind
        files = {digest: self._sent[digest] for digest in sent}
        label = f"{kind}-{request.job.id[:12]}-{time.monotonic_ns()}"
        future = self.client.submit(
            perform, request.to_bytes(), files, resources={kind: 1}, key=label, pure=False, retries=0
        )
        try:
            self._wait(future, order, kind)
            line, content = future.result()
        except Cancelled:
            raise
        except Exception as error:
            raise HostFault(self.name, f"a worker failed: {type(error).__name__}: {str(error)[:300]}") from error
        finally:
            future.cancel()
            with self._lock:
                for digest in sent:
                    # A pack is of no further use; an image or a root file system may be sent to another worker.
                    if digest == request.pack:
                        self._sent.pop(digest, None)
        if not isinstance(line, str) or not isinstance(content, bytes | None):
            raise HostFault(self.name, "a worker's result makes no sense")
        if content is None:
            return line, None
        target = order.folder / "reply.tar.gz"
        target.write_bytes(content[: request.most + 1])
        return line, target

    def _wait(self, future: Future[Any], order: Order, kind: str) -> None:
        began, told = time.monotonic(), False
        while not future.done():
            if order.cancelled:
                raise Cancelled
            waited = time.monotonic() - began
            if waited > order.timeout:
                raise HostFault(self.name, f"no worker ended the job within {order.timeout:g} s")
            if self.client.status != "running" and waited > ANSWER_TIME:
                raise HostFault(self.name, "the connection to the scheduler is lost")
            if not told and waited > NO_WORKER and future.status == "pending" and not self._able(kind):
                told = True
                order.tell(f"no worker has the resource {kind!r}: dask worker ... --resources '{kind}=1'")
            time.sleep(0.02)

    def _able(self, kind: str) -> float:
        """How many jobs of a kind the workers can take at a time."""
        workers: dict[str, Any] = self.client.scheduler_info(n_workers=-1)["workers"]
        return sum(float(one.get("resources", {}).get(kind, 0)) for one in workers.values())

    def close(self) -> None:
        """See `Carrier.close`."""
        self.client.close()

    def room(self) -> tuple[int, int]:
        """How many builds and how many boots at a time."""
        return int(self._able("build")), int(self._able("boot"))


def connect(address: str) -> Cluster:
    """The cluster of a scheduler.

    Args:
        address: such as `dask://10.0.0.1:8786`, or with `tls://` in place of `dask://`.

    Raises:
        UserError: Dask is not installed.
        InfrastructureError: the scheduler does not answer, or has no worker with the resources.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise UserError(f"--fleet {address}: Dask is not installed; run: pip install 'regress[dask]'") from error
    place = address.replace("dask://", "tcp://", 1)
    try:
        client = Client(place, timeout=ANSWER_TIME, set_as_default=False, name="regress")
    except OSError as error:
        raise InfrastructureError(f"--fleet {address}: the scheduler does not answer: {error}") from error
    return Cluster(client, address.partition("://")[2])

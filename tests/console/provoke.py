"""Real crashes for the golden logs: a kernel with LKDTM is built, and booted once for each kind of crash.

    python -m tests.console.provoke TREE --arch arm64 [--kasan] [KIND...]

TREE is a clean kernel source tree (6.3 or newer for its nolibc); it is not written to.  Objects and logs go below the
program's cache folder, a log in which a crash is found to `golden/` as `ARCH-VERSION-lkdtm-KIND.log`.  QEMU emulates
(TCG), and time in the guest is what it has executed: a busy machine makes no watchdog bark.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import architecture, paths
from harness.architecture import Architecture
from harness.console import find_crashes
from harness.errors import RegressError, TimedOut
from harness.kernel import config as kconfig
from harness.kernel.build import FIXED, kernel_version
from harness.kernel.toolchain import Toolchain, choose, installed, rules
from harness.machine.rootfs import pack
from harness.paths import KCONFIGS
from harness.process import run

GOLDEN = Path(__file__).with_name("golden")
LKDTM = "/sys/kernel/debug/provoke-crash"
PATIENCE = 120.0
"""Seconds that a guest has on the host's clock."""


FREESTANDING = {"arm64": ("-mno-outline-atomics",)}
"""What compilers need so that a program without a C library links."""


@dataclass(frozen=True)
class Kind:
    """A way to crash.

    Attributes:
        name: of the log.
        does: what the guest's init is told (provoke.c).
        append: more words for the kernel's command line.
        spins: it waits in a loop of pauses, each of which costs QEMU as much as many instructions when it counts
            them for time: it gets the machine's clock.
    """

    name: str
    does: tuple[str, ...]
    append: tuple[str, ...] = ()
    spins: bool = False


def _lkdtm(kind: str, *append: str, name: str | None = None, times: int = 1) -> Kind:
    does = ("write", f"{LKDTM}/DIRECT", *[kind] * times)
    return Kind(name or kind.lower().replace("_", "-"), does, append, spins=kind.endswith(("LOCKUP", "IRQOFF")))


# The kinds of LKDTM's that may crash a kernel; of the twenty about reference counts one for each message.
_PLAIN = """
PANIC BUG WARNING WARNING_MESSAGE EXCEPTION EXHAUST_STACK CORRUPT_STACK CORRUPT_STACK_STRONG
UNALIGNED_LOAD_STORE_WRITE ARRAY_BOUNDS FAM_BOUNDS OVERFLOW_SIGNED CORRUPT_LIST_ADD CORRUPT_LIST_DEL
STACK_GUARD_PAGE_LEADING STACK_GUARD_PAGE_TRAILING UNSET_SMEP DOUBLE_FAULT CORRUPT_PAC CFI_FORWARD_PROTO CFI_BACKWARD
FORTIFY_STR_OBJECT FORTIFY_STR_MEMBER FORTIFY_MEM_OBJECT FORTIFY_MEM_MEMBER FORTIFY_STRSCPY
SLAB_LINEAR_OVERFLOW VMALLOC_LINEAR_OVERFLOW WRITE_AFTER_FREE READ_AFTER_FREE WRITE_BUDDY_AFTER_FREE
READ_BUDDY_AFTER_FREE SLAB_FREE_DOUBLE SLAB_FREE_CROSS SLAB_FREE_PAGE
WRITE_RO WRITE_RO_AFTER_INIT WRITE_KERN EXEC_DATA EXEC_STACK EXEC_KMALLOC EXEC_VMALLOC EXEC_RODATA EXEC_USERSPACE
EXEC_NULL ACCESS_USERSPACE ACCESS_NULL
REFCOUNT_INC_OVERFLOW REFCOUNT_DEC_ZERO REFCOUNT_DEC_AND_TEST_NEGATIVE REFCOUNT_ADD_ZERO REFCOUNT_INC_SATURATED
USERCOPY_SLAB_SIZE_TO USERCOPY_SLAB_SIZE_FROM USERCOPY_SLAB_WHITELIST_TO USERCOPY_SLAB_WHITELIST_FROM
USERCOPY_STACK_FRAME_TO USERCOPY_STACK_FRAME_FROM USERCOPY_STACK_BEYOND USERCOPY_VMALLOC USERCOPY_FOLIO USERCOPY_KERNEL
"""
# Set when init starts: during its boot a machine may well be slow.
_SOFT = ("sysctl.kernel.watchdog_thresh=2", "sysctl.kernel.softlockup_panic=1")
_HARD = ("sysctl.kernel.watchdog_thresh=2", "sysctl.kernel.hardlockup_panic=1")
KINDS = (
    *(_lkdtm(kind) for kind in _PLAIN.split()),
    _lkdtm("PANIC_STOP_IRQOFF"),
    _lkdtm("KFENCE_READ_AFTER_FREE", "kfence.sample_interval=20"),
    _lkdtm("SPINLOCKUP", *_SOFT, times=2),
    _lkdtm("HUNG_TASK", "sysctl.kernel.hung_task_timeout_secs=4"),
    _lkdtm("HUNG_TASK", "sysctl.kernel.hung_task_timeout_secs=4", "hung_task_panic=1", name="hung-task-panic"),
    _lkdtm("SOFTLOCKUP", *_SOFT),
    _lkdtm("SMP_CALL_LOCKUP", *_SOFT),
    _lkdtm("HARDLOCKUP", *_HARD),
    _lkdtm("BUG", "oops=panic", name="bug-panic-on-oops"),
    _lkdtm("EXCEPTION", "oops=panic", "panic=1", name="exception-panic-on-oops"),
    _lkdtm("WARNING", "sysctl.kernel.panic_on_warn=1", name="warning-panic-on-warn"),
    Kind("sysrq-crash", ("write", "/proc/sysrq-trigger", "c")),
    Kind("oom-kill", ("eat",)),
    Kind("oom-panic", ("eat",), ("sysctl.vm.panic_on_oom=1",)),
)
# Of those, what KASAN tells otherwise.
_MEMORY = """
exception exhaust-stack corrupt-stack stack-guard-page-leading array-bounds access-null exec-null
slab-linear-overflow vmalloc-linear-overflow write-after-free read-after-free write-buddy-after-free
read-buddy-after-free slab-free-double slab-free-cross slab-free-page kfence-read-after-free usercopy-stack-beyond
"""


def make(tree: Path, objects: Path, name: str, fragments: Sequence[Path], jobs: int) -> Toolchain:
    """Build a kernel out of tree, of tinyconfig and fragments.

    Raises:
        KernelError: an option that a fragment asks for is not to be had.
        ProgramFailed: it does not build.
    """
    arch = architecture.load(name)
    commands, known = rules()
    version = kernel_version((tree / "Makefile").read_text(encoding="utf-8"))
    toolchain = choose(version, installed(tuple(arch.cross + command for command in commands)), known)
    command = (
        "make",
        "-C",
        str(tree),
        f"O={objects}",
        f"ARCH={arch.make}",
        f"CROSS_COMPILE={arch.cross}",
        *toolchain.arguments,
    )
    log = objects / "build.log"
    objects.mkdir(parents=True, exist_ok=True)
    wanted, state = kconfig.compose(fragments), objects / "wanted.config"
    if not state.exists() or state.read_text(encoding="utf-8") != kconfig.render(wanted):
        run([*command, "tinyconfig"], env=FIXED, log=log)
        with (objects / ".config").open("a", encoding="utf-8") as file:
            file.write(kconfig.render(wanted))
        run([*command, "olddefconfig"], env=FIXED, log=log)
        lost = kconfig.losses(wanted, (objects / ".config").read_text(encoding="utf-8"), tree)
        kconfig.check(lost)
        print(*lost, sep="\n")
        state.write_text(kconfig.render(wanted), encoding="utf-8")
    run([*command, f"-j{jobs}", "headers", arch.image.name], env=FIXED, log=log)
    return toolchain


def init(tree: Path, objects: Path, arch: Architecture, toolchain: Toolchain) -> None:
    """Write the guest's root file system: one static program, made with nothing but the kernel's tree."""
    nolibc = tree / "tools/include/nolibc"
    with tempfile.TemporaryDirectory(prefix="provoke-") as name:
        stage = Path(name)
        for folder in ("proc", "sys"):
            (stage / folder).mkdir()
        flags = ["-static", "-nostdlib", "-nostdinc", "-Os", "-fno-stack-protector", *arch.cc[1:]]
        flags += [*FREESTANDING.get(arch.name, ()), f"-I{nolibc}", f"-I{objects}/usr/include"]
        source = Path(__file__).with_name("provoke.c")
        argv = [toolchain.compiler.command, *flags, "-include", str(nolibc / "nolibc.h"), "-o", str(stage / "init")]
        run([*argv, str(source), "-lgcc"])
        pack(stage, objects / "initrd")


def boot(arch: Architecture, image: Path, initrd: Path, kind: Kind, log: Path) -> None:
    """Boot a kernel and let it crash; the log is what its serial port said."""
    append = (f"console={arch.console}", *arch.own, "loglevel=4", "panic=-1", *kind.append, "--", *kind.does)
    argv = [arch.qemu, *arch.plain, "-accel", "tcg", "-smp", "2,sockets=2", "-m", "256", "-no-reboot"]
    argv += [] if kind.spins else ["-icount", "shift=4,sleep=off"]
    argv += ["-nodefaults", "-display", "none", "-serial", f"file:{log}", "-kernel", str(image), "-initrd", str(initrd)]
    log.parent.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    try:
        run([*argv, "-append", " ".join(append)], timeout=PATIENCE)
    except TimedOut:
        print(f"{log.name}: ended after {PATIENCE:g} s", flush=True)


def main() -> None:
    """Build, boot each kind, keep the logs that hold a crash."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--arch", choices=architecture.names(), default=architecture.DEFAULT)
    parser.add_argument("--kasan", action="store_true", help="a kernel with KASAN")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="all, unless named as the logs are")
    options = parser.parse_intermixed_args()
    tree, arch = options.tree.resolve(), architecture.load(options.arch)
    version = kernel_version((tree / "Makefile").read_text(encoding="utf-8"))
    series = ".".join(version.split(".")[:2])
    flavour = "kasan" if options.kasan else "lkdtm"
    names = ("base", options.arch, "debug-info", *dict.fromkeys(("lkdtm", flavour)))
    objects = paths.cache() / "objects" / f"provoke-{options.arch}-{version}-{flavour}"
    toolchain = make(tree, objects, options.arch, [KCONFIGS / f"{name}.config" for name in names], options.jobs)
    init(tree, objects, arch, toolchain)
    wanted = options.kinds or (_MEMORY.split() if options.kasan else [kind.name for kind in KINDS])
    for kind in KINDS:
        if kind.name not in wanted:
            continue
        log = objects / "logs" / f"{options.arch}-{series}-{flavour}-{kind.name}.log"
        boot(arch, objects / arch.image, objects / "initrd", kind, log)
        crashes = find_crashes(log.read_bytes())
        print(f"{kind.name}: {', '.join(crash.title for crash in crashes) or 'no crash'}", flush=True)
        if crashes:
            shutil.copyfile(log, GOLDEN / log.name)


if __name__ == "__main__":
    try:
        main()
    except RegressError as error:
        sys.exit(f"provoke: {error}")

"""Whole logs, each beside what is found in it: `NAME.log` and `NAME.json`.

`pytest tests/console/test_golden.py --update-golden` writes what is found now, and shows how it differs.
"""

import difflib
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from harness.console import find_crashes

GOLDEN = Path(__file__).parent / "golden"
LOGS = sorted(GOLDEN.glob("*.log"))


@pytest.mark.parametrize("log", LOGS, ids=[log.stem for log in LOGS])
def test_a_log_gives_what_stands_beside_it(log: Path, pytestconfig: pytest.Config) -> None:
    found = [crash.to_json() for crash in find_crashes(log.read_bytes())]
    now = _written(found)
    beside = log.with_suffix(".json")
    before = beside.read_text() if beside.exists() else ""
    difference = "\n".join(
        difflib.unified_diff(before.splitlines(), now.splitlines(), f"{beside.name} as kept", "now", lineterm="", n=2)
    )
    if pytestconfig.getoption("--update-golden"):
        if difference:
            beside.write_text(now)
            sys.stdout.write(difference + "\n")
        return
    assert not difference, f"\n{difference}\n\n--update-golden keeps this"


def _written(crashes: list[dict[str, object]]) -> str:
    """JSON with a line for each frame."""
    text = json.dumps(crashes, indent=1, ensure_ascii=False)
    return re.sub(r'\{\s+("function": [^{}]*?)\s+\}', lambda frame: "{" + " ".join(frame[1].split()) + "}", text) + "\n"


def test_no_answer_without_its_log() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == {log.stem for log in LOGS}


def test_one_bug_has_one_signature() -> None:
    same = ("i386-4.13-quoted-in-mail", *(f"{arch}-6.1-replay-bad" for arch in ("i386", "x86_64", "arm64")))
    signatures = {find_crashes((GOLDEN / f"{name}.log").read_bytes())[0].signature for name in same}
    assert signatures == {"null-deref:bio_integrity_process<bio_integrity_verify_fn"}


# Logs of provoke.py are named for what was written to LKDTM, whose function for it is at fault, but for these.
AT_FAULT = {
    **dict.fromkeys(
        ("exec-data", "exec-kmalloc", "exec-null", "exec-rodata", "exec-stack", "exec-vmalloc"), "execute_location"
    ),
    **dict.fromkeys(
        ("usercopy-stack-beyond", "usercopy-stack-frame-from", "usercopy-stack-frame-to"), "do_usercopy_stack"
    ),
    **dict.fromkeys(("usercopy-folio", "usercopy-vmalloc"), "do_usercopy_page_span"),
    **dict.fromkeys(("usercopy-slab-size-from", "usercopy-slab-size-to"), "do_usercopy_slab_size"),
    **dict.fromkeys(("usercopy-slab-whitelist-from", "usercopy-slab-whitelist-to"), "do_usercopy_slab_whitelist"),
    # By what was set besides.
    "bug-panic-on-oops": "lkdtm_BUG",
    "exception-panic-on-oops": "lkdtm_EXCEPTION",
    "hung-task-panic": "lkdtm_HUNG_TASK",
    "warning-panic-on-warn": "lkdtm_WARNING",
    # Loops are told by the last function before a dispatcher, as they are caught anywhere.
    **dict.fromkeys(("softlockup", "hardlockup", "stack-guard-page-leading:stack-overflow"), "full_proxy_write"),
    # The first report is another's: of the CR4 that is written, of the way back to user space.
    "unset-smep": "native_write_cr4",
    "double-fault": "syscall_exit_to_user_mode_prepare",
    "exhaust-stack": "recursive_loop",
    "arm64-6.12-lkdtm-exhaust-stack": "full_proxy_write",
    "i386-6.12-lkdtm-exhaust-stack": None,  # pages are found broken: it has no guard pages
    "i386-6.12-lkdtm-spinlockup": "syscall_exit_to_user_mode",  # lockdep had given up by then
    "arm64-6.12-kasan-exhaust-stack": "full_proxy_write",
    "corrupt-stack:kasan": "__lkdtm_CORRUPT_STACK",
    "oom-kill": "__handle_mm_fault",
    "i386-6.12-lkdtm-oom-kill": "handle_mm_fault",
    # These reports name no function, or the locked-up processor's is not known.
    **dict.fromkeys(("panic", "panic-stop-irqoff", "sysrq-crash", "oom-panic"), None),
    **dict.fromkeys(("write-after-free:slub", "slab-linear-overflow:slub", "slab-free-double:slub"), None),
    **dict.fromkeys(("arm64-6.12-lkdtm-hardlockup", "arm64-6.12-lkdtm-smp-call-lockup"), None),
}
PROVOKED = [log for log in LOGS if log.stem.split("-")[1:3] in (["6.12", "lkdtm"], ["6.12", "kasan"])]


@pytest.mark.parametrize("log", PROVOKED, ids=[log.stem for log in PROVOKED])
def test_what_provoked_a_crash_is_at_fault(log: Path) -> None:
    kind = log.stem.split("-", 3)[3]
    first = find_crashes(log.read_bytes())[0]
    names = [name for name in (log.stem, f"{kind}:{first.kind}", kind) if name in AT_FAULT]
    assert first.function == (AT_FAULT[names[0]] if names else f"lkdtm_{kind.upper().replace('-', '_')}")
    # Of the stopper's threads one stops the machine; a processor that is locked up says nothing of its task.
    assert (first.comm or "provoke").partition("/")[0] in ("provoke", "migration")
    assert first.kernel in (None, "6.12.117")


# Where frame pointers are all that there is to unwind by, the caller of a function without a frame is lost (x86), as
# are the callers of one that has overwritten them; and some machines tell one error by another report.
TOLD_OTHERWISE = {"bug", "bug-panic-on-oops", "exception", "exception-panic-on-oops", "warning"}
TOLD_OTHERWISE |= {"warning-panic-on-warn", "corrupt-stack", "corrupt-stack-strong", "exhaust-stack"}
TOLD_OTHERWISE |= {"slab-free-double", "spinlockup", "stack-guard-page-leading", "oom-kill", "hardlockup"}


def test_a_crash_has_one_signature_on_every_architecture() -> None:
    signatures: dict[str, dict[str, str]] = defaultdict(dict)
    for log in PROVOKED:
        arch, _, flavour, kind = log.stem.split("-", 3)
        if flavour == "lkdtm" and kind not in TOLD_OTHERWISE:
            signatures[kind][arch] = find_crashes(log.read_bytes())[0].signature
    everywhere = [kind for kind, by_arch in signatures.items() if set(by_arch) == {"arm64", "i386", "x86_64"}]
    assert len(everywhere) >= 35
    assert {kind: by_arch for kind, by_arch in signatures.items() if len(set(by_arch.values())) > 1} == {}

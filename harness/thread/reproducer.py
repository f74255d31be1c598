"""A reproducer in C: what its head says, and what a kernel must have for it.  Pure: text in, facts out."""

from __future__ import annotations

import re
from collections.abc import Iterator

NAME = "repro.c"
"""Its file in a draft."""

_HEAD = re.compile(r"\A(?:[ \t]*(?://[^\n]*|/\*.*?\*/)?[ \t]*\n)*", re.DOTALL)
_BEGINS = re.compile(rb"\s*(?://|/\*|#\s*(?:include|define)\b)")

# What in a program shows that it needs something of the kernel that fragments here do not all have, and what for.
_NEEDS = (
    (
        r"/fail-nth|failslab|fail_page_alloc",
        "CONFIG_FAULT_INJECTION with FAILSLAB and FAIL_PAGE_ALLOC",
        "makes allocations fail",
    ),
    (r"raw-gadget|syz_usb_", "CONFIG_USB_RAW_GADGET and USB_DUMMY_HCD", "plays USB devices"),
    (r"/dev/kvm\b|KVM_CREATE_VM", "CONFIG_KVM, and a processor that can nest it", "runs virtual machines"),
    (r"vhci|HCI_VENDOR_PKT|syz_init_vhci", "CONFIG_BT and BT_HCIVHCI", "plays a Bluetooth controller"),
    (r"/dev/net/tun|IFF_TAP|syz_emit_ethernet", "CONFIG_TUN", "sends packets by a tap device"),
    (r"AF_ALG|\bsalg_|__NR_socket,\s*(?:0x26|38)", "CONFIG_CRYPTO_USER_API_*", "asks for ciphers by AF_ALG"),
    (r"/dev/loop|LOOP_SET_FD|syz_mount_image", "CONFIG_BLK_DEV_LOOP and the file system", "mounts an image"),
    (r"__NR_bpf|BPF_PROG_LOAD", "CONFIG_BPF_SYSCALL", "loads BPF programs"),
    (r"__NR_io_uring_setup|io_uring_setup", "CONFIG_IO_URING", "uses io_uring"),
    (
        r"CLONE_NEWNET|CLONE_NEWNS|CLONE_NEWUSER",
        "CONFIG_NAMESPACES with NET_NS, USER_NS",
        "makes namespaces",
    ),
    (r"/sys/fs/cgroup|cgroup\.procs", "CONFIG_CGROUPS", "makes control groups for itself"),
    (r"__NR_socket\b|\bsocket\(", "CONFIG_NET and the protocols", "opens sockets"),
    (r"__NR_perf_event_open", "CONFIG_PERF_EVENTS", "opens performance counters"),
)
_NAMED = re.compile(r"\b(?:CONFIG_)?([A-Z][A-Z0-9_]+)(?![A-Z0-9_])")
_TITLES = (
    ("KASAN", "kasan", "CONFIG_KASAN"),
    ("KMSAN", "", "CONFIG_KMSAN, which only clang builds"),
    ("KCSAN", "", "CONFIG_KCSAN"),
    ("UBSAN", "", "CONFIG_UBSAN"),
    ("memory leak", "", "CONFIG_DEBUG_KMEMLEAK"),
)


def is_c(data: bytes) -> bool:
    """Whether a file is a C source, by its beginning."""
    return _BEGINS.match(data) is not None and re.search(rb"\bmain\s*\(", data) is not None


def head(text: str) -> str:
    """The comments at the beginning of a source, as plain text."""
    found = _HEAD.match(text)
    return re.sub(r"^[ \t]*(?:/\*|\*/|\*|//)?[ \t]?", "", found[0] if found else "", flags=re.MULTILINE)


def needs(source: str, title: str) -> Iterator[str]:
    """What a kernel must have so that a reproducer can show a crash, a sentence each.

    Args:
        title: the crash's.
    """
    yield from (f"{option}: {why}" for option, why in _wanted(source, title))


def lacking(source: str, title: str, config: str) -> Iterator[str]:
    """What of that a configuration does not have.

    Args:
        title: the crash's.
        config: the text of a whole `.config`.
    """
    on = {name for name, _ in re.findall(r"^CONFIG_(\w+)=([ym])$", config, re.MULTILINE)}
    for option, why in _wanted(source, title):
        names = _NAMED.findall(option)
        # A name that ends in `_` stands for any of a kind.
        gone = [
            name
            for name in names
            if not any(one == name or (name.endswith("_") and one.startswith(name)) for one in on)
        ]
        if gone:
            yield f"{', '.join(f'CONFIG_{name}' for name in gone)}: {why}"


def _wanted(source: str, title: str) -> Iterator[tuple[str, str]]:
    for word, _, option in _TITLES:
        if word in title:
            yield option, f"the crash is one that only {word} sees"
    for pattern, option, what in _NEEDS:
        if re.search(pattern, source):
            yield option, f"it {what}"


def fragments(title: str) -> list[str]:
    """The fragments of `kconfigs/` without which a crash of this title cannot come."""
    return [name for word, name, _ in _TITLES if name and word in title]

"""Frames of call traces and instruction pointers, as each architecture prints them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.console.crash import Frame
from harness.console.rust import demangle

# A symbol: C's, with the compiler's suffixes, or Rust's demangled (`<core::option::Option<T>>::unwrap`).
SYMBOL = r"(?:<[\w<>:, &*\[\];']{1,200}>(?:::[\w<>]+)+|[A-Za-z_.$][\w.$]*(?:::[\w<>]+)*)"
ADDRESS = r"\[<? {0,20}(?:(?:0x)?[0-9a-f]{8,16}|\(null\))>?\]"
_OFFSET = r"\+(?:0x)?(?P<offset>[0-9a-f]{1,8})"
_SIZE = r"/(?:0x)?(?P<size>[0-9a-f]{1,8})"
_MODULE = r"(?: \[(?P<module>[\w-]+)[^\]]*\])?"
# A file and its line; clang's debug info has -1 for a line that stands for none.
PLACE = r"[\w./+-]+:-?\d+"
_SOURCE = rf"(?: (?P<source>{PLACE}))?"
_LEAD = r"\s*(?:<{1,2}/?[A-Z#][\w#]*>{1,2} *)*(?:\[ *\d+\.\d+\] +)?"
_FRAME = re.compile(
    rf"{_LEAD}\(?(?P<address>(?:{ADDRESS}\s*){{1,2}})?(?P<mark>\? +)?(?::(?P<old>\w+):)?(?P<function>{SYMBOL})"
    rf"{_OFFSET}(?:{_SIZE})?\)?{_MODULE}\)?{_SOURCE}(?P<rest>[ .](?:\(.*\)|\[inline\])?)?\s*(?:\d[\d.]*)?$"
)
# arm: the callee, then the place that called it.
_FROM = re.compile(
    rf"\s*(?:{ADDRESS} )?\(?(?P<function>{SYMBOL})(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?{_MODULE}\)? from "
    rf"(?:{ADDRESS} )?\(? *(?:(?P<caller>{SYMBOL}){_OFFSET}{_SIZE}|\(null\)|0x[0-9a-f]+)"
)
_BARE = re.compile(
    rf"\s*\(?(?P<at>(?:{ADDRESS} +){{1,2}})?(?P<mark>\? )?(?P<address>0x[0-9a-f]{{1,16}})\)?"
    r"(?P<rest> \(unreliable\))?\s*$"
)
_INLINE = re.compile(
    r"\s*(?:\[< +inline +>\] |[RE]IP: (?:0010:|0060:)?)?(?P<mark>\? +)?(?P<function>[A-Za-z_][\w.]*) "
    rf"(?P<source>{PLACE})(?P<said> \[inline\])?\s*$"
)
_IS_INLINED = re.compile(rf"(?<![\w.])[\w.]{{1,200}} {PLACE} \[inline\]\s*$")
_POINTER = re.compile(
    r"\s*(?:"
    r"(?P<x86>[RE]?IP)(?: is at|:)?\s*(?:(?P<segment>[0-9a-f]{4}):)?"
    r"|(?:PC|pc) is at |T?PC: <|IAOQ\[0\]: |pc : (?:\[<[0-9a-f]+>\] )?(?!\[)"  # arm, alpha, sparc, parisc, arm64
    r"|(?:epc|NIP|ERA)\s*:? (?:[0-9a-f]{8,16} (?=[A-Za-z_]))?"  # riscv, powerpc, mips, loongarch
    r"|--- interrupt: [0-9a-f]+ at "  # powerpc
    r"|Krnl PSW : [0-9a-f]{16} [0-9a-f]{16} \("  # s390
    rf")\s*(?P<address>(?:{ADDRESS}\s*){{1,2}})?"
    rf"(?:(?::\w+:)?(?P<function>{SYMBOL}){_OFFSET}(?:{_SIZE})?{_MODULE}{_SOURCE}|(?P<null>\(null\)|0x0+\s*$)|(?P<wild>0x[0-9a-f]+))"
)
_NULL_ADDRESS = re.compile(r"\s*(?:[RE]?IP|pc)\s*:\s*(?:\w{4}:)?(?:\[<[0 ]*(?:\(null\))?>\]\s*)+(?:EFLAGS.*|lr .*)?$")
USER_SEGMENTS = ("0033", "0023", "0073", "001b")
_SUFFIX = re.compile(r"^\.?([^.]+)\..*$")


@dataclass(frozen=True)
class Pointer:
    """An instruction pointer: the function that it points into, or that it is null; neither where it is wild.

    Attributes:
        frame: the place as a frame, but on powerpc and s390, whose traces begin with it or its caller.
    """

    function: str | None
    null: bool
    frame: Frame | None = None


def base_name(symbol: str) -> str:
    """A function without what the compiler added: `f.isra.0.cold` is `f`; Rust's by the name that people give it.

    The older ABI of 64-bit powerpc puts a dot before the name of a function's code.
    """
    found = _SUFFIX.match(symbol)
    return demangle(found[1] if found and "::" not in symbol else symbol.removeprefix("."))


def is_inlined(text: str) -> bool:
    """Whether a line is one that a symbolizer has put before a line of the kernel's, for a function inlined there.

    It repeats the kernel's line, with this function in place of the one that holds it:

        BUG: KASAN: use-after-free in word_read include/x.h:7 [inline]
        BUG: KASAN: use-after-free in queue_drop+0x44/0x90 drivers/x.c:71
    """
    return text.rstrip().endswith("[inline]") and _IS_INLINED.search(text) is not None


def read_frame(text: str, stack: str | None = None) -> Frame | None:
    """The frame that a line of a call trace is, or None.

    Args:
        text: the line, without its prefix.
        stack: which stack the trace is on by now.
    """
    if "+" in text:
        if " from " in text and (found := _FROM.match(text)):
            return Frame(found["function"], None, None, found["module"], True, stack)
        found = _FRAME.match(text)
        if found is None or not (found["size"] or found["address"]):
            return None
        return Frame(
            found["function"].removeprefix("."),
            *_extent(found),
            found["module"] or found["old"],
            found["mark"] is None and "(unreliable)" not in (found["rest"] or ""),
            stack,
            found["source"],
        )
    if " from " in text and (found := _FROM.match(text)):
        return Frame(found["function"], None, None, found["module"], True, stack)
    if "inline" in text and (found := _INLINE.match(text)) and (found["said"] or "[<" in text):
        sure = found["mark"] is None
        return Frame(found["function"], None, None, None, sure, stack, found["source"], inlined=True)
    return None


def _extent(found: re.Match[str]) -> tuple[int | None, int | None]:
    """Offset and size, as far as they are told; where decode_stacktrace.sh has put a place for them, the size is 0."""
    size = int(found["size"], 16) if found["size"] else None
    return (None, None) if size == 0 else (int(found["offset"], 16), size)


def read_pointer(text: str) -> Pointer | None:
    """The kernel's instruction pointer that a line tells, or None."""
    if found := _POINTER.match(text):
        if found["x86"] and found["segment"] in USER_SEGMENTS:
            return None
        function, frame = found["function"], None
        if function and not text.lstrip().startswith(("NIP", "Krnl")):
            frame = Frame(function, *_extent(found), found["module"], True, source=found["source"])
        # s390 maps page 0, and stops at the first of the zeros there, which it takes for an instruction.
        in_zeros = found["wild"] is not None and text.lstrip().startswith("Krnl") and int(found["wild"], 16) <= 2
        return Pointer(function, found["null"] is not None or in_zeros, frame)
    if _NULL_ADDRESS.match(text):
        return Pointer(None, True)
    return None


def caller_in(text: str) -> str | None:
    """The caller that a line of an arm trace names after its callee."""
    found = _FROM.match(text) if " from " in text else None
    return found["caller"] if found else None


def read_address(text: str, stack: str | None = None) -> Frame | None:
    """The frame that a line of a call trace is which has only an address, or None."""
    found = _BARE.match(text)
    if found is None or not (found["at"] or len(found["address"]) >= len("0x00000000")):
        return None
    return Frame(found["address"], None, None, None, found["mark"] is None and found["rest"] is None, stack)

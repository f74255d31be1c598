"""Names of Rust functions, as the kernel prints them, to names as people write them.

The mangling is Rust's v0: https://doc.rust-lang.org/rustc/symbol-mangling/v0.html.  What is told of generic
arguments, constants and function types is left out, as titles have no use for it.
"""

from __future__ import annotations

from dataclasses import dataclass

_INTEGERS = ("i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "i128", "u128", "isize", "usize")
_BASIC = {"b": "bool", "c": "char", "e": "str", "u": "()", "v": "...", "z": "!", "p": "_", "d": "f64", "f": "f32"}
_BASIC |= dict(zip("ahstlmxynoij", _INTEGERS, strict=True))
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DEEPEST = 100


class _Unknown(Exception):
    """A part of the grammar that is not read here, or no name at all."""


def demangle(symbol: str) -> str:
    """A Rust function's name, such as `<driver::Device>::read`; any other symbol as it is."""
    if not symbol.startswith("_R"):
        return symbol
    try:
        return _Reader(symbol[2:]).path() or symbol
    except (_Unknown, IndexError, ValueError):
        return symbol


@dataclass
class _Reader:
    text: str
    at: int = 0
    depth: int = 0

    def take(self) -> str:
        self.at += 1
        return self.text[self.at - 1]

    def is_next(self, sign: str) -> bool:
        """Whether a sign comes next; it is then taken."""
        found = self.text[self.at : self.at + 1] == sign
        self.at += found
        return found

    def number(self) -> int:
        """A number to base 62, which ends with `_`."""
        value = 0
        if self.is_next("_"):
            return 0
        while (sign := self.take()) != "_":
            value = value * 62 + _DIGITS.index(sign)
        return value + 1

    def name(self) -> str:
        if self.is_next("s"):
            self.number()  # it tells apart names that are else the same
        if self.is_next("u"):
            raise _Unknown("punycode")
        start = self.at
        while self.text[self.at : self.at + 1].isdigit():
            self.at += 1
        length = int(self.text[start : self.at])
        self.is_next("_")
        self.at += length
        if self.at > len(self.text):
            raise _Unknown("cut short")
        return self.text[self.at - length : self.at]

    def again(self, what: str) -> str:
        """What stands at an earlier place."""
        place = self.number()
        if place >= self.at or self.depth > _DEEPEST:
            raise _Unknown("no earlier place")
        other = _Reader(self.text, place, self.depth + 1)
        return other.path() if what == "path" else other.type()

    def path(self) -> str:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _Unknown("too deep")
        match self.take():
            case "C":
                return self.name()
            case "N":
                space = self.take()
                before, name = self.path(), self.name()
                return f"{before}::{name}" if space.islower() else f"{before}::{{closure}}"
            case "M" | "X" as kind:
                if self.is_next("s"):
                    self.number()
                self.path()  # where the implementation is written
                of = self.type()
                return f"<{of}>" if kind == "M" else f"<{of} as {self.path()}>"
            case "Y":
                of = self.type()
                return f"<{of} as {self.path()}>"
            case "I":
                of = self.path()
                while not self.is_next("E"):
                    self.argument()
                return of
            case "B":
                return self.again("path")
        raise _Unknown("no path")

    def argument(self) -> None:
        if self.is_next("L"):
            self.number()
        elif self.is_next("K"):
            raise _Unknown("constant")
        else:
            self.type()

    def type(self) -> str:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _Unknown("too deep")
        sign = self.take()
        if sign in _BASIC:
            return _BASIC[sign]
        match sign:
            case "R" | "Q":
                if self.is_next("L"):
                    self.number()
                return ("&" if sign == "R" else "&mut ") + self.type()
            case "P" | "O":
                return ("*const " if sign == "P" else "*mut ") + self.type()
            case "S":
                return f"[{self.type()}]"
            case "T":
                parts = []
                while not self.is_next("E"):
                    parts.append(self.type())
                return f"({', '.join(parts)})"
            case "B":
                return self.again("type")
            case "A" | "F" | "D":
                raise _Unknown("array, function or trait object")
        self.at -= 1
        return self.path()

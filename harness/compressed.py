"""Files as machines and mailers compress them: gzip, xz and bzip2, known by their first bytes rather than by name."""

from __future__ import annotations

import lzma
import zlib
from bz2 import BZ2File
from collections.abc import Callable
from gzip import GzipFile
from io import BufferedReader, BytesIO
from typing import BinaryIO, cast

DAMAGED = (EOFError, zlib.error, lzma.LZMAError, OSError)
"""What reading a damaged file raises; an `OSError` without `errno`, as one with it is of the file itself."""
_FORMATS: dict[bytes, tuple[str, Callable[[BinaryIO], object]]] = {
    b"\x1f\x8b": ("gzip", lambda file: GzipFile(fileobj=file)),
    b"\xfd7zXZ\0": ("xz", lzma.LZMAFile),
    **{b"BZh%d1AY&SY" % level: ("bzip2", BZ2File) for level in range(1, 10)},
}
LONGEST_MAGIC = max(map(len, _FORMATS))


def format_of(beginning: bytes) -> str:
    """How a file is compressed, by its beginning; "" where it is not."""
    return next((name for magic, (name, _) in _FORMATS.items() if beginning.startswith(magic)), "")


def uncompressed(file: BufferedReader) -> BinaryIO:
    """A file, as it was before it was compressed; reading it raises one of `DAMAGED` where it is damaged."""
    beginning = file.peek(LONGEST_MAGIC)
    opened = next((opens(file) for magic, (_, opens) in _FORMATS.items() if beginning.startswith(magic)), file)
    return cast("BinaryIO", opened)


def text_in(data: bytes, most: int) -> bytes:
    """The text that compressed data hold.

    Args:
        most: bytes that it may have.

    Raises:
        ValueError: it is damaged, too long, or no text; the message says which.
    """
    try:
        text = uncompressed(BufferedReader(BytesIO(data))).read(most + 1)
    except DAMAGED as error:
        raise ValueError(f"damaged {format_of(data)}: {error}") from error
    if len(text) > most:
        raise ValueError(f"longer than {most >> 20} MiB")
    if b"\0" in text[:4096]:
        raise ValueError("no text")
    return text

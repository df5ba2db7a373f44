"""Opens a text file, whatever its encoding and packing, as UTF-8 bytes; and tells one state of it from another.

What stands in the text is the readers' business: `csvfile.py` for delimited text, `tablefile.py` for the rest.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from pipelines.errors import InputError

# A pass over the bytes costs little beside parsing, and large blocks keep the per-batch overhead of dlt small.
BLOCK = 8 << 20

Stamp = tuple[int, int, int]
_MARKS = (  # the longer mark first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class TextFile:
    """A text file: where it is, what messages call it, and how its bytes become UTF-8."""

    path: Path
    source: str
    label: str
    encoding: str = "utf-8"
    is_packed: bool = False

    @property
    def is_plain(self) -> bool:
        """The bytes on disk are the UTF-8 text itself."""
        return self.encoding == "utf-8" and not self.is_packed

    def open(self) -> BinaryIO:
        """The text as UTF-8 bytes, with its byte order mark if it was UTF-8 before.

        Raises:
            InputError: the file cannot be opened; reading raises it too, for bytes that are no text in this encoding.
        """
        try:
            raw = self.path.open("rb")
        except OSError as problem:
            raise unreadable(self.label, self.source, problem) from None
        if self.is_plain:
            return raw
        return cast(BinaryIO, io.BufferedReader(_Recoded(raw, self), BLOCK))

    def head(self) -> str:
        """The text up to the first block's end, without a byte order mark.

        Raises:
            InputError: it is not text in its encoding; names the row.
        """
        try:
            with self.open() as handle:
                data = handle.read(BLOCK)
        except OSError as problem:
            raise unreadable(self.label, self.source, problem) from None
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as problem:
            if problem.start > len(data) - 4 and len(data) == BLOCK:  # a character cut by the block's end
                return data[: problem.start].decode("utf-8-sig")
            raise undecodable(self, data[problem.start], data[: problem.start].count(b"\n")) from None

    def check_utf8(self) -> None:
        """Find the byte that is not UTF-8.

        Raises:
            InputError: there is one; names its row.
        """
        decoder, rows = codecs.getincrementaldecoder("utf-8")(), 0
        with self.open() as handle:
            while True:
                block = handle.read(BLOCK)
                try:
                    decoder.decode(block, not block)
                except UnicodeDecodeError as problem:
                    bad = problem.object[problem.start]
                    raise undecodable(self, bad, rows + problem.object[: problem.start].count(b"\n")) from None
                if not block:
                    return
                rows += block.count(b"\n")


class _Recoded(io.RawIOBase):
    """A file's bytes unpacked and recoded to UTF-8 while they are read, so that a large file takes no room."""

    def __init__(self, raw: BinaryIO, text: TextFile) -> None:
        self._raw = raw
        self._bytes: Any = gzip.GzipFile(fileobj=raw) if text.is_packed else raw
        self._text = text
        self._decoder = None if text.encoding == "utf-8" else codecs.getincrementaldecoder(text.encoding)()
        self._pending = b""
        self._rows = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._pending:
            block = self._block()
            self._pending = self._recode(block)
            if not block and not self._pending:
                return 0
        part, self._pending = self._pending[: len(buffer)], self._pending[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()

    def _block(self) -> bytes:
        try:
            block: bytes = self._bytes.read(1 << 20)
        except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
            raise InputError(
                f"source {self._text.source}: {self._text.label}: the packed file is damaged or cut short ({problem}); "
                "nothing was loaded",
                next_step="pack or export it again",
                trouble="truncated",
            ) from None
        return block

    def _recode(self, block: bytes) -> bytes:
        if self._decoder is None:
            return block
        try:
            text = self._decoder.decode(block, not block)
        except UnicodeDecodeError as problem:
            before = problem.object[: problem.start].decode(self._text.encoding, errors="replace")
            # The row counts from 0 at the header; only a block's worth is counted twice, and only in this message.
            raise undecodable(self._text, problem.object[problem.start], self._rows + before.count("\n")) from None
        self._rows += text.count("\n")
        return text.encode("utf-8", errors="replace")


def probe(path: Path, *, source: str, label: str, encoding: str | None = None) -> TextFile:
    """How the bytes of a file become text: by its byte order mark, else as told, else UTF-8.

    Raises:
        InputError: the file cannot be read, or is UTF-16 without a mark and nobody said so.
    """
    try:
        with path.open("rb") as handle:
            is_packed = handle.read(2) == b"\x1f\x8b"
    except OSError as problem:
        raise unreadable(label, source, problem) from None
    plain = TextFile(path, source, label, "utf-8", is_packed)
    with plain.open() as handle:
        head = handle.read(4096)
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    found = marked or (codecs.lookup(encoding).name if encoding else "utf-8")
    if found == "utf-8" and b"\0" in head:
        raise InputError(
            f"source {source}: {label}: zero bytes in the text: it is UTF-16 without a byte order mark, or no text at "
            "all; nothing was loaded",
            next_step=f"save it as UTF-8, or say sources.{source}.options.encoding: utf-16-le",
        )
    return TextFile(path, source, label, found, is_packed)


def fingerprint(path: Path, *, source: str, label: str | None = None) -> str:
    """SHA-256 of the file's bytes.

    Raises:
        InputError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while block := handle.read(BLOCK):
                digest.update(block)
    except OSError as problem:
        raise unreadable(label or path.name, source, problem) from None
    return digest.hexdigest()


def stamp_of(path: Path) -> Stamp:
    """What changes when somebody writes to the file or puts another in its place."""
    found = path.stat()
    return (found.st_size, found.st_mtime_ns, found.st_ino)


def check_stamp(path: Path, before: Stamp | None, *, source: str, label: str) -> None:
    """Hold a file that was read against the state it was in before.

    Raises:
        InputError: it changed while it was read.
    """
    try:
        after = stamp_of(path)
    except OSError as problem:
        raise unreadable(label, source, problem) from None
    if before is not None and after != before:
        raise InputError(
            f"source {source}: {label}: the file changed while it was read "
            f"({before[0]} bytes before, {after[0]} after); nothing was loaded",
            next_step="wait until the export is complete, then run again",
        )


def unreadable(label: str, source: str, problem: OSError) -> InputError:
    """The error for a file that the system does not give."""
    return InputError(f"source {source}: {label}: cannot be read ({problem.strerror or problem}); nothing was loaded")


def undecodable(text: TextFile, byte: int, row: int) -> InputError:
    """The error for a byte that is no character; `row` counts from 0 at the header."""
    name = "UTF-8" if text.encoding == "utf-8" else text.encoding
    return InputError(
        f"source {text.source}: {text.label}: row {row}: byte {byte:#04x} is not {name}; nothing was loaded",
        next_step="export or save the file as UTF-8",
    )

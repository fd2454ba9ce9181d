"""Files that say of themselves whether they are whole: a SHA-256, then the content."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ..data.files import whole_file

SEAL = 32  # bytes of a SHA-256


def write_sealed(file: Path, content: bytes | memoryview) -> None:
    """Write the seal and the content, both whole or none."""
    with whole_file(file) as new, open(new, "xb") as opened:
        opened.write(hashlib.sha256(content).digest())
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())  # or a power cut could leave a renamed but empty file


def read_sealed(file: Path) -> bytes | None:
    """Return the content, or None if a byte of it is wrong."""
    whole = file.read_bytes()
    content = whole[SEAL:]
    return content if hashlib.sha256(content).digest() == whole[:SEAL] else None

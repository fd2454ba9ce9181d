"""The command line: flags and sentences. Nothing that reads, learns or writes a result."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from . import console
from .flags import parser
from .signatures import methods
from .wording import in_flags

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments without the program's name; None means ``sys.argv[1:]``.

    Returns
    -------
    status : int
        0; 1 after an error of the user, which stderr reports in one sentence; 130 after an
        interruption. Wrong arguments end in argparse's ``SystemExit(2)``.
    """
    # Read once, when torch loads its OpenMP: idle threads that spin slow down everything else.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    console.open_streams()
    argv = sys.argv[1:] if argv is None else list(argv)
    args = parser(argv).parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            args.run(args)
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        console.tell(f"error: {_typed(error)}")
        return 1
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocate" not in str(error):  # torch's word
            raise
        console.tell(f"error: there is not enough memory. {error}")
        return 1
    except KeyboardInterrupt:
        console.tell(f"interrupted{args.after_interruption}.")
        return 130
    return 0


def _typed(message: object) -> str:
    """A message of the library, which names parameters, in flags."""
    return in_flags(str(message), {name for each in methods().values() for name in each.defaults})


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    console.tell(f"warning: {_typed(message)}")

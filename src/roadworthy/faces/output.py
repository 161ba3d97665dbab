"""Where reports go: standard output in the terminal's own encoding, files whole or not at all."""

import os
import shutil
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from roadworthy.config import UsageError
from roadworthy.report import encodable

_WIDTH_WITHOUT_TERMINAL = 100


def width() -> int:
    """Return the columns of the terminal, `COLUMNS` first."""
    return max(40, shutil.get_terminal_size((_WIDTH_WITHOUT_TERMINAL, 24)).columns)


def color() -> bool:
    """Tell whether standard output wants colours: a terminal does, unless NO_COLOR or a dumb terminal says no."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return _is_terminal() and os.environ.get("TERM") != "dumb"


def _is_terminal() -> bool:
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):
        return False


def print_text(text: str, *, machine: bool = False) -> None:
    """Write to standard output. Reports for machines are UTF-8 wherever they go, unless a person looks at them."""
    if sys.stdout is None:
        raise UsageError("there is no standard output to write to")
    try:
        if machine and not _is_terminal():
            sys.stdout.flush()
            sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
        else:
            sys.stdout.write(encodable(text, sys.stdout.encoding or "utf-8"))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot write to standard output: {getattr(error, 'strerror', None) or error}") from error


def check_writable(path: Path) -> None:
    """Find out before a long review whether the file can be written after it."""
    folder = path.parent
    if path.is_dir():
        raise UsageError(f"cannot write {path}: is a folder")
    if not folder.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {folder}")
    if not os.access(path if _is_special(path) else folder, os.W_OK):
        raise UsageError(f"cannot write {path}: permission denied")


def _is_special(path: Path) -> bool:
    """Tell whether the path is a device or pipe, which is written to rather than replaced."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def write_file(path: Path, text: str) -> None:
    """Write a report whole or not at all: readers see the old file or the new one."""
    data = text.encode("utf-8", "backslashreplace")
    try:
        if _is_special(path):
            path.write_bytes(data)
        else:
            _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error


def _replace(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
        part.chmod(_mode(path))
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def _mode(path: Path) -> int:
    """Keep the permissions of a file that is replaced; a new one gets what the umask leaves."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask

"""How a command ends: always with one line and an exit status, never with a traceback."""

import functools
import os
import sys
from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

import typer

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

INTERRUPTED = 130
MISUSED = 2
INCOMPLETE = 3


class Finished(Exception):  # noqa: N818 - not an error
    """The command is done, with this exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def guarded(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Turn every way in which a command can end into an exit status."""

    @functools.wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except Finished as end:
            raise typer.Exit(end.status) from None
        except KeyboardInterrupt:
            leave("interrupted", INTERRUPTED)
        except BrokenPipeError:  # whoever read our output has seen enough
            silence()
            raise typer.Exit(0) from None
        except Exception as error:  # the last line of defence
            leave(*_ending(error))

    return run


def _ending(error: Exception) -> tuple[str, int]:
    from roadworthy.config import UsageError

    if isinstance(error, UsageError):
        return f"error: {error}", MISUSED
    if os.environ.get("ROADWORTHY_DEBUG"):
        import traceback

        traceback.print_exception(error)
    return (
        f"internal error: {type(error).__name__}: {error} (ROADWORTHY_DEBUG=1 shows where; please report it)",
        INCOMPLETE,
    )


def leave(message: str, status: int) -> NoReturn:
    """Say why on stderr, in one line, and leave."""
    line = " ".join(message.split())
    try:
        encoding = getattr(sys.stderr, "encoding", None) or "ascii"
        print(f"roadworthy: {line}".encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr, flush=True)
    except (OSError, AttributeError):
        pass
    silence()  # a full disk leaves the report in the buffer, and the interpreter would try again at its end
    raise typer.Exit(status) from None


def silence() -> None:
    """Let what is still buffered for a closed pipe go nowhere, so that the interpreter does not complain at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            try:
                os.dup2(nowhere, stream.fileno())
            except (OSError, ValueError, AttributeError):
                continue
    os.close(nowhere)

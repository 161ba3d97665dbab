"""A progress bar on a terminal's stderr, for what takes longer than a second."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE = 1.0
_INTERVAL = 0.1


class ProgressBar:
    """Call it with (stage, done, total). Draws from the caller's thread: a second one would make forking unsafe."""

    def __init__(self) -> None:
        self._wanted = bool(sys.stderr and sys.stderr.isatty())
        self._next = time.monotonic() + _PATIENCE
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> "ProgressBar":
        """Enter the context that removes the bar at its end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show how far a stage is."""
        if not self._wanted or time.monotonic() < self._next:
            return
        if self._bar is None or self._task is None:
            self._start()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=stage, completed=done, total=total)
            self._bar.refresh()
        self._next = time.monotonic() + _INTERVAL

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._bar = Progress(console=Console(stderr=True), transient=True, auto_refresh=False)
        self._bar.start()
        self._task = self._bar.add_task("")

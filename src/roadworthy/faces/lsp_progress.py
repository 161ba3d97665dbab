"""`$/progress` while a review runs: asked for and sent on the server's thread, fed from the review's."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

_PAUSE = 0.2
"""Seconds between two reports: nobody reads faster."""

Report = Callable[[str, int, int], None]


class Reporter:
    """Shows the reviews of one server. A client that does not answer the request for a token is shown nothing."""

    def __init__(self, language: LanguageServer, loop: asyncio.AbstractEventLoop) -> None:
        """Nothing is sent before a review begins to report."""
        self._language = language
        self._loop = loop

    @staticmethod
    @contextmanager
    def begun(reporter: "Reporter | None") -> Iterator[Report]:
        """A function that takes reports until the end of the block; silent without a reporter."""
        if reporter is None:
            yield lambda stage, done, total: None
            return
        shown = _Shown(reporter._language)
        last = 0.0

        def report(stage: str, done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= _PAUSE or done == 0:
                last = now
                share = 100 * done // total if total > 1 else None
                reporter._later(lambda: shown.report(stage, share))

        try:
            yield report
        finally:
            reporter._later(shown.end)

    def _later(self, act: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(act)


class _Shown:
    """One review as the client shows it: begun when the client has taken the token, ended once."""

    def __init__(self, language: LanguageServer) -> None:
        self._language = language
        self._token = uuid4().hex
        self._task: asyncio.Task[None] | None = None
        self._begun = self._over = False

    def report(self, stage: str, share: int | None) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._begin(stage))
        elif self._begun:
            self._language.work_done_progress.report(
                self._token, types.WorkDoneProgressReport(message=stage, percentage=share)
            )

    async def _begin(self, stage: str) -> None:
        try:
            await self._language.work_done_progress.create_async(self._token)
        except JsonRpcException:
            return
        if not self._over:
            self._begun = True
            begin = types.WorkDoneProgressBegin("roadworthy", message=stage, percentage=0)
            self._language.work_done_progress.begin(self._token, begin)

    def end(self) -> None:
        self._over = True
        if self._begun:
            self._language.work_done_progress.end(self._token, types.WorkDoneProgressEnd())
        self._language.work_done_progress.tokens.pop(self._token, None)

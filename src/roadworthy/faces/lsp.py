"""The engine in an editor: a Language Server Protocol server over standard input and output.

The server's thread only takes texts and gives answers that are known; reviews run on a thread of their own. Nothing is written anywhere.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from roadworthy import __version__
from roadworthy.config import UsageError
from roadworthy.engine import locate
from roadworthy.engine.live import Live
from roadworthy.engine.newest import Newest, Superseded
from roadworthy.faces.lsp_progress import Reporter
from roadworthy.faces.lsp_session import Answer, Job, Session
from roadworthy.faces.lsp_words import actions, hover, on_lines

_QUIET = 0.1
_IDLE = 3.0
_WATCHED = (
    "**/*.py",
    "**/*.toml",
    "**/*.sql",
    "**/*.sh",
    "**/*.{yml,yaml,cfg,ini,txt}",
    "**/Dockerfile*",
    "**/Procfile*",
)


class Server:
    """One editor, one project."""

    def __init__(self, folder: Path | None) -> None:
        """Nothing is read before the editor has said which folder it opened."""
        self.language = LanguageServer(
            "roadworthy", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Incremental
        )
        self._folder = folder
        self._session: Session | None = None
        self._live: Live | None = None
        self._read = 0  # the newest reading of the files; belongs to the review's thread
        self._loop: asyncio.AbstractEventLoop | None = None
        self._newest: Newest[Job] | None = None
        self._reporter: Reporter | None = None
        self._complaint = ""
        for method, handler in self._handlers().items():
            self.language.feature(method)(_function(handler))
        self.language.feature(
            types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])
        )(_function(self._code_action))

    def _handlers(self) -> dict[str, Callable[..., object]]:
        return {
            types.INITIALIZED: self._initialized,
            types.TEXT_DOCUMENT_DID_OPEN: self._opened,
            types.TEXT_DOCUMENT_DID_CHANGE: self._changed,
            types.TEXT_DOCUMENT_DID_SAVE: self._saved,
            types.TEXT_DOCUMENT_DID_CLOSE: self._closed,
            types.WORKSPACE_DID_CHANGE_WATCHED_FILES: self._watched,
            types.TEXT_DOCUMENT_HOVER: self._hover,
        }

    # --- the server's thread ------------------------------------------------------------------------------------------

    def _initialized(self, _: types.InitializedParams) -> None:
        self._loop = asyncio.get_running_loop()
        folder = self._folder or self._opened_folder()
        try:
            root, _named = locate([folder])
        except UsageError as error:
            self._complain(str(error))
            return
        capabilities = self.language.client_capabilities
        diagnostics = capabilities.text_document and capabilities.text_document.publish_diagnostics
        self._session = Session(
            root,
            self.language.text_document_publish_diagnostics,
            self.language.workspace.position_codec.client_num_units,
            bool(diagnostics and diagnostics.related_information),
        )
        self._live = Live([folder])
        shows = bool(capabilities.window and capabilities.window.work_done_progress)
        self._reporter = Reporter(self.language, self._loop) if shows else None
        self._newest = Newest(self._review, self._live.rest, quiet=_QUIET, idle=_IDLE)
        self._log(types.MessageType.Info, f"roadworthy {__version__} reviews {root}")
        self._watch(capabilities)

    def _opened_folder(self) -> Path:
        workspace = self.language.workspace
        folders = list(workspace.folders.values())
        if len(folders) > 1:
            self._log(types.MessageType.Warning, f"roadworthy reviews one folder only: {folders[0].uri}")
        path = to_fs_path(folders[0].uri) if folders else workspace.root_path
        return Path(path or ".")

    def _watch(self, capabilities: types.ClientCapabilities) -> None:
        """Ask to be told when files change behind the editor's back: a checkout, a formatter."""
        watched = capabilities.workspace and capabilities.workspace.did_change_watched_files
        if watched and watched.dynamic_registration:
            options = types.DidChangeWatchedFilesRegistrationOptions(
                [types.FileSystemWatcher(glob) for glob in _WATCHED]
            )
            registration = types.Registration("watched", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
            self.language.client_register_capability(types.RegistrationParams([registration]))

    def _opened(self, params: types.DidOpenTextDocumentParams) -> None:
        document = params.text_document
        if (session := self._session) and (path := session.path_of(document.uri)):
            session.open(path, document.uri, document.text, document.version)
            self._ask()

    def _changed(self, params: types.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        if (session := self._session) and (path := session.path_of(uri)) in session.texts and path:
            document = self.language.workspace.get_text_document(uri)
            session.change(path, document.source, document.version)
            self._ask()

    def _saved(self, _: types.DidSaveTextDocumentParams) -> None:
        self._read_again()

    def _closed(self, params: types.DidCloseTextDocumentParams) -> None:
        if (session := self._session) and (path := session.path_of(params.text_document.uri)):
            session.close(path)
            self._ask()

    def _watched(self, _: types.DidChangeWatchedFilesParams) -> None:
        self._read_again()

    def _read_again(self) -> None:
        if self._session:
            self._session.read_again()
            self._ask()

    def _ask(self) -> None:
        if self._session and self._newest:
            self._newest.ask(self._session.job())

    def _hover(self, params: types.HoverParams) -> types.Hover | None:
        session, path = self._session, self._session and self._session.path_of(params.text_document.uri)
        if not session or not path:
            return None
        line = params.position.line + 1
        return hover(on_lines(session.findings(path), path, line, line))

    def _code_action(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        session, path = self._session, self._session and self._session.path_of(params.text_document.uri)
        if not session or not path:
            return []
        first, last = params.range.start.line + 1, params.range.end.line + 1
        return actions(on_lines(session.findings(path), path, first, last), session.ground())

    def _take(self, answer: Answer) -> None:
        if self._session and self._session.take(answer):
            self._complaint = ""
            for problem in answer.problems:
                if problem.path == ".":
                    self._log(types.MessageType.Error, f"roadworthy: {problem.message}")

    def _complain(self, message: str) -> None:
        """Say what is wrong, in the log each time, to the person once."""
        text = f"roadworthy: {' '.join(message.split())}"
        self._log(types.MessageType.Error, text)
        if text != self._complaint:
            self._complaint = text
            self.language.window_show_message(types.ShowMessageParams(types.MessageType.Error, text))

    def _log(self, kind: types.MessageType, text: str) -> None:
        self.language.window_log_message(types.LogMessageParams(kind, text))

    # --- the review's thread ------------------------------------------------------------------------------------------

    def _review(self, job: Job, still_newest: Callable[[], None]) -> None:
        live = self._live
        assert live is not None
        with Reporter.begun(self._reporter) as report:

            def progress(stage: str, done: int, total: int) -> None:
                still_newest()
                report(stage, done, total)

            try:
                review = live.review(job.buffers, fresh=self._read < job.readings, progress=progress)
            except UsageError as error:
                self._later(partial(self._complain, str(error)))
                return
            except Superseded:
                raise
            except Exception as error:  # the server goes on
                self._later(
                    partial(self._complain, f"the review failed ({type(error).__name__}: {error}); please report it")
                )
                return
        self._read = job.readings
        self._later(partial(self._take, Answer(job, review.findings, review.problems, review.rules)))

    def _later(self, act: Callable[[], None]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the editor has gone, and the loop with it
                self._loop.call_soon_threadsafe(act)


def _function(method: Callable[..., object]) -> Callable[..., object]:
    """A function that calls the method: pygls writes on what it registers, and a bound method takes no attribute."""
    return lambda params: method(params)


def serve(folder: Path | None) -> None:
    """Serve until the editor leaves. Raises UsageError when `folder` is no folder."""
    if folder is not None:
        locate([folder])
    if not os.environ.get("ROADWORTHY_DEBUG"):
        logging.getLogger("pygls").addHandler(logging.NullHandler())
        logging.getLogger("pygls").propagate = False
    Server(folder).language.start_io()

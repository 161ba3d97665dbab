"""From the command of a manifest to the processes that it ends in: through wrappers, shells and scripts."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roadworthy.project.deployment.files import role_of
from roadworthy.project.deployment.launch import HOLE, Recognised, Wrapped, recognise, unwrap
from roadworthy.project.deployment.values import Hop, StartedProcess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadworthy.facts.schema import AuxFacts, Process
    from roadworthy.knowledge.programs import Passes
    from roadworthy.project.deployment.files import Files, Image
    from roadworthy.project.deployment.values import Host, Role

MAX_DEPTH = 6
MAX_LEAVES = 60
MAX_ARGUMENTS = 200
ALL = "$@"

_SHELLS = ("sh", "bash", "dash", "ash", "zsh", "ksh")
_SOURCES = (".", "source")
_NEVER_NOISE = (*_SOURCES, "env", "sudo")


@dataclass(frozen=True)
class Origin:
    """The manifest's entry from which a walk begins."""

    path: str
    line: int
    host: Host
    owner: str
    image: Image | None = None
    environment: tuple[tuple[str, str], ...] = ()
    sh: str = ""  # what `sh` is there; "" when unknown
    init: bool = False  # the host puts an init program in front
    stops_group: bool = False
    grace_period: float | None = None
    development: bool = False
    stop_signal: str = "TERM"


@dataclass(frozen=True)
class Placed:
    """A process fact with the file in which it stands."""

    path: str
    fact: Process


@dataclass(frozen=True)
class _Command:
    """Words with the place that gives them, and possibly a shell text as their last argument."""

    words: tuple[str, ...] = ()
    text: tuple[Placed, ...] = ()
    at: Placed | None = None


class Walk:
    """One walk from one entry."""

    def __init__(self, files: Files, origin: Origin) -> None:
        """Start with nothing found."""
        self.files = files
        self.origin = origin
        self.environment = dict(origin.environment)
        self.found: list[StartedProcess] = []
        self.used: set[str] = set()  # scripts that were followed

    def start(self, entrypoint: Sequence[Placed], command: Sequence[Placed]) -> None:
        """Follow an entrypoint with its command, either of which may be missing."""
        line = self.origin.line
        hops = (Hop(self.origin.path, line, line, "init", "wrapper", "child", init=True),) if self.origin.init else ()
        if entrypoint and entrypoint[0].fact.shell:  # the shell form ignores CMD
            self._text(tuple(entrypoint), hops, 0)
            return
        arguments = _Command()
        if command:
            is_text = bool(command[0].fact.shell)
            arguments = (
                _Command((), tuple(command), command[0]) if is_text else _Command(command[0].fact.argv, (), command[0])
            )
        if not entrypoint:
            self._follow(arguments, hops, 0)
            return
        first = entrypoint[0]
        at = arguments.at if not unwrap(first.fact.argv, self.files.programs)[0] else first
        self._follow(_Command(first.fact.argv + arguments.words, arguments.text, at), hops, 0, arguments.at)

    def script(self, facts: AuxFacts) -> None:
        """Follow a script that nothing starts."""
        self._script(facts, _Command(), (), 0)

    def _follow(self, command: _Command, hops: tuple[Hop, ...], depth: int, arguments_at: Placed | None = None) -> None:
        """`arguments_at`: the place of the arguments, where it is not that of the command."""
        at = command.at
        if at is None or depth > MAX_DEPTH or len(self.found) >= MAX_LEAVES:
            return
        words, wrappers, python = unwrap(command.words, self.files.programs)
        hops = hops + tuple(_wrapper_hop(wrapper, at) for wrapper in wrappers)
        if not words:
            if command.text:
                self._text(command.text, hops, depth + 1)
            return
        script, arguments = (None, ()) if python else self._named_script(words, at.path)
        if script is not None:
            self._script(script, _Command(arguments, command.text, arguments_at or at), hops, depth + 1)
        else:
            self._leaf(command.words, at, hops)

    def _named_script(self, words: tuple[str, ...], path: str) -> tuple[AuxFacts | None, tuple[str, ...]]:
        name = words[0].rpartition("/")[2]
        image = self.origin.image
        if name in _SHELLS or name in _SOURCES:
            at = next((i for i in range(1, len(words)) if not words[i].startswith("-")), 0)
            return (self.files.script(words[at], path, image), words[at + 1 :]) if at else (None, ())
        return self.files.script(words[0], path, image), words[1:]

    def _text(self, text: tuple[Placed, ...], hops: tuple[Hop, ...], depth: int) -> None:
        """The commands of one `sh -c` text."""
        first = text[0]
        prefix, wrappers, _ = unwrap(first.fact.shell, self.files.programs)
        hops = hops + tuple(_wrapper_hop(wrapper, first) for wrapper in wrappers)
        becomes = self._becomes_last(prefix)
        facts = [placed.fact for placed in text]
        for index, placed in enumerate(text):
            if self._is_taken(placed.fact, _Command(), facts):
                hop = self._text_hop(placed, becomes, final=index == len(text) - 1)
                hop = replace(hop, alone=len(text) == 1, expands=placed.fact.expands)
                self._follow(_Command(placed.fact.argv, (), placed), (*hops, hop), depth + 1)

    def _becomes_last(self, prefix: tuple[str, ...]) -> bool | None:
        """Does the shell of a text become its last command? None: not known."""
        shell = (prefix[0] if prefix else "/bin/sh").rpartition("/")[2]
        shell = self.origin.sh if shell == "sh" else shell
        return self.files.programs.replaces_itself(shell) if shell else None

    def _text_hop(self, placed: Placed, becomes: bool | None, *, final: bool) -> Hop:
        fact = placed.fact
        label = " ".join(fact.shell)
        passes, why = self._passes(placed, label, f"{fact.owner}.{fact.role}.shell.trap.")
        certain = True
        if passes == "no" and final and fact.is_last and not fact.wrapped and not fact.background:
            certain = becomes is not None
            passes, why = ("exec", "") if becomes else (passes, why)
        return Hop(placed.path, fact.line, fact.end_line, label, "shell", passes, certain=certain, why=why)

    def _script(self, facts: AuxFacts, arguments: _Command, hops: tuple[Hop, ...], depth: int) -> None:
        """The commands of a script, with the arguments that it is given."""
        self.used.add(facts.path)
        for process in facts.processes:
            if len(self.found) >= MAX_LEAVES:
                return
            if not self._is_taken(process, arguments, facts.processes):
                continue
            if process.argv[:2] == ("set", "--"):
                arguments = self._set(process, arguments)
            elif process.argv[0] == "shift":
                arguments = replace(arguments, words=arguments.words[1:])
            elif process.argv[0] not in self.files.programs.rows.noise or process.argv[0] in _NEVER_NOISE:
                self._command_of_script(Placed(facts.path, process), facts.processes, arguments, hops, depth)

    def _command_of_script(
        self, placed: Placed, siblings: Sequence[Process], arguments: _Command, hops: tuple[Hop, ...], depth: int
    ) -> None:
        fact = placed.fact
        passes, why = self._passes(placed, placed.path, "shell.trap.")
        if fact.argv[0] in _SOURCES:
            passes, why = "exec", ""
        alone = not any(other.line == fact.line and other is not fact for other in siblings)
        hop = Hop(placed.path, fact.line, fact.end_line, placed.path, "script", passes, why=why, alone=alone)
        command = _substituted(placed, arguments)
        if unwrap(fact.argv, self.files.programs)[0][:1] == (ALL,) and arguments.at is not None:
            command = replace(command, at=arguments.at)
        self._follow(command, (*hops, hop), depth, arguments.at)

    def _set(self, process: Process, arguments: _Command) -> _Command:
        """`set -- prog "$@"` mostly stands under "the first argument is an option or no program"."""
        words = arguments.words
        if words and not words[0].startswith("-") and recognise(words, self.files.programs).sure:
            return arguments
        return replace(arguments, words=_words(process.argv[2:], arguments))

    def _is_taken(self, process: Process, arguments: _Command, siblings: Sequence[Process]) -> bool:
        """False where a branch is known not to be taken with these arguments and this environment."""
        for subject, patterns in process.cases:
            value = self._value(subject, arguments)
            if value is None or HOLE in value:
                continue
            if not _matches(value, patterns):
                return False
            if patterns == ("*",) and any(
                case[0] == subject and case[1] != ("*",) and _matches(value, case[1])
                for sibling in siblings
                for case in sibling.cases
            ):
                return False
        return True

    def _value(self, subject: str, arguments: _Command) -> str | None:
        name = subject[1:]
        if name.isdigit():
            index = int(name) - 1
            return arguments.words[index] if 0 <= index < len(arguments.words) else None
        return self.environment.get(name)

    def _passes(self, placed: Placed, label: str, traps: str) -> tuple[Passes, str]:
        """How a stop signal gets from a shell to this command, and if not, why."""
        if placed.fact.replaces_shell:
            return "exec", ""
        if not placed.fact.background:
            return "no", f"{label} starts it without exec and stays its parent, and a shell does not pass SIGTERM on"
        if self._kills(self._facts(placed.path), traps):
            return "child", ""
        return "no", f"{label} starts it in the background and has no trap that passes SIGTERM on"

    def _facts(self, path: str) -> AuxFacts | None:
        return next((facts for facts in self.files.all if facts.path == path), None)

    def _kills(self, facts: AuxFacts | None, prefix: str) -> bool:
        """A trap for the signal, and a handler that kills."""
        traps = (
            {s.key.removeprefix(prefix): s.value for s in facts.settings if s.key.startswith(prefix)} if facts else {}
        )
        return self.origin.stop_signal in traps and any(
            "kill" in handler or "supervisorctl" in handler for handler in traps.values()
        )

    def _leaf(self, argv: tuple[str, ...], at: Placed, hops: tuple[Hop, ...]) -> None:
        found = recognise(argv, self.files.programs, self.files.own_scripts)
        if not found.name or not self._is_worth_it(found, at.fact, hops):
            return
        script = next((hop.path for hop in reversed(hops) if hop.what == "script"), None)
        shells = [hop for hop in hops if hop.what != "wrapper"]
        origin = self.origin
        self.found.append(
            StartedProcess(
                path=at.path,
                line=at.fact.line,
                end_line=at.fact.end_line,
                argv=argv,
                written=tuple(f'"{word}"' if word == ALL else word for word in at.fact.argv),
                kind=found.kind,
                target=found.target,
                form=at.fact.form,
                exec=not shells or shells[-1].passes == "exec",
                init=any(hop.init for hop in hops),
                through_script=script,
                grace_period=origin.grace_period,
                role=self._role(found, at),
                host=origin.host,
                owner=origin.owner,
                name=found.name,
                sure=found.sure,
                options=found.options,
                hops=hops,
                origin=(origin.path, origin.line),
                needs_option_to_stop=found.needs_option_to_stop if origin.stop_signal == "TERM" else (),
                stops_gently_with=found.row.stops_gently_with if found.row is not None else "",
                on_stop=found.row.note if found.row is not None and found.row.needs_to_stop else "",
                stop_signal=origin.stop_signal,
                stops_group=origin.stops_group,
                drain=found.drain,
                request_limit=found.request_limit,
            )
        )

    def _role(self, found: Recognised, at: Placed) -> Role:
        if found.development or self.origin.development:
            return "dev"
        return role_of(self.origin.path, self.origin.owner, at.path)

    def _is_worth_it(self, found: Recognised, at: Process, hops: tuple[Hop, ...]) -> bool:
        """Of scripts and texts, what is unknown counts only where it may be the main process."""
        if not any(hop.what != "wrapper" for hop in hops):
            return True
        if found.name in self.files.programs.rows.noise:
            return False
        if not found.sure and at.form == "script" and not (at.is_last or at.replaces_shell or at.background):
            return False  # the script goes on after it, so it ends by itself
        return found.kind != "unknown" or at.is_last or at.replaces_shell


def _wrapper_hop(wrapper: Wrapped, at: Placed) -> Hop:
    line, end_line = at.fact.line, at.fact.end_line
    return Hop(at.path, line, end_line, wrapper.name, "wrapper", wrapper.passes, init=wrapper.init)


def _matches(value: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns)


def _substituted(placed: Placed, arguments: _Command) -> _Command:
    """The command with `$@` and `$1` … replaced by the arguments."""
    argv = placed.fact.argv
    return _Command(_words(argv, arguments), arguments.text if ALL in argv else (), placed)


def _words(argv: tuple[str, ...], arguments: _Command) -> tuple[str, ...]:
    words: list[str] = []
    for word in argv:
        if word == ALL:
            words.extend(arguments.words)
        elif len(word) == 2 and word[0] == "$" and word[1].isdigit():
            index = int(word[1]) - 1
            words.append(arguments.words[index] if 0 <= index < len(arguments.words) else HOLE)
        else:
            words.append(word)
    return tuple(words[:MAX_ARGUMENTS])

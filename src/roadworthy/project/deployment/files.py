"""The files of the repository as the deployment sees them: scripts, images, services."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from roadworthy.facts.schema import AuxFacts, Process, Setting
    from roadworthy.knowledge.programs import Programs
    from roadworthy.project.deployment.values import Role

_DEVELOPMENT = re.compile(
    r"(?:^|[/._\-])(?:dev|devel|develop|developers?|development|local|test|tests|testing|ci|debug|override|examples?|samples?|demo|devcontainer|docs|"
    r"bench|benchmarks?|e2e|playground|sandbox|tutorials?)(?=$|[/._\-])",
    re.IGNORECASE,
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|sec|seconds?|m|min|minutes?|h|hours?)?")
_UNITS = {"ms": 0.001, "s": 1.0, "se": 1.0, "m": 60.0, "mi": 60.0, "h": 3600.0, "ho": 3600.0}
_INHERITANCE = 20


@dataclass(frozen=True, slots=True)
class Image:
    """One stage of a Dockerfile with what it inherits from earlier stages."""

    path: str
    stage: str
    base: str  # the image outside the repository on which it rests
    entrypoint: tuple[Process, ...]
    command: tuple[Process, ...]
    copies: tuple[tuple[str, str], ...]  # path in the image -> path in the build context
    environment: tuple[tuple[str, str], ...]
    workdir: str
    stop_signal: str
    last: bool
    own: bool  # has a CMD or ENTRYPOINT of its own


@dataclass
class _Stage:
    """What a Dockerfile says of one stage."""

    name: str
    base: str = ""
    copies: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    plain: dict[str, str] = field(default_factory=dict)  # workdir, stopsignal
    entrypoint: list[Process] = field(default_factory=list)
    command: list[Process] = field(default_factory=list)


class Files:
    """Finds scripts and images."""

    def __init__(self, around: Iterable[AuxFacts], programs: Programs) -> None:
        """Index the files; their order does not matter."""
        self.all: Sequence[AuxFacts] = sorted(around, key=lambda facts: facts.path)
        self.programs = programs
        self.scripts = {facts.path: facts for facts in self.all if facts.kind == "shell"}
        self._by_name: dict[str, list[str]] = {}
        for path in self.scripts:
            self._by_name.setdefault(posixpath.basename(path), []).append(path)
        self.images = [image for facts in self.all if facts.kind == "dockerfile" for image in _images(facts)]
        self.own_scripts = _own_scripts(self.all)
        self.default_sh = self._default_sh()

    def script(self, word: str, near: str, image: Image | None) -> AuxFacts | None:
        """The script that a word names: through COPY, relative to the manifest, or the only fitting one by name."""
        if not word or word.startswith("-") or "$" in word or "://" in word:
            return None
        if image is not None:
            target = posixpath.normpath(posixpath.join(image.workdir, word))
            origin = dict(image.copies).get(target) if "/" in word else _by_end(image, word)
            found = self._copied(origin, image) if origin else None
            if found is not None:
                return found
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(image.path), _in_context(word, image.workdir)))
            if beside in self.scripts:
                return self.scripts[beside]
        folder = posixpath.dirname(near)
        for candidate in (posixpath.normpath(posixpath.join(folder, word)), posixpath.normpath(word.lstrip("/"))):
            if candidate in self.scripts:
                return self.scripts[candidate]
        if "/" not in word and "." not in word and not self._looks_like_script(word):
            return None
        return self._nearest(self._by_name.get(posixpath.basename(word), []), near, word)

    def _copied(self, origin: str, image: Image) -> AuxFacts | None:
        candidates = [path for path in self.scripts if _ends_with(path, posixpath.normpath(origin))]
        return self._nearest(candidates, image.path, origin)

    def _looks_like_script(self, word: str) -> bool:
        """A bare word is a program of the image, unless it is called like an entrypoint."""
        return "entrypoint" in word or word.startswith(("start-", "run-", "start_", "run_"))

    def _nearest(self, candidates: Sequence[str], near: str, word: str) -> AuxFacts | None:
        """The candidate that shares the most of its end with the word, then of its folders with the manifest."""
        if not candidates:
            return None
        best = max(candidates, key=lambda path: (_common_end(path, word), _common_start(path, near), -len(path)))
        return self.scripts[best]

    def image_of(self, path: str, stage: str = "") -> Image | None:
        """The image that a Dockerfile builds: the named stage, or the last."""
        images = [image for image in self.images if image.path == path]
        if stage:
            images = [image for image in images if image.stage == stage]
        return images[-1] if images else None

    def only_image(self) -> Image | None:
        """The one image with an entrypoint that the repository builds, if there is just one."""
        found = [image for image in self.images if image.last and image.entrypoint and role_of(image.path) == "prod"]
        return found[0] if len(found) == 1 else None

    def _default_sh(self) -> str:
        """What `sh` is in all images of the repository, where they agree."""
        shells = {self.programs.shell_of(image.base) for image in self.images if image.last}
        shells.discard("")
        return shells.pop() if len(shells) == 1 else ""


def _images(facts: AuxFacts) -> list[Image]:
    stages = _stages(facts)
    by_name = {stage.name.lower(): stage for stage in stages}
    images: list[Image] = []
    for stage in stages:
        chain = [stage]
        while len(chain) < _INHERITANCE:
            base = by_name.get(chain[-1].base.lower())
            if base is None or base in chain:
                break
            chain.append(base)
        images.append(_image(facts.path, stage, chain, last=stage is stages[-1]))
    return images


def _image(path: str, stage: _Stage, chain: list[_Stage], *, last: bool) -> Image:
    """CMD of an earlier stage is forgotten where a later one sets ENTRYPOINT only."""
    entrypoint: list[Process] = []
    command: list[Process] = []
    copies: dict[str, str] = {}
    environment: dict[str, str] = {}
    plain: dict[str, str] = {}
    for part in reversed(chain):
        if part.entrypoint:
            entrypoint, command = part.entrypoint, []
        if part.command:
            command = part.command
        copies.update(part.copies)
        environment.update(part.environment)
        plain.update(part.plain)
    return Image(
        path=path,
        stage=stage.name,
        base=chain[-1].base,
        entrypoint=tuple(entrypoint),
        command=tuple(command),
        copies=tuple(copies.items()),
        environment=tuple(environment.items()),
        workdir=plain.get("workdir", "/"),
        stop_signal=signal(plain.get("stopsignal")),
        last=last,
        own=bool(stage.entrypoint or stage.command),
    )


def _stages(facts: AuxFacts) -> list[_Stage]:
    stages: dict[str, _Stage] = {}
    for setting in facts.settings:
        match = re.fullmatch(r"stage\.(.+?)\.(from|workdir|stopsignal|env\.(.+)|copy:(.+))", setting.key)
        if match is None:
            continue
        stage = stages.setdefault(match[1], _Stage(match[1]))
        if match[2] == "from":
            stage.base = setting.value
        elif match[2] == "workdir":
            stage.plain["workdir"] = posixpath.join(stage.plain.get("workdir", "/"), setting.value)
        elif match[2] == "stopsignal":
            stage.plain["stopsignal"] = setting.value
        elif match[3]:
            stage.environment[match[3]] = setting.value
        else:
            stage.copies[posixpath.normpath(match[4])] = setting.value
    for process in facts.processes:
        stage = stages.setdefault(process.owner, _Stage(process.owner))
        (stage.entrypoint if process.role == "entrypoint" else stage.command).append(process)
    return list(stages.values())


def _own_scripts(around: Sequence[AuxFacts]) -> dict[str, str]:
    """Console scripts that the project declares."""
    found: dict[str, str] = {}
    for facts in around:
        for setting in facts.settings:
            for prefix in ("project.scripts.", "tool.poetry.scripts."):
                if setting.key.startswith(prefix):
                    found.setdefault(setting.key.removeprefix(prefix), setting.value)
    return found


def settings_of(facts: AuxFacts, prefix: str) -> dict[str, Setting]:
    """Settings below a prefix, the first of each name."""
    found: dict[str, Setting] = {}
    for setting in facts.settings:
        if setting.key.startswith(prefix):
            found.setdefault(setting.key.removeprefix(prefix), setting)
    return found


def role_of(path: str, *more: str) -> Role:
    """Guess by names whether this is for development, tests or demonstration."""
    texts = (text.replace("usr/local/", "") for text in (path, *more))
    return "dev" if any(_DEVELOPMENT.search(text) for text in texts) else "prod"


def signal(text: str | None) -> str:
    """`SIGQUIT`, `QUIT` and `3` are QUIT; nothing said is TERM."""
    name = (text or "TERM").upper().removeprefix("SIG")
    return {"15": "TERM", "2": "INT", "3": "QUIT", "1": "HUP", "9": "KILL"}.get(name, name)


def _in_context(word: str, workdir: str) -> str:
    """The file of the build context that a path in the image stands for, where the context was copied as a whole."""
    inside = posixpath.normpath(posixpath.join(workdir, word))
    return posixpath.relpath(inside, workdir) if inside.startswith(f"{workdir.rstrip('/')}/") else word.lstrip("/")


def _by_end(image: Image, word: str) -> str | None:
    """A bare word that is a file on the path of the image (`/usr/local/bin/start`)."""
    return next((origin for target, origin in image.copies if posixpath.basename(target) == word), None)


def seconds(text: str | None) -> float | None:
    """`1m30s`, `90`, `90s` in seconds."""
    if text is None:
        return None
    parts = _DURATION.findall(text)
    if not parts or not re.fullmatch(r"[\d.\smsechinutor]+", text):
        return None
    return sum(
        float(number) * _UNITS.get(unit if unit == "ms" else unit[:2].rstrip("s") or "s", 1.0) for number, unit in parts
    )


def _ends_with(path: str, end: str) -> bool:
    return path == end or path.endswith("/" + end.lstrip("./"))


def _common_start(one: str, other: str) -> int:
    count = 0
    for a, b in zip(one.split("/")[:-1], other.split("/")[:-1], strict=False):
        if a != b:
            break
        count += 1
    return count


def _common_end(one: str, other: str) -> int:
    count = 0
    for a, b in zip(reversed(one.split("/")), reversed(other.split("/")), strict=False):
        if a != b:
            break
        count += 1
    return count

"""Which reader a path belongs to. Only names are looked at; readers may still decline after a look inside."""

from __future__ import annotations

import re

TEMPLATE_SUFFIXES = (".j2", ".jinja", ".jinja2", ".tmpl", ".tpl", ".template", ".example", ".sample", ".dist", ".erb")

_SKIPPED_FOLDERS = frozenset(
    {
        ".github",
        ".circleci",
        ".gitlab",
        ".git",
        "node_modules",
        "site-packages",
        ".venv",
        "venv",
        ".tox",
        "locale",
        "locales",
    }
)
_DOCKERFILE = re.compile(r"(?:docker|container)file(?:[.\-_][\w.\-]+)?|[\w.\-]+[.\-_](?:docker|container)file")
_NOT_DOCKERFILE = (
    ".py",
    ".md",
    ".rst",
    ".txt",
    ".yml",
    ".yaml",
    ".json",
    ".sh",
    ".dockerignore",
    ".js",
    ".ts",
    ".go",
    ".toml",
)
_REQUIREMENTS = re.compile(r"(?:[\w.\-]*(?:requirements|constraints)[\w.\-]*)\.(?:txt|in|pip)")
_PYLOCK = re.compile(r"pylock(?:\.[^.]+)?\.toml")
_SHELL_FOLDERS = frozenset(
    {"docker", "compose", "deploy", "deployment", "deployments", "scripts", "script", "bin", "services", "s6", "s6-rc.d", "containers",
     "container", "ops", "infra", "build", "images"}
)  # fmt: skip
_SHELL_NAMES = re.compile(
    r"(?:docker[-_])?(?:entrypoint|entry|start|run|launch|serve|boot|init|cmd|worker|web|beat)(?:[-_]?\w+)*"
)
_OTHER_TOOLS = frozenset(
    {"cargo.toml", "ruff.toml", ".ruff.toml", "deny.toml", "rustfmt.toml", "clippy.toml", "typos.toml", "_typos.toml", "cliff.toml",
     "book.toml", "netlify.toml", "taplo.toml", "rust-toolchain.toml", "poetry.toml", "pytest.ini", "tox.ini", "mypy.ini", ".isort.cfg",
     "babel.cfg", "haproxy.cfg", ".coveragerc", "pylintrc.ini", "wrangler.toml", ".gitleaks.toml", "cargo.lock", "bunfig.toml",
     "pyrightconfig.toml", ".taplo.toml", "gradle.toml", "libs.versions.toml"}
)  # fmt: skip


def kind_of(path: str) -> str:
    """The name of the reader, or "" for a file that is not read here."""
    folders, _, name = path.rpartition("/")
    parts = folders.lower().split("/") if folders else []
    if any(part in _SKIPPED_FOLDERS for part in parts):
        return ""
    name = without_template_suffix(name).lower()
    return _special(name) or _by_extension(name, parts)


def without_template_suffix(name: str) -> str:
    """`supervisor.conf.j2` is a `supervisor.conf`."""
    for suffix in TEMPLATE_SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def _special(name: str) -> str:
    if _DOCKERFILE.fullmatch(name) and not name.endswith(_NOT_DOCKERFILE):
        return "dockerfile"
    if name == "procfile" or name.startswith("procfile."):
        return "procfile"
    if _REQUIREMENTS.fullmatch(name):
        return "requirements"
    if name in ("uv.lock", "poetry.lock", "pdm.lock") or _PYLOCK.fullmatch(name):
        return "lock"
    if name == ".env" or name.startswith(".env.") or name.endswith(".env"):
        return "env"
    known = {
        "pipfile": "pipfile",
        "pipfile.lock": "pipfile-lock",
        "pyproject.toml": "pyproject",
        "setup.cfg": "setup-cfg",
    }
    return known.get(name, "")


def _by_extension(name: str, folders: list[str]) -> str:
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem:
        return _without_extension(name, folders)
    if extension in ("yml", "yaml"):
        return "" if name.startswith(".") else "yaml"
    if name in _OTHER_TOOLS:
        return ""
    if extension in ("txt", "in"):
        return "requirements" if folders[-1:] in (["requirements"], ["reqs"]) else ""
    if extension == "conf":
        return "supervisor"
    if extension in ("ini", "cfg"):
        return "supervisor-or-ini"
    return {"sh": "shell", "bash": "shell", "service": "systemd", "sql": "sql", "toml": "toml"}.get(extension, "")


def _without_extension(name: str, folders: list[str]) -> str:
    if ".envs" in folders:
        return "env"
    if _SHELL_NAMES.fullmatch(name) or any(folder in _SHELL_FOLDERS for folder in folders[-4:]):
        return "shell"
    return ""

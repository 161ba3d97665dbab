"""Nothing in the reviewed tree is written, imported or run; nothing is asked of the network."""

from __future__ import annotations

import stat
import subprocess
import sys
from typing import TYPE_CHECKING

from test_cli import environment, run

if TYPE_CHECKING:
    from pathlib import Path


def snapshot(root: Path) -> dict[str, tuple[int, ...] | bytes]:
    """Everything about a tree that a program could change, reading aside."""
    found: dict[str, tuple[int, ...] | bytes] = {}
    for path in sorted([root, *root.rglob("*")]):
        about = path.lstat()
        found[str(path)] = (about.st_mode, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino)
        if stat.S_ISREG(about.st_mode):
            found[f"{path} content"] = path.read_bytes()
    return found


HOSTILE_GIT = """\
[core]
\tfsmonitor = touch {mark}; false
\thooksPath = {hooks}
\tpager = touch {mark}
\tsshCommand = touch {mark}
\teditor = touch {mark}
[diff]
\texternal = touch {mark}
[diff "evil"]
\ttextconv = touch {mark}
\tcommand = touch {mark}
[filter "evil"]
\tclean = touch {mark}; cat
\tsmudge = touch {mark}; cat
\tprocess = touch {mark}
\trequired = true
[include]
\tpath = {mark}.include
"""


def hostile_repository(root: Path, mark: Path) -> None:
    """A repository whose configuration names programs wherever git would run one."""
    settings = {**environment(), "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(root)}
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", "init", "-q"], cwd=root, env=settings, check=True)
    (root / "app.py").write_text("def x():\n    pass\n")
    (root / "typer.py").write_text(f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n")
    for name in ("msgspec", "rich", "pathspec", "roadworthy_plugins", "sitecustomize"):
        (root / name).mkdir()
        (root / name / "__init__.py").write_text(f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n")
    (root / "conftest.py").write_text((root / "typer.py").read_text())
    (root / "setup.py").write_text((root / "typer.py").read_text())
    subprocess.run(["git", *who, "add", "-A"], cwd=root, env=settings, check=True)
    subprocess.run(["git", *who, "commit", "-qm", "x"], cwd=root, env=settings, check=True)
    (root / ".gitattributes").write_text("*.py filter=evil diff=evil\n")
    hooks = root / ".git" / "hooks"
    for name in ("post-index-change", "pre-commit", "fsmonitor-watchman"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
        (hooks / name).chmod(0o755)
    (root / ".git" / "config").write_text(HOSTILE_GIT.format(mark=mark, hooks=hooks))
    (root / "app.py").write_text("def x():\n    return 1\n")


AUDIT = """
import os, sys
root = sys.argv.pop(1)
def hook(event, args):
    bad = event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "pty.spawn")
    if event == "open" and isinstance(args[0], (str, bytes)) and os.fsdecode(args[0]).startswith(root):
        mode, flags = args[1], args[2]
        bad = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC) != 0
    if event in ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.utime", "os.truncate", "os.link", "os.symlink"):
        bad = any(isinstance(arg, (str, bytes)) and os.fsdecode(arg).startswith(root) for arg in args)
    if event == "exec" or event == "import":
        name = getattr(args[0], "co_filename", None) or args[1] or ""
        bad = isinstance(name, str) and name.startswith(root)
    if bad:
        sys.stderr.write(f"AUDIT {event} {args!r}\\n")
        os._exit(99)
sys.addaudithook(hook)
sys.argv[0] = "roadworthy"
from roadworthy.__main__ import main
main()
"""


def test_nothing_is_run_imported_or_written(tmp_path: Path) -> None:
    """Neither what git's configuration names nor what lies on the path; no connection is opened."""
    root, mark, script = tmp_path / "tree", tmp_path / "mark", tmp_path / "audit.py"
    root.mkdir()
    script.write_text(AUDIT)
    hostile_repository(root, mark)
    before = snapshot(root)
    for words in (("review",), ("review", "--format", "json", "app.py"), ("model", "app.x")):
        command = [sys.executable, str(script), str(root), *words]
        done = subprocess.run(
            command,
            cwd=root,
            env=environment(ROADWORTHY_CACHE=str(tmp_path / "cache")),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        assert done.stderr == ""
    done = run("review", cwd=root)  # as a module: the current folder is first on Python's path
    assert done.returncode in (0, 1), done.stderr
    assert not mark.exists()
    assert snapshot(root) == before
    subprocess.run(["git", "status"], cwd=root, env=environment(), capture_output=True, check=False)
    assert mark.exists()  # the trap works: git itself falls into it


def test_the_audit_sees(tmp_path: Path) -> None:
    """The hook of the test above catches what it should."""
    script = tmp_path / "audit.py"
    script.write_text(AUDIT)
    for deed in (
        "open(root + '/x', 'w')",
        "os.system('true')",
        "__import__('subprocess').run(['true'])",
        "os.mkdir(root + '/d')",
    ):
        probe = AUDIT.partition("sys.argv[0]")[0] + deed + "\n"
        done = subprocess.run([sys.executable, "-c", probe, str(tmp_path)], capture_output=True, text=True, check=False)
        assert (done.returncode, "AUDIT" in done.stderr) == (99, True), deed

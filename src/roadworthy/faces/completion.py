"""Completion in shells: the script that a person installs once, and the words that it asks for."""

from typer import _completion_classes, _completion_shared

from roadworthy.config import UsageError

PROGRAM = "roadworthy"
VARIABLE = "_ROADWORTHY_COMPLETE"
"""Set by the script when it asks which words may come next."""

SHELLS = {"bash": "bash", "zsh": "zsh", "fish": "fish", "powershell": "powershell"}


def script(shell: str) -> str:
    """The script for one shell. Raises UsageError for another."""
    if shell not in SHELLS:
        raise UsageError(f"completion {shell}: one of {', '.join(SHELLS)}")
    text = _completion_shared.get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=SHELLS[shell])
    return f"{text.strip()}\n"


def ready() -> None:
    """Teach the command line to answer the scripts."""
    _completion_classes.completion_init()

"""The command line: translates words into calls of the engine and its answers into text and an exit status.

Exit status: 0 nothing at or above `--fail-on`, 1 findings, 2 usage or configuration error, 3 the review is incomplete.
The engine is imported inside the commands: `--version` and `--help` do not wait for it.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from roadworthy import __version__
from roadworthy.faces.fleet_cli import fleet
from roadworthy.faces.guard import Finished, guarded

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="An inspector for Python production code: where will it lose, duplicate or stall work?",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(fleet, name="fleet")

_COMPLETING = "_ROADWORTHY_COMPLETE"


def _formats() -> list[str]:
    from roadworthy.report import FORMATS

    return list(FORMATS)


def _levels() -> list[str]:
    return ["HIGH", "MEDIUM", "LOW", "never"]


Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[PATH]...", help="Files or folders; none: the current project.", show_default=False),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither read nor write the cache.")]
Jobs = Annotated[
    int,
    typer.Option("--jobs", "-j", min=0, metavar="N", help="Processes; 0: one for each processor.", show_default=False),
]
Agent = Annotated[
    bool, typer.Option("--agent", help="Let a model judge the findings and look for more (needs roadworthy[agent]).")
]
ModelName = Annotated[
    str, typer.Option("--model", metavar="PROVIDER:NAME", help="Which model the agent asks.", show_default=False)
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", min=1, metavar="N", help="The agent's budget; 2,000,000 by default.")
]
MaxCost = Annotated[
    str, typer.Option("--max-cost", metavar="DOLLARS", help="The agent's budget in money.", show_default=False)
]
MaxMinutes = Annotated[
    float | None, typer.Option("--max-minutes", min=0.01, metavar="N", help="The agent's time; 30 by default.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Ask the model anew what it answered in an earlier run.")]


def main() -> None:
    """Run the command line and leave with its exit status."""
    if _COMPLETING in os.environ:
        from roadworthy.faces.completion import ready

        ready()
    app(prog_name="roadworthy")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"roadworthy {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version and leave.")
    ] = False,
) -> None:
    """Take the options that come before the command."""


@app.command()
@guarded
def review(
    paths: Paths = None,
    area: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="Report only what lies in or passes through: a path, a glob, a dotted name, or words."
        ),
    ] = "",
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="terminal, markdown, json, sarif, html, ...",
            show_default=False,
            autocompletion=_formats,
        ),
    ] = "",
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Also write a report there, in the format that the name asks for. Repeatable.",
            show_default=False,
        ),
    ] = None,
    fail_on: Annotated[
        str,
        typer.Option(
            metavar="LEVEL",
            help="HIGH, MEDIUM, LOW or never: the least severity with exit status 1.",
            show_default="HIGH",
            autocompletion=_levels,
        ),
    ] = "",
    pedantic: Annotated[
        bool, typer.Option("--pedantic", help="Show findings of low confidence and hardening too.")
    ] = False,
    since: Annotated[
        str,
        typer.Option(
            metavar="REV", help="Report only what the branch brings since it left REV, also through unchanged callers."
        ),
    ] = "",
    blame: Annotated[
        bool, typer.Option("--blame", help="Say since when each finding is there, and by which commit.")
    ] = False,
    jobs: Jobs = 0,
    no_cache: NoCache = False,
    agent: Agent = False,
    model_name: ModelName = "",
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = "",
    max_minutes: MaxMinutes = None,
    fresh: Fresh = False,
    watch: Annotated[bool, typer.Option("--watch", help="Review again whenever a file changes.")] = False,
) -> None:
    """Review a project and report where it will lose, duplicate or stall work."""
    from roadworthy.faces.agent import AgentRequest
    from roadworthy.faces.watching import Request, perform

    asked = AgentRequest(model_name, max_tokens, max_cost, max_minutes, fresh) if agent else None
    words = (tuple(paths or ()), area, format_, tuple(output or ()), fail_on, pedantic, jobs, no_cache, since, blame)
    request = Request(*words, asked, watch)
    raise Finished(perform(request))


@app.command("map")
@guarded
def map_(
    paths: Paths = None,
    area: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="Show only what lies in or passes through: a path, a glob, a dotted name, or words."
        ),
    ] = "",
    format_: Annotated[
        str,
        typer.Option("--format", "-f", metavar="FORMAT", help="terminal, markdown, json or html.", show_default=False),
    ] = "",
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Also write the map there, in the format that the name asks for. Repeatable.",
            show_default=False,
        ),
    ] = None,
    exposed: Annotated[
        bool,
        typer.Option("--exposed", help="Only entries where something may wait for ever, happen twice or be lost."),
    ] = False,
    since: Annotated[
        str,
        typer.Option(metavar="REV", help="Only entries that pass through what the branch brings since it left REV."),
    ] = "",
    jobs: Jobs = 0,
    no_cache: NoCache = False,
) -> None:
    """Show every entry point, what it does to the world and under which protection."""
    from roadworthy.faces.mapping import perform
    from roadworthy.faces.reviewing import Request

    request = Request(tuple(paths or ()), area, format_, tuple(output or ()), jobs=jobs, no_cache=no_cache, since=since)
    raise Finished(perform(request, exposed=exposed))


@app.command()
@guarded
def model(
    function: Annotated[str, typer.Argument(metavar="FUNCTION", help="A dotted name: app.tasks.sync, Class.method.")],
    path: Annotated[
        Path | None, typer.Argument(metavar="[PATH]", help="The project; none: the current one.", show_default=False)
    ] = None,
    jobs: Jobs = 0,
    no_cache: NoCache = False,
) -> None:
    """Print what is believed of one function: callers, callees, effects, guards, entries."""
    from roadworthy.faces.asking import model_text
    from roadworthy.faces.output import print_text

    text, status = model_text(function, path, jobs=jobs, no_cache=no_cache)
    print_text(text)
    raise Finished(status)


@app.command()
@guarded
def patterns(
    path: Annotated[
        Path | None, typer.Argument(metavar="[PATH]", help="The project; none: the current one.", show_default=False)
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", "-f", metavar="FORMAT", help="terminal, markdown or json.")
    ] = "terminal",
    jobs: Jobs = 0,
    no_cache: NoCache = False,
) -> None:
    """List what the code base does right already, with counts and places: what fixes refer to."""
    from roadworthy.faces.asking import patterns_text
    from roadworthy.faces.output import print_text

    text, status = patterns_text(path, format_, jobs=jobs, no_cache=no_cache)
    print_text(text, machine=format_ != "terminal")
    raise Finished(status)


@app.command()
@guarded
def rules() -> None:
    """List the rules."""
    from roadworthy.faces.asking import rules_text
    from roadworthy.faces.output import print_text

    print_text(rules_text())


@app.command()
@guarded
def explain(
    name: Annotated[str, typer.Argument(metavar="RULE|FINGERPRINT")],
    path: Annotated[
        Path | None, typer.Argument(metavar="[PATH]", help="The project of a finding.", show_default=False)
    ] = None,
    jobs: Jobs = 0,
    no_cache: NoCache = False,
) -> None:
    """Print the documentation of a rule, or everything known about one finding (by its fingerprint)."""
    from roadworthy.faces.asking import FINGERPRINT, explanation, finding_text
    from roadworthy.faces.output import print_text

    if not FINGERPRINT.fullmatch(name):
        print_text(explanation(name))
        return
    text, status = finding_text(name, path, jobs=jobs, no_cache=no_cache)
    print_text(text)
    raise Finished(status)


@app.command()
@guarded
def library(name: Annotated[str, typer.Argument(metavar="NAME", help="A library, or a dotted name in one.")]) -> None:
    """Print what is known of a library."""
    from roadworthy.faces.asking import library_text
    from roadworthy.faces.output import print_text

    print_text(library_text(name))


@app.command()
@guarded
def baseline(
    action: Annotated[str, typer.Argument(metavar="write|check|prune")],
    path: Annotated[
        Path | None, typer.Argument(metavar="[PATH]", help="The project; none: the current one.", show_default=False)
    ] = None,
    file: Annotated[Path, typer.Option("--file", metavar="FILE", help="The baseline file.")] = Path(
        "roadworthy-baseline.txt"
    ),
) -> None:
    """Keep a file of the findings that were there before; name it as `baseline` in the configuration."""
    from roadworthy.faces.baselines import perform as perform_baseline
    from roadworthy.faces.output import print_text

    text, status = perform_baseline(action, path, file)
    print_text(text)
    raise Finished(status)


@app.command()
@guarded
def schema() -> None:
    """Print the JSON schema of the configuration, for editors and other tools."""
    from roadworthy.faces.asking import schema_text
    from roadworthy.faces.output import print_text

    print_text(schema_text(), machine=True)


@app.command()
@guarded
def completion(shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish|powershell")]) -> None:
    """Print a script that completes commands and options in a shell."""
    from roadworthy.faces.completion import script
    from roadworthy.faces.output import print_text

    print_text(script(shell))


@app.command()
@guarded
def mcp(
    path: Annotated[
        Path | None, typer.Argument(metavar="[PATH]", help="The project; none: the current one.", show_default=False)
    ] = None,
) -> None:
    """Serve agents over standard input and output (Model Context Protocol; needs roadworthy[mcp])."""
    from roadworthy.config import UsageError

    try:
        from roadworthy.faces.mcp import serve
    except ImportError as error:
        raise UsageError("the MCP server needs an extra: pip install 'roadworthy[mcp]'") from error
    serve(path or Path())


@app.command()
@guarded
def lsp(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PATH]", help="The project; none: the folder that the editor opened.", show_default=False
        ),
    ] = None,
    stdio: Annotated[bool, typer.Option("--stdio", help="As without it: many editors add it.")] = True,
) -> None:
    """Serve an editor over standard input and output (Language Server Protocol; needs roadworthy[lsp])."""
    from roadworthy.config import UsageError

    try:
        from roadworthy.faces.lsp import serve
    except ImportError as error:
        raise UsageError("the language server needs an extra: pip install 'roadworthy[lsp]'") from error
    serve(path)


@app.command("agent-definition")
@guarded
def agent_definition() -> None:
    """Print a sub-agent file for coding agents: the reviewer's role, read-only tools, this server, the report's shape."""
    from roadworthy.faces.definition import definition
    from roadworthy.faces.output import print_text

    print_text(definition())


if __name__ == "__main__":
    main()

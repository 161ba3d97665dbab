"""The words of `roadworthy fleet`; what they do stands in `faces.fleet`."""

from pathlib import Path
from typing import Annotated

import typer

from roadworthy.faces.guard import Finished, guarded

fleet = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Review many repositories, and say what is new, what has one cause and whose it is.",
)

FleetFile = Annotated[Path, typer.Argument(metavar="FLEET.toml", help="Which repositories, and how.")]
StoreFile = Annotated[
    str,
    typer.Option(
        "--store", metavar="FILE|URL", help="State and results: a file, or postgresql://…", show_default=False
    ),
]
Format = Annotated[
    str, typer.Option("--format", "-f", metavar="FORMAT", help="terminal, markdown, json, html.", show_default=False)
]
Outputs = Annotated[
    list[Path] | None,
    typer.Option("--output", "-o", metavar="FILE", help="Also write the portfolio there.", show_default=False),
]
FailOn = Annotated[
    str,
    typer.Option(
        "--fail-on",
        metavar="LEVEL",
        help="HIGH, MEDIUM, LOW or never: the least severity with exit status 1.",
        show_default="HIGH",
    ),
]
OnlyNew = Annotated[bool, typer.Option("--only-new", help="Let only what is new count for the exit status.")]


@fleet.command("run")
@guarded
def run_(
    file: FleetFile,
    store: StoreFile = "",
    processes: Annotated[
        int,
        typer.Option("--processes", "-p", min=0, metavar="N", help="Repositories at once; 0: one for each processor."),
    ] = 0,
    format_: Format = "",
    output: Outputs = None,
    fail_on: FailOn = "",
    only_new: OnlyNew = False,
) -> None:
    """Review every repository at its commit; a run that was killed goes on where it was."""
    from roadworthy.faces.fleet import FleetRequest, run

    request = FleetRequest(file, store, processes, format_, tuple(output or ()), fail_on, only_new)
    raise Finished(run(request))


@fleet.command("report")
@guarded
def report_(
    file: FleetFile,
    store: StoreFile = "",
    format_: Format = "",
    output: Outputs = None,
    fail_on: FailOn = "",
    only_new: OnlyNew = False,
) -> None:
    """Write the portfolio of the latest run again."""
    from roadworthy.faces.fleet import FleetRequest, report

    raise Finished(report(FleetRequest(file, store, 0, format_, tuple(output or ()), fail_on, only_new)))

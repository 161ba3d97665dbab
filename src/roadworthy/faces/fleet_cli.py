"""The words of `roadworthy fleet`; what they do stands in `faces.fleet`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from roadworthy.faces.guard import Finished, guarded, silence

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
Processes = Annotated[
    int, typer.Option("--processes", "-p", min=0, metavar="N", help="Repositories at once; 0: one for each processor.")
]
Address = Annotated[
    str,
    typer.Option(
        "--address", metavar="HOST:PORT", help="The Temporal server; usually $TEMPORAL_ADDRESS.", show_default=False
    ),
]
Namespace = Annotated[
    str,
    typer.Option("--namespace", metavar="NAME", help="Its namespace; usually $TEMPORAL_NAMESPACE.", show_default=False),
]
OnlyNew = Annotated[bool, typer.Option("--only-new", help="Let only what is new count for the exit status.")]


@fleet.command("run")
@guarded
def run_(
    file: FleetFile,
    store: StoreFile = "",
    processes: Processes = 0,
    engine: Annotated[
        str, typer.Option("--engine", metavar="NAME", help="embedded, or temporal for several machines.")
    ] = "embedded",
    address: Address = "",
    namespace: Namespace = "",
    format_: Format = "",
    output: Outputs = None,
    fail_on: FailOn = "",
    only_new: OnlyNew = False,
) -> None:
    """Review every repository at its commit; a run that was killed goes on where it was."""
    from roadworthy.faces.fleet import run
    from roadworthy.faces.fleet_request import FleetRequest

    request = FleetRequest(
        file, store, processes, engine, address, namespace, format_, tuple(output or ()), fail_on, only_new
    )
    _finish(run(request), engine)


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
    from roadworthy.faces.fleet import report
    from roadworthy.faces.fleet_request import FleetRequest

    raise Finished(
        report(
            FleetRequest(file, store, format=format_, outputs=tuple(output or ()), fail_on=fail_on, only_new=only_new)
        )
    )


@fleet.command("worker")
@guarded
def worker_(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FLEET.toml]", help="Only to find its usual store; else give --store.", show_default=False
        ),
    ] = None,
    store: StoreFile = "",
    processes: Processes = 0,
    address: Address = "",
    namespace: Namespace = "",
) -> None:
    """Take work of a store from a Temporal server, until SIGTERM or Ctrl-C; needs roadworthy[fleet]."""
    from roadworthy.faces.fleet_request import FleetRequest, store_of
    from roadworthy.faces.fleet_temporal import work_for

    request = FleetRequest(file or Path(), store, processes, address=address, namespace=namespace)
    _finish(work_for(request, store_of(request)), "temporal")


@fleet.command("cancel")
@guarded
def cancel_(file: FleetFile, store: StoreFile = "", address: Address = "", namespace: Namespace = "") -> None:
    """End a run of the engine temporal; what is done is kept, and `fleet run` goes on from there."""
    from roadworthy.faces.fleet_request import FleetRequest
    from roadworthy.faces.fleet_temporal import cancel

    _finish(cancel(FleetRequest(file, store, address=address, namespace=namespace)), "temporal")


def _finish(status: int, engine: str) -> None:
    """End with this status; where Temporal's client has threads of its own, at once: they may crash an interpreter that is ending."""
    if engine == "temporal":
        silence()
        os._exit(status)
    raise Finished(status)

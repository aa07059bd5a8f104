"""The command line: ``qa report``, ``qa check`` and what else a month needs.

Exit codes: 0 all is well, 1 a page failed, 2 bad input. Heavy imports wait until a command runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sized
from pathlib import Path
from typing import Annotated

import typer

import qa_lib
from qa_lib.errors import QaError, StudyError
from qa_lib.study.limits import plain

app = typer.Typer(
    name="qa",
    help="From a raw survey export to a validated, bilingual report on service quality.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

StudyFolder = Annotated[Path, typer.Argument(help="The study's folder, such as data/raw/demo.", metavar="STUDY")]


def _say(message: object, err: bool = False) -> None:
    """Prints a message in which a name from a file can move no cursor and colour no word."""
    typer.echo(plain(message), err=err)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"qa_lib {qa_lib.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def report(
    study: StudyFolder,
    period: Annotated[str | None, typer.Option(help="Such as 2026-10, 2026-Q3 or 2026; the newest by default.")] = None,
    by: Annotated[str | None, typer.Option(help="Also a report for every value of this segment.")] = None,
    lang: Annotated[
        list[str] | None, typer.Option(help="en or zh; may be repeated. All of the study by default.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Pages rendered side by side.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Render pages that are up to date, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be rendered, and why.")] = False,
    xlsx: Annotated[bool, typer.Option("--xlsx", help="Also all tables as a workbook, figures as files.")] = False,
    docx: Annotated[bool, typer.Option("--docx", help="Also the model tables in APA form, figures as files.")] = False,
    cluster: Annotated[
        str | None,
        typer.Option(help="A Dask scheduler to hand the work to, such as tcp://host:8786.", metavar="ADDRESS"),
    ] = None,
) -> None:
    """Render one period of a study into reports/STUDY/PERIOD and print the path of the index page."""
    result = qa_lib.render(
        study,
        period,
        by=by,
        lang=lang or None,
        jobs=jobs,
        force=force,
        dry_run=dry_run,
        xlsx=xlsx,
        docx=docx,
        cluster=cluster,
    )
    for page in result.pages[result.pages["status"].isin(["planned", "failed"])].itertuples():
        _say(f"{page.status}: {page.page}: {page.error or page.reason}", err=True)
    _say(result.summary(), err=True)
    if not dry_run:
        _say(result.index)
    raise typer.Exit(0 if result.ok else 1)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="Such as reports/demo/2026-10.", metavar="REPORT")],
) -> None:
    """Say whether a report still follows from its inputs, its notebooks and this version of qa_lib."""
    from qa_lib.report.verify import verify_report

    findings = verify_report(folder)
    for finding in findings:
        _say(finding)
    if not findings:
        _say(f"{folder} follows from its inputs.")
    raise typer.Exit(1 if findings else 0)


@app.command()
def check(study: StudyFolder) -> None:
    """List what is wrong, or worth a look, in a study's instrument, data and operations records."""
    import pandas as pd

    from qa_lib.operations.checks import check_operations
    from qa_lib.study.findings import CONFIRM
    from qa_lib.study.findings import check as find_problems
    from qa_lib.voice.checks import check_themes

    found = qa_lib.read_study(study)
    findings = pd.concat([find_problems(found), check_operations(found), check_themes(found)], ignore_index=True)
    guesses = findings["severity"] == "confirm"
    for finding in findings[~guesses].itertuples():
        _say(f"{finding.severity}: {finding.file}: {finding.where}: {finding.finding} {finding.advice}".rstrip())
    for finding in findings[guesses].itertuples():
        _say(f"confirm: {finding.file}: {finding.where}: {finding.finding}")
    if guesses.any():
        _say(f"To confirm: {guesses.sum()} {'guess' if guesses.sum() == 1 else 'guesses'}. {CONFIRM}")
    if findings.empty:
        _say("Nothing to mend.")
    raise typer.Exit(2 if (findings["severity"] == "error").any() else 0)


@app.command()
def plan(
    study: StudyFolder,
    period: Annotated[str, typer.Option(help="Whom to monitor when: 2026-11, 2026-W45, 2026-11-02 …")],
    out: Annotated[Path | None, typer.Option(help="The workbook; reports/STUDY/plan-PERIOD.xlsx by default.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed draws the same plan.")] = 1,
) -> None:
    """Draw a monitoring plan from the study's roster and monitoring/plan.yaml, and write it as xlsx.

    Monitors whom the last quarter's calibration sends to retraining are left out.
    """
    from qa_lib.operations.calibration import retraining
    from qa_lib.operations.sampling import plan_file

    found = qa_lib.read_study(study)
    roster = found.roster()
    if roster is None:
        raise StudyError(f"{found.path / 'roster.csv'} does not exist; a plan is drawn from the roster.")
    spec = plan_file(found.path, period)
    retrain = retraining(found.path, found.monitoring(), spec.first, roster)
    drawn = qa_lib.monitoring_plan(roster, spec, seed=seed, retrain=retrain)
    if retrain:
        _say(f"Left out until retrained: {', '.join(retrain)}.")
    out = out or Path("reports") / found.name / f"plan-{period}.xlsx"
    out.parent.mkdir(parents=True, exist_ok=True)
    _say(drawn.write(out))


@app.command()
def new(
    study: StudyFolder,
    exports: Annotated[list[Path], typer.Option("--from", help="An export; may be repeated.", metavar="FILE")],
) -> None:
    """Draft a study from exports of one survey; ``qa check`` then lists what to confirm."""
    from qa_lib.drafting.draft import draft

    drafted = draft(exports)
    drafted.write(study)
    items, dimensions = _counted(drafted.items, "item"), _counted(drafted.dimensions, "dimension")
    segments, columns = _counted(drafted.segments, "segment"), _counted(drafted.left_out, "column")
    _say(
        f"{study}: {items} in {dimensions}, from {drafted.how}; {segments}, {columns} left out.\nNext: qa check {study}"
    )


def _counted(things: Sized, noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


@app.command()
def simulate(
    population: Annotated[
        Path, typer.Argument(help="A population.yaml, such as the demo study's.", metavar="POPULATION")
    ],
    out: Annotated[Path, typer.Argument(help="The study folder to write into.", metavar="STUDY")],
    seed: Annotated[int | None, typer.Option(help="Another draw; the file's own seed by default.")] = None,
) -> None:
    """Draw a survey, and operations records, from a stated population."""
    qa_lib.simulate(population, seed=seed).write(out)
    _say(out)


def main() -> None:
    """Runs the command line; an error a user can mend is printed without a traceback."""
    try:
        app()
    except QaError as error:
        _say(f"error: {error}", err=True)
        sys.exit(2)
    except OSError as error:  # a full disk, a folder without the right to write
        if error.filename is None and error.errno is None:
            raise
        _say(f"error: {error.filename or 'a file'}: {error.strerror}", err=True)
        sys.exit(2)

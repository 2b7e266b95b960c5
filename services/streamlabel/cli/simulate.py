"""`streamlabel simulate`: what the gate would have made of a stream, without a stack."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer

from streamlabel.cli.certify import AlphaOption, DeltaOption, JsonOption, PlotOption
from streamlabel.cli.evidence_files import read_stream
from streamlabel.cli.output_files import check_plot, save_json, save_plot
from streamlabel.cli.run_progress import RunProgress
from streamlabel.cli.shares import said_of_options
from streamlabel.cli.simulation_words import told
from streamlabel.errors import ConfigurationError
from streamlabel.gate import Run, Simulation
from streamlabel.gate import simulate as simulate_stream
from streamlabel.gate.checks import check_levels, check_place, check_rate
from streamlabel.gate.embeddings import MAX_EMBEDDING, used_length
from streamlabel.gate.simulate import LEAST_LANE_RATE

EXIT_INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Adds `simulate` to the command line."""
    app.command("simulate")(simulate)


def simulate(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help=".npz or Parquet, in the order of the stream.", show_default=False)
    ],
    alpha: AlphaOption,
    delta: DeltaOption = 0.05,
    lane_rate: Annotated[
        float | None,
        typer.Option(help="Share of the stream that people always label, in the steady state.", show_default=False),
    ] = None,
    annotator_error: Annotated[float, typer.Option(help="Share of people's answers that are wrong.")] = 0.0,
    double_blind_share: Annotated[
        float, typer.Option(help="Share of the calibration records that a second person answers too, blindly.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Makes the same draws again.")] = 0,
    runs: Annotated[int, typer.Option(min=1, help="Draw coins and annotators' errors so often.")] = 1,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Draw the order anew in each run, too.")] = False,
    change_at: Annotated[
        int | None,
        typer.Option(help="Where the stream is known to change; only to tell the delay.", show_default=False),
    ] = None,
    json_out: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """Put a stream whose truth is known through the gate, by the rules of the services.

    FILE holds `probabilities` [N, K], `labels` [N] (whole numbers below K) and, if there are any, `embeddings` [N, D].

    Examples:

      streamlabel simulate stream.npz --alpha 0.05

      streamlabel simulate stream.npz --alpha 0.05 --runs 100 --shuffle --json runs.json --plot runs.png
    """
    check_plot(plot)
    with said_of_options():
        check_levels(alpha, delta)
        check_rate("annotator_error", annotator_error)
        check_rate("double_blind_share", double_blind_share)
        if lane_rate is not None:
            check_rate("lane_rate", lane_rate, least=LEAST_LANE_RATE)
    given = read_stream(file)
    with said_of_options():
        check_place("change_at", change_at, given.labels.size)
    width = given.embeddings.shape[1] if given.embeddings is not None and given.embeddings.ndim == 2 else 0
    if width and not used_length(width):
        typer.echo(
            f"streamlabel: embeddings of {width:,} numbers are not used; {MAX_EMBEDDING:,} are the most", err=True
        )
    progress = RunProgress(runs)
    try:
        with progress:
            found = simulate_stream(
                given.probabilities,
                given.labels,
                given.embeddings,
                alpha=alpha,
                delta=delta,
                lane_rate=lane_rate,
                annotator_error=annotator_error,
                double_blind_share=double_blind_share,
                seed=seed,
                runs=runs,
                shuffle=shuffle,
                change_at=change_at,
                progress=progress,
            )
    except ValueError as error:
        raise ConfigurationError(f"{file}: {error}") from error
    except KeyboardInterrupt as interrupt:
        typer.echo(f"streamlabel: stopped in {progress.where}; nothing was written", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from interrupt
    if json_out is None or str(json_out) != "-":
        typer.echo(told(found))
    if json_out is not None:
        save_json(json_out, orjson.dumps(_facts(found), option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY))
    if plot is not None:
        save_plot(plot, found.plot(file.name))


def _facts(found: Simulation) -> dict[str, object]:
    return {
        "alpha": found.alpha,
        "delta": found.delta,
        "violation_rate": found.violation_rate,
        "violation_ci": found.violation_ci,
        "runs": [_run_facts(run) for run in found.runs],
    }


def _run_facts(run: Run) -> dict[str, object]:
    return {
        "coverage": run.coverage,
        "coverage_last_quarter": run.coverage_last_quarter,
        "error": run.error,
        "error_last_quarter": run.error_last_quarter,
        "answers": run.answers,
        "second_answers": run.second_answers,
        "transitions": [
            {"index": each.place, "state": each.state.value, "reason": each.reason} for each in run.transitions
        ],
        "detection_delay": run.detection_delay,
        "suspects": run.suspects,
        "guard": run.guard,
        "answers_needed": run.answers_needed,
        "overlooked_bound": run.overlooked_bound,
        "windows": [asdict(window) for window in run.windows],
    }

"""`streamlabel certify scores`: from which score on a model may label alone, without a stack. Beside it stands `certify lot`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import orjson
import typer

from streamlabel.cli import lot
from streamlabel.cli.evidence_files import read_scores
from streamlabel.cli.output_files import check_plot, save_json, save_plot
from streamlabel.cli.shares import said_of_options
from streamlabel.errors import ConfigurationError
from streamlabel.gate import Certified
from streamlabel.gate import certify as certify_scores
from streamlabel.gate.answers_wanted import in_words
from streamlabel.gate.checks import check_levels

AlphaOption = Annotated[
    float,
    typer.Option("--alpha", help="Largest share of wrong labels among those that the model sets alone: 0.05 for 5 %."),
]
DeltaOption = Annotated[float, typer.Option("--delta", help="The chance that the promise is broken.")]
JsonOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="OUT", help="Write the result as JSON; -: to stdout.", show_default=False),
]
PlotOption = Annotated[
    Path | None, typer.Option("--plot", metavar="OUT.png", help="Draw it (PNG, SVG or PDF).", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Adds `certify` to the command line."""
    certify = typer.Typer(help="Certificates of labels that nobody looked at.", no_args_is_help=True)
    certify.command("scores")(scores)
    lot.add_to(certify)
    app.add_typer(certify, name="certify")


def scores(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or Parquet, one row a record.", show_default=False)],
    alpha: AlphaOption,
    delta: DeltaOption = 0.05,
    score_column: Annotated[str, typer.Option(help="The column of scores.")] = "score",
    correct_column: Annotated[
        str, typer.Option(help="1: the model was right, 0: wrong, empty: nobody looked.")
    ] = "correct",
    look: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Which of several looks at growing answers this is, planned from the first on: 1, 2, … "
            "Look N is tested at DELTA / (N (N + 1)), all together at DELTA. Unset: the only look, at all of it.",
            show_default=False,
        ),
    ] = None,
    require: Annotated[
        bool, typer.Option("--require", help="Exit with 1 if nothing can be certified, for scripts.")
    ] = False,
    json_out: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """Find the score from which on a model may label alone: at most ALPHA wrong, with probability 1 - DELTA.

    The rows with an answer must have been drawn at random, whatever the model said. Rows without one make the
    coverage more exact. Any score will do; it need not be a probability.

    The promise is about one look. Who gathers more answers and looks again until it passes breaks it, for each look is another
    chance to be lucky; so does who tries one score after the other on the same answers. To come back with more, say so from
    the first look on: --look 1, then --look 2 with all answers so far, and so on.

    "Not certified" is an answer, not a failure: the exit code is 0, unless you --require a certificate.

    Examples:

      streamlabel certify scores answers.csv --alpha 0.05

      streamlabel certify scores answers.csv --alpha 0.02 --delta 0.01 --json certificate.json --plot certificate.png

      streamlabel certify scores answers.csv --alpha 0.05 --look 1
    """
    check_plot(plot)
    with said_of_options():
        check_levels(alpha, delta)
    given = read_scores(file, score_column, correct_column)
    try:
        found = certify_scores(
            given.scores, given.correct, alpha=alpha, delta=delta, unlabelled=given.unlabelled, look=look
        )
    except ValueError as error:
        raise ConfigurationError(f"{file}: {error}") from error
    if json_out is None or str(json_out) != "-":
        typer.echo(_told(found))
    if json_out is not None:
        save_json(json_out, orjson.dumps(_facts(found), option=orjson.OPT_INDENT_2))
    if plot is not None:
        save_plot(plot, found.plot(file.name))
    if require and found.certificate is None:
        raise typer.Exit(1)


def _facts(found: Certified) -> dict[str, object]:
    certificate = found.certificate
    return {
        "threshold": found.threshold if math.isfinite(found.threshold) else None,
        "n": certificate.count if certificate else 0,
        "k": certificate.errors if certificate else 0,
        "bound": certificate.bound if certificate else None,
        "coverage": found.coverage,
        "certified": certificate is not None,
        "more_labels_needed": found.more_labels_needed,
        "alpha": found.alpha,
        "delta": found.delta,
        "look": found.look,
        "level": found.level,
    }


def _told(found: Certified) -> str:
    certificate = found.certificate
    which = "" if found.look is None else f" at look {found.look}"
    if certificate is not None:
        return (
            f"Certified{which}: from score {found.threshold_told(6)} on the model may label alone.\n"
            f"At most {certificate.bound:.2%} of those labels are wrong (allowed: {found.alpha:.2%}), "
            f"with probability {1 - found.delta:.4g}{'' if found.look is None else ' over all looks'}.\n"
            f"Evidence: {certificate.errors:,} wrong among {certificate.count:,} answers. "
            f"Coverage: {found.coverage:.1%} of all records."
        )
    if found.more_labels_needed is None and found.is_good_somewhere:
        return (
            f"Not certified{which}: of a part of the answers fewer than {found.alpha:.2%} look wrong, but only just, or it is not the "
            "surest part, with which a certificate begins. Find a score that ranks the wrong ones lower, or allow more errors."
        )
    if found.more_labels_needed is None:
        return (
            f"Not certified{which}: nowhere do the answers look as if fewer than {found.alpha:.2%} were wrong. "
            "Allow more errors, or find a better score."
        )
    wanted = f"{in_words(found.more_labels_needed)} more answers, drawn at random like these"
    if found.look is None:
        return (
            f"Not certified: {wanted}, would have made it likely.\n"
            "To come back with more answers: begin with --look 1, then --look 2 with all of them, and so on; looking again without "
            "it breaks the promise."
        )
    return (
        f"Not certified at look {found.look} (tested at {found.level:.4g} of {found.delta:g}): "
        f"{wanted}, would make it likely. Come back with all of them and --look {found.look + 1}."
    )

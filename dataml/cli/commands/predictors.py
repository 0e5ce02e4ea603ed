"""`dataml predictors`: which version answers, aliases, promotion, roll-back and split traffic."""

import csv
import io
from pathlib import Path
from typing import Annotated, Final

import typer

from dataml.cli.options import DEFAULT_LIMIT, Limit, Offset, print_page
from dataml.cli.session import Session, client_command

app = typer.Typer(help="Release versions: promote, roll back, aliases, split traffic.", no_args_is_help=True)

Predictor = Annotated[str, typer.Argument(metavar="PREDICTOR", help="Name of the predictor, also the one in URLs.")]
Version = Annotated[int, typer.Argument(metavar="VERSION", help="Number of a version.")]
Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="Small letters, digits and . _ -; not a number.")]
Reason = Annotated[str | None, typer.Option(help="Why; the history and the audit log have it.")]
_COLUMNS: Final = ("predictor_name", "problem_type", "champion_version", "newest_version", "versions", "promotion")


def add_to(root: typer.Typer, panel: str) -> None:
    """Add the commands to the command line."""
    client_command(app, "list")(_list)
    client_command(app, "show")(_show)
    client_command(app, "promote")(_promote)
    client_command(app, "rollback")(_roll_back)
    client_command(app, "promotion")(_set_promotion)
    client_command(app, "alias")(_set_alias)
    client_command(app, "unalias")(_remove_alias)
    client_command(app, "traffic")(_set_traffic)
    client_command(app, "compare")(_compare)
    client_command(app, "actuals")(_record_actuals)
    root.add_typer(app, name="predictors", rich_help_panel=panel)


def _list(session: Session, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0) -> None:
    """List the predictors, newest first, with the version that answers for each."""
    print_page(session, session.api.list_predictors(limit=limit, offset=offset), _COLUMNS, offset)


def _show(session: Session, predictor: Predictor) -> None:
    """Show a predictor with its versions, its aliases and the history of its champion."""
    session.output.record(session.client.predictors.get(predictor).info)


def _promote(session: Session, predictor: Predictor, version: Version, reason: Reason = None) -> None:
    """Let a version answer for its predictor; a split of the traffic ends."""
    session.output.record(session.client.predictors.get(predictor).promote(version, reason).info)


def _roll_back(session: Session, predictor: Predictor, reason: Reason = None) -> None:
    """Let the version answer again that did before."""
    session.output.record(session.client.predictors.get(predictor).roll_back(reason).info)


def _set_promotion(
    session: Session,
    predictor: Predictor,
    promotion: Annotated[str, typer.Argument(metavar="automatic|manual", help="What a version does that completes.")],
) -> None:
    """Say whether a version that completes answers by itself, or waits to be promoted."""
    if promotion not in ("automatic", "manual"):
        raise typer.BadParameter("it is automatic or manual")
    session.output.record(session.client.predictors.get(predictor).set_promotion(promotion).info)


def _set_alias(session: Session, predictor: Predictor, alias: Alias, version: Version) -> None:
    """Make an alias name a version; the alias champion promotes it."""
    session.output.record(session.client.predictors.get(predictor).set_alias(alias, version).info)


def _remove_alias(session: Session, predictor: Predictor, alias: Alias) -> None:
    """Remove an alias; the version stays."""
    session.output.record(session.client.predictors.get(predictor).remove_alias(alias).info)


def _set_traffic(
    session: Session,
    predictor: Predictor,
    split: Annotated[
        list[str] | None, typer.Option(metavar="VERSION=PERCENT", help="Share of a version; they add up to 100.")
    ] = None,
    shadow: Annotated[
        list[int] | None, typer.Option(metavar="VERSION", help="A version that gets a copy of each request.")
    ] = None,
) -> None:
    """Split the requests among versions and copy them to shadows; without options the champion gets all."""
    shares = dict(_read_share(text) for text in split or ())
    if len(shares) < len(split or ()):
        raise typer.BadParameter("a version is named twice", param_hint="--split")
    session.output.record(session.client.predictors.get(predictor).set_traffic(shares, shadow or ()).info)


def _read_share(text: str) -> tuple[int, int]:
    version, _, percent = text.partition("=")
    # A letter of another script is a digit to int().
    if not (version.isascii() and version.isdecimal() and percent.isascii() and percent.isdecimal()):
        raise typer.BadParameter(f"{text!r} is not VERSION=PERCENT, as 2=10", param_hint="--split")
    return int(version), int(percent)


def _compare(
    session: Session,
    predictor: Predictor,
    version: Annotated[
        int | None,
        typer.Argument(metavar="[VERSION]", help="A shadow; without it those that share the traffic."),
    ] = None,
) -> None:
    """Show what a shadow has predicted beside what was answered, or the versions that share the traffic."""
    found = session.client.predictors.get(predictor)
    session.output.record(found.compare(version) if version is not None else found.compare_split())


def _record_actuals(
    session: Session,
    predictor: Predictor,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="A CSV file with the columns prediction_id and value."
        ),
    ],
) -> None:
    """Record what has really come of predictions in real time; the same file again changes nothing."""
    session.output.record(session.client.predictors.get(predictor).record_actuals(_read_outcomes(file)))


def _read_outcomes(file: Path) -> dict[int, str]:
    outcomes: dict[int, str] = {}
    try:
        reader = csv.DictReader(io.StringIO(file.read_text("utf-8-sig"), newline=""), strict=True)
        if not {"prediction_id", "value"} <= set(reader.fieldnames or ()):
            raise typer.BadParameter("it needs the columns prediction_id and value", param_hint="FILE")
        for row in reader:
            text = (row["prediction_id"] or "").strip()
            # A letter of another script is a digit to int(). Ids of predictions have 19 digits at most.
            if not (text.isascii() and text.isdecimal() and len(text) < 20) or row["value"] is None:
                raise typer.BadParameter(f"line {reader.line_num} has no prediction_id and value", param_hint="FILE")
            if int(text) in outcomes:
                raise typer.BadParameter(f"line {reader.line_num} has prediction {text} again", param_hint="FILE")
            outcomes[int(text)] = row["value"]
    except (UnicodeDecodeError, csv.Error) as error:
        raise typer.BadParameter(f"it is no CSV in UTF-8: {error}", param_hint="FILE") from None
    return outcomes

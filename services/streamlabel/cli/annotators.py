"""`streamlabel annotators`: who may work in review, as what, and by which tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Table

from streamlabel.cli.connection import DataDirOption, connect, run
from streamlabel.client.access import AccessClient
from streamlabel.client.review import CallRefusedError
from streamlabel.core.access import Account, AnnotatorState, Appointment
from streamlabel.errors import ConfigurationError

T = TypeVar("T")
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The annotator's name, as it stands in answers.")]


def register(app: typer.Typer) -> None:
    """Adds `annotators` to the command line."""
    annotators = typer.Typer(
        help="Who may work in review, as what, and by which tokens. Needs the token of an admin in STREAMLABEL_TOKEN, "
        "or in the file that STREAMLABEL_TOKEN_FILE names.",
        no_args_is_help=True,
    )
    annotators.command("add")(add)
    annotators.command("list")(listing)
    annotators.command("pause")(pause)
    annotators.command("resume")(resume)
    annotators.command("remove")(remove)
    annotators.command("token")(token)
    annotators.command("revoke")(revoke)
    app.add_typer(annotators, name="annotators")


def add(
    name: NameArgument,
    role: Annotated[
        list[str] | None,
        typer.Option(
            "--role",
            "-r",
            metavar="ROLE[@PROJECT]",
            help="annotator, reviewer, admin or service; for every project, or with @PROJECT for one; may be repeated.",
            show_default="annotator",
        ),
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Add an annotator, or give one that is there exactly these roles.

    An annotator answers tasks; a reviewer also decides what others left open, and sees what they answered; an admin manages
    annotators; a service is a program that acts under the names of people.

    Examples:

      streamlabel annotators add ann

      streamlabel annotators add rita --role reviewer@mail --role annotator
    """
    roles = role or ["annotator"]
    for each in roles:
        try:
            Appointment.parse(each)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--role") from error
    account = ask_office(lambda client: client.put(name, roles), data_dir)
    typer.echo(f"{name}: {_roles(account)}")
    if not account.tokens:
        typer.echo(f"`streamlabel annotators token {name}` makes a token to log in with", err=True)


def listing(
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object an annotator, one a line.")] = False,
) -> None:
    """Everybody, with their roles and tokens. When a token was last used is known to the hour."""
    accounts = ask_office(lambda client: client.accounts(), data_dir)
    if as_json:
        for account in accounts:
            typer.echo(orjson.dumps(_row(account)).decode())
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("annotator", "roles", "state", "token", "made for", "made", "last used"):
        table.add_column(heading, overflow="fold")
    for account in accounts:
        told = (account.annotator.name, _roles(account), account.annotator.state.value)
        in_force = [facts for facts in account.tokens if facts.revoked_at is None]
        if not in_force:
            table.add_row(*told, "none", "", "", "")
        for facts in in_force:
            table.add_row(*told, facts.token_id, facts.name or "–", _hour(facts.created_at), _hour(facts.last_used_at))
            told = ("", "", "")
    Console().print(table if accounts else "nobody yet: streamlabel annotators add NAME")


def pause(name: NameArgument, data_dir: DataDirOption = None) -> None:
    """Let an annotator get no task and hand in no answer until they are resumed; what is in their hands they may give back."""
    ask_office(lambda client: client.set_state(name, AnnotatorState.PAUSED), data_dir)
    typer.echo(f"{name} is paused")


def resume(name: NameArgument, data_dir: DataDirOption = None) -> None:
    """Let an annotator go on who was paused."""
    ask_office(lambda client: client.set_state(name, AnnotatorState.ACTIVE), data_dir)
    typer.echo(f"{name} may go on")


def remove(name: NameArgument, data_dir: DataDirOption = None) -> None:
    """Remove an annotator and all their tokens. What they answered stays, under their name."""
    ask_office(lambda client: client.remove(name), data_dir)
    typer.echo(f"{name} is removed")


def token(
    name: NameArgument,
    made_for: Annotated[
        str, typer.Option("--for", metavar="WHERE", help="Where it is used, for the list.", show_default=False)
    ] = "",
    data_dir: DataDirOption = None,
) -> None:
    """Make a token for an annotator and print it, this once: at rest lies its keyed hash alone.

    Examples:

      streamlabel annotators token ann --for "the laptop"

      streamlabel annotators token bot > bot.token
    """
    secret, facts = ask_office(lambda client: client.create_token(name, made_for), data_dir)
    typer.echo(secret)
    typer.echo(f"token {facts.token_id} of {name}: it is shown this once", err=True)


def revoke(
    name: NameArgument,
    token_id: Annotated[
        str, typer.Option("--token", metavar="ID", help="This one alone, as `list` tells it.", show_default=False)
    ] = "",
    data_dir: DataDirOption = None,
) -> None:
    """Revoke the tokens of an annotator: each replica turns them away within seconds."""
    revoked = ask_office(lambda client: client.revoke(name, token_id), data_dir)
    typer.echo(f"{revoked} {'token' if revoked == 1 else 'tokens'} of {name} revoked")
    if token_id and not revoked:
        raise typer.Exit(1)


def ask_office(work: Callable[[AccessClient], Awaitable[T]], data_dir: Path | None) -> T:
    """What `work` brings from the review service; that this command may not ask it is a matter of settings."""
    address = connect(data_dir).review_address

    async def asking() -> T:
        async with AccessClient(address) as client:
            try:
                return await work(client)
            except CallRefusedError as error:
                if error.code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
                    raise ConfigurationError(error.detail) from error
                raise

    return run(asking())


def _roles(account: Account) -> str:
    return ", ".join(map(str, account.annotator.appointments))


def _hour(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M") if moment else "never"


def _row(account: Account) -> dict[str, object]:
    return {
        "name": account.annotator.name,
        "roles": [str(each) for each in account.annotator.appointments],
        "state": account.annotator.state.value,
        "tokens": [
            {
                "token_id": facts.token_id,
                "made_for": facts.name,
                "created_at": facts.created_at,
                "last_used_at": facts.last_used_at,
                "revoked_at": facts.revoked_at,
            }
            for facts in account.tokens
        ],
    }

"""One call of the review service by a command: soon given up, and what is refused said in the words of the command line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer

from streamlabel.client.retry import Patience
from streamlabel.client.review import CallRefusedError, ReviewClient
from streamlabel.errors import TransientError

_GIVE_UP_S = 5.0
_OTHER_REVIEW = (
    "`streamlabel status` tells of the stack here, STREAMLABEL_CLI_REVIEW_ADDRESS names another review service"
)
Told = TypeVar("Told")


async def ask_review(address: str, question: Callable[[ReviewClient], Awaitable[Told]], hints: dict[str, str]) -> Told:
    """The answer to `question`; what is not found becomes a bad parameter, `hints` names the parameter of each field."""
    async with ReviewClient(address, timeout_s=_GIVE_UP_S, patience=Patience(give_up_s=_GIVE_UP_S)) as client:
        try:
            return await question(client)
        except TransientError as error:
            raise TransientError(f"review at {error}; {_OTHER_REVIEW}") from error
        except CallRefusedError as error:
            if error.code != "NOT_FOUND" or error.field not in hints:
                raise
            detail = error.detail.removeprefix(f"{error.field}: ")
            raise typer.BadParameter(detail, param_hint=hints[error.field]) from error

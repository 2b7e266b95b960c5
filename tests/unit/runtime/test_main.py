"""The front door: help, settings in force, and the exit code for settings that are wrong."""

from __future__ import annotations

import pytest
from pydantic import Field, SecretStr

from streamlabel.runtime.main import main
from streamlabel.runtime.process import EXIT_CONFIGURATION, Process
from streamlabel.runtime.settings import ServiceSettings, describe_settings


class RoutingLike(ServiceSettings):
    """Stands for a service's own settings."""

    routing_lane_rows: int = Field(1000, ge=1, le=10_000, description="Rows in a batch: 100 % of them")
    routing_secret: SecretStr | None = Field(None, description="A secret")


async def unwired(process: Process, settings: RoutingLike) -> None:
    raise AssertionError("nothing must be wired")


def leave(*argv: str, **environ: str) -> object:
    with pytest.raises(SystemExit) as caught:
        main("routing", RoutingLike, unwired, argv=argv, environ=environ)
    return caught.value.code


def test_help_lists_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("--help") == 0
    shown = capsys.readouterr().out
    assert "python -m streamlabel.routing" in shown
    for row in describe_settings(RoutingLike):
        assert row.key in shown
        assert row.help in shown


def test_the_settings_in_force_are_shown_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("--print-settings", STREAMLABEL_ROUTING_LANE_ROWS="7", STREAMLABEL_ROUTING_SECRET="hunter2") == 0
    shown = capsys.readouterr().out
    assert "STREAMLABEL_ROUTING_LANE_ROWS=7\n" in shown
    assert "hunter2" not in shown


def test_wrong_settings_end_with_their_own_code_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave(STREAMLABEL_ROUTING_LANE_ROWS="0", STREAMLABEL_NONSENSE="1") == EXIT_CONFIGURATION
    told = capsys.readouterr().err
    assert told.startswith("streamlabel routing: cannot start: 2 settings are wrong:")
    assert "Traceback" not in told


def test_arguments_that_do_not_exist_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("--port", "1") == 2
    assert "unrecognized arguments" in capsys.readouterr().err

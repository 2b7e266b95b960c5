"""The demos that there are: what each refuses, and who answers in them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from streamlabel.cli.demo.command import Name
from streamlabel.cli.demo.options import DemoOptions
from streamlabel.cli.demo.repertoire import REPERTOIRE, fallible, unseen
from streamlabel.cli.demo.scene import Example
from streamlabel.errors import ConfigurationError


def options(**given: object) -> DemoOptions:
    plain: dict[str, object] = {
        "records": None,
        "endless": False,
        "drift": False,
        "per_second": 0.0,
        "annotators": 1,
        "annotator_error": None,
        "think_time_s": 0.0,
        "exit_when_done": False,
        "report": None,
        "patience_s": 5.0,
    }
    return DemoOptions(**(plain | given))  # type: ignore[arg-type]


def test_every_demo_has_a_name_and_an_example() -> None:
    assert {name.value for name in Name} == set(REPERTOIRE)
    for name, piece in REPERTOIRE.items():
        assert Example.find(name, None).project().name == name
        piece.refuse(options())


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("digits", {"endless": True, "records": 5}, "--endless never ends"),
        ("digits", {"endless": True, "exit_when_done": True}, "--endless never ends"),
        ("digits", {"endless": True, "drift": True}, "--drift changes the stream in its middle"),
        ("sentiment", {"endless": True}, "--endless is for digits"),
        ("sentiment", {"drift": True}, "--drift is for digits"),
        ("sentiment", {"annotator_error": 0.0}, "--annotator-error is for digits"),
    ],
)
def test_options_that_make_no_sense_are_refused(name: str, given: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        REPERTOIRE[name].refuse(options(**given))


def test_unseen_leaves_out_what_the_model_saw(tmp_path: Path) -> None:
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"train": [0, 1, 2], "tune": [29]}))
    assert unseen(split, 30) == list(range(3, 29))


@pytest.mark.parametrize("text", ["{}", "[]", "not json", '{"train": ["x"], "tune": []}'])
def test_an_unreadable_split_is_refused_by_name(tmp_path: Path, text: str) -> None:
    split = tmp_path / "split.json"
    split.write_text(text)
    with pytest.raises(ConfigurationError, match=r"split\.json"):
        unseen(split, 30)


def test_a_missing_example_is_told_with_the_option_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{tmp_path}.*--example"):
        Example.find("sentiment", tmp_path)


def test_fallible_people_err_as_often_as_told() -> None:
    answer = fallible(lambda record_id: record_id or None, ["a", "b", "c"], 0.3)
    chance = random.Random(1)
    said = [answer("a", chance) for _ in range(2000)]
    assert 0.27 < sum(each != "a" for each in said) / 2000 < 0.33
    assert set(said) == {"a", "b", "c"}
    assert answer("", chance) is None

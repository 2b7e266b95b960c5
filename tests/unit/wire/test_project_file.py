"""A project file either gives a project or says, line by line, how to mend it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streamlabel.core.decision import Purpose
from streamlabel.core.project import CertifiedPolicy, ImageEncoder, ReviewAllPolicy, ReviewPolicy
from streamlabel.errors import ConfigurationError
from streamlabel.wire.project_file import RESERVED_KEYS, load_project, parse_project

PAGE_KEYS = Path(__file__).parents[3] / "services/streamlabel/review/adapters/web/static/js/keys.js"

GOOD = """\
project: digits
payload: image
taxonomy: {version: 3, classes: ["0", "1", {name: two, key: t}, blue, u]}
model:
  name: cnn
  version: 2
  input: {name: image, width: 28, height: 28, channels: 1}
  output: {name: logits, kind: logits, embedding: emb}
policy: {kind: certified, alpha: 0.05}
review: {instructions: "Which digit?"}
source: {payload: body.img, record_id: id, attributes: {lang: l}}
"""


def test_a_whole_file_becomes_a_project() -> None:
    project = parse_project(GOOD)
    assert project.name == "digits"
    assert project.policy == CertifiedPolicy(alpha=0.05, delta=0.05)
    assert project.model is not None
    assert project.model.encoder == ImageEncoder(width=28, height=28, channels=1)
    assert project.taxonomy.version == 3
    assert project.source is not None
    assert project.source.attributes == {"lang": "l"}


def test_a_share_of_calibration_may_be_looked_at_twice() -> None:
    project = parse_project(GOOD.replace("alpha: 0.05}", "alpha: 0.05, double_blind_share: 0.2}"))
    assert project.policy == CertifiedPolicy(alpha=0.05, delta=0.05, double_blind_share=0.2)
    with pytest.raises(ConfigurationError, match="double_blind_share must lie in 0-1"):
        parse_project(GOOD.replace("alpha: 0.05}", "alpha: 0.05, double_blind_share: 2}"))


def test_how_many_people_are_asked_is_said_for_all_purposes_or_for_each() -> None:
    def parsed(review: str) -> ReviewPolicy:
        return parse_project(GOOD.replace('review: {instructions: "Which digit?"}', review)).review

    assert parsed("review: {instructions: x}") == ReviewPolicy()
    assert parsed("review: {votes: 3, sure: 0.98}") == ReviewPolicy(votes=dict.fromkeys(Purpose, 3), sure=0.98)
    assert parsed("review: {votes: 7}").max_votes == 7
    some = parsed("review: {votes: {train: 2}, max_votes: 4}")
    assert (some.votes_for(Purpose.TRAIN), some.votes_for(Purpose.CALIBRATE), some.max_votes) == (2, 1, 4)


@pytest.mark.parametrize(
    ("review", "complaint"),
    [
        ("{votes: 0}", "votes for calibrate must be 1-5"),
        ("{votes: many}", "review.votes: must be a whole number"),
        ("{votes: {trane: 2}}", "unknown key 'review.votes.trane'; did you mean 'train'"),
        ("{votes: 3, max_votes: 2}", "must be 1-2 .max_votes., not 3"),
        ("{max_votes: 16}", "max_votes must be 1-15, not 16"),
        ("{sure: 1}", "sure must lie strictly between 0.5 and 1, not 1"),
    ],
)
def test_what_nobody_could_vote_by_is_refused_at_its_line(review: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"project file:10: .*{complaint}"):
        parse_project(GOOD.replace('{instructions: "Which digit?"}', review))


def test_classes_get_keys_that_are_easy_to_remember() -> None:
    keys = {each.name: each.key for each in parse_project(GOOD).taxonomy.classes}
    assert keys == {"0": "0", "1": "1", "two": "t", "blue": "2", "u": "3"}  # u undoes in the page: never a class


def test_no_class_gets_a_key_that_means_something_in_the_page() -> None:
    """The page's own single keys, as it lists them; a class may still take one by hand."""
    listed = re.findall(r"keys: \[(.*?)\]", PAGE_KEYS.read_text())
    single = {key for keys in listed for key in re.findall(r'"(.)"', keys)} - {" "}
    assert single == set(RESERVED_KEYS)


def test_a_large_taxonomy_gets_no_keys_by_default() -> None:
    classes = ", ".join(f"c{i}" for i in range(77))
    project = parse_project(f"project: p\npayload: text\ntaxonomy: {{classes: [{classes}]}}\n")
    assert {each.key for each in project.taxonomy.classes} == {""}
    assert project.policy == ReviewAllPolicy()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("project: digits", "projct: digits"), "f.yaml:1: unknown key 'projct'; did you mean 'project'"),
        (("payload: image", "payload: imgae"), "f.yaml:2: payload: 'imgae' is not one of .*did you mean 'image'"),
        (("payload: image", "payload: text"), "f.yaml:7: unknown key 'model.input.width'"),
        (("digits", "Digits!"), "f.yaml:1: project: project name 'Digits!'"),
        (("version: 3", "version: three"), "f.yaml:3: taxonomy.version: must be a whole number, not 'three'"),
        (('["0", "1"', '["1", "1"'), "f.yaml:3: taxonomy.classes: class '1' is there twice"),
        (("key: t", "key: tt"), "f.yaml:3: key 'tt' of class 'two' must be one visible character"),
        (("kind: certified", "kind: certifed"), "f.yaml:9: policy.kind: 'certifed' .*did you mean 'certified'"),
        (("alpha: 0.05", "alpha: 5"), "f.yaml:9: policy.kind: alpha must lie strictly between 0 and 1"),
        (("alpha: 0.05", "alpha: 0.0001"), "f.yaml:9: policy.kind: alpha 0.0001 .* From alpha 0.00055 on it could"),
        (("alpha: 0.05", "threshold: 0.5"), "f.yaml:9: policy.threshold: has no meaning under kind certified"),
        (("width: 28", "width: 0"), "image encoder takes 1-8192 pixels"),
        (("kind: logits", "kind: logit"), "f.yaml:8: model.output.kind: 'logit' .*did you mean 'logits'"),
        (("project: digits\n", "project: digits\nproject: again\n"), "f.yaml:2: key 'project' is there twice"),
        (("payload: image", "payload: [image"), "f.yaml:.*not valid YAML"),
    ],
)
def test_a_mistake_is_named_with_its_line(change: tuple[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_project(GOOD.replace(*change, 1), "f.yaml")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("taxonomy: [a, b]", "taxonomy: {classes: [a, b]}"),
        ('taxonomy: ["0", "1", "2", "3"]', 'taxonomy: {classes: ["0", "1", "2", …]}'),
        ("taxonomy: [{name: a}, b]", "taxonomy: {classes: […, b]}"),
        ("policy: review_all", "policy: {kind: review_all}"),
        ("review: Which one?", "review: {instructions: Which one?}"),
        ("review: |\n  Which\n  one?", "review: {instructions: …}"),
        ("source: body.text", "source: {payload: body.text}"),
    ],
)
def test_what_stands_where_a_section_belongs_is_shown_within_it(written: str, meant: str) -> None:
    key = written.partition(":")[0]
    taxonomy = "" if key == "taxonomy" else "taxonomy: {classes: [a, b]}\n"
    with pytest.raises(ConfigurationError) as raised:
        parse_project(f"project: p\npayload: text\n{taxonomy}{written}\n", "f.yaml")
    line = 3 if key == "taxonomy" else 4
    assert str(raised.value) == f"f.yaml:{line}: {key} must be a mapping of keys to values; write {meant}"


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_project("projct: a\npaylod: text\n", "f.yaml")
    assert len(str(raised.value).splitlines()) == 5


def test_mistakes_are_told_in_the_order_of_their_lines() -> None:
    text = (
        "review: {instrctions: x}\nsource: {payload: [a]}\npolicy: {kind: threshld}\n"
        "taxonomy: {classes: 3}\npayload: txt\nproject: A B\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        parse_project(text, "p.yaml")
    lines = [int(complaint.split(":")[1]) for complaint in str(caught.value).splitlines()]
    assert lines == sorted(lines)
    assert set(lines) == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "\0", "a: &x [*x]"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_project(text)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_project(tmp_path / "missing.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"project: \xe4")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_project(tmp_path / "latin.yaml")

"""The checker must see a loss, a double and a gap: a judge that cannot condemn proves nothing."""

from __future__ import annotations

from streamlabel.cli.demo.checker import Findings, ReadLabel, judge
from streamlabel.core.label import Label, LabelSource
from support.label_samples import human_label, model_label

CLASSES = [str(digit) for digit in range(10)]


def read(*labels: Label) -> list[ReadLabel]:
    return [ReadLabel(label=label, partition=0, offset=offset, written_ms=0) for offset, label in enumerate(labels)]


def verdict(records: list[str], *labels: Label) -> Findings:
    return judge(records, read(*labels), classes=CLASSES, truth=lambda record_id: "3")


def test_a_label_each_is_clean() -> None:
    findings = verdict(["a", "b"], model_label("a"), human_label("b", "4"))
    assert findings.clean
    assert (findings.records, findings.labelled) == (2, 2)
    assert findings.by_source == {LabelSource.MODEL: 1, LabelSource.HUMAN: 1}
    assert findings.error_rate(LabelSource.MODEL) == 0.0
    assert findings.error_rate(LabelSource.HUMAN) == 1.0


def test_a_record_without_a_label_is_lost() -> None:
    findings = verdict(["a", "b"], model_label("a"))
    assert findings.lost == ("b",)
    assert not findings.clean


def test_the_same_label_twice_is_a_duplicate_even_if_equal() -> None:
    findings = verdict(["a"], model_label("a"), model_label("a"))
    assert findings.duplicated == ("a",)
    assert not findings.clean


def test_model_and_person_both_at_revision_1_are_a_duplicate() -> None:
    assert verdict(["a"], model_label("a"), human_label("a")).duplicated == ("a",)


def test_a_correction_is_no_duplicate_and_the_last_revision_counts() -> None:
    findings = verdict(["a"], human_label("a", "4"), human_label("a", "3", revision=2))
    assert findings.clean
    assert findings.error_rate(LabelSource.HUMAN) == 0.0


def test_a_revision_out_of_order_or_missing_is_a_duplicate() -> None:
    assert verdict(["a"], human_label("a", revision=2)).duplicated == ("a",)
    assert verdict(["a"], human_label("a", revision=2), human_label("a")).duplicated == ("a",)


def test_a_class_that_does_not_exist_is_condemned() -> None:
    findings = verdict(["a"], model_label("a", "eleven"))
    assert findings.wrong_class == ("a",)
    assert not findings.clean


def test_labels_of_other_records_are_strangers_and_count_as_nothing() -> None:
    findings = verdict(["a"], model_label("a"), model_label("z"))
    assert findings.strangers == ("z",)
    assert findings.labelled == 1
    assert findings.clean


def test_no_labels_of_a_source_have_no_error_rate() -> None:
    assert verdict(["a"]).error_rate(LabelSource.MODEL) is None


def test_unknown_truth_is_no_error() -> None:
    findings = judge(["a"], read(model_label("a", "4")), classes=CLASSES, truth=lambda record_id: None)
    assert findings.error_rate(LabelSource.MODEL) == 0.0

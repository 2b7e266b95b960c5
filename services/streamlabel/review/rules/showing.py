"""What a person may see of a task."""

from __future__ import annotations

from dataclasses import replace

from streamlabel.core.review import ReviewTask


def as_shown(task: ReviewTask) -> ReviewTask:
    """The task as an annotator gets it: a blind one tells nothing of what the model thinks, nor how sure it is.

    Nor does it tell that others are asked too: what two people answer stands for what one answers only where neither takes more
    care than usual.
    """
    if not task.blind:
        return task
    return replace(
        task,
        decision=replace(task.decision, score=0.0, threshold=0.0, needed_votes=1),
        needed_votes=1,
        model_name="",
        model_version=0,
    )

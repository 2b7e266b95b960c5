"""Projects and tasks to look at: digits, messages of 77 kinds, 150 intents, vectors, documents, links."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Iterable, Sequence
from typing import Any

from PIL import Image, ImageDraw

from streamlabel.v1 import decision_pb2, project_pb2, record_pb2, review_pb2

Kind = project_pb2.PayloadKind

DIGIT_STROKES: dict[str, Sequence[tuple[int, int]]] = {
    "0": ((10, 5), (18, 7), (20, 14), (18, 21), (12, 23), (8, 20), (7, 12), (10, 5)),
    "1": ((11, 8), (15, 4), (15, 23)),
    "2": ((8, 9), (11, 5), (17, 6), (19, 10), (8, 22), (20, 22)),
    "3": ((8, 6), (18, 6), (12, 12), (19, 17), (16, 22), (8, 22)),
    "4": ((17, 23), (17, 5), (7, 16), (21, 16)),
    "5": ((19, 5), (10, 5), (9, 12), (18, 14), (18, 20), (9, 22)),
    "6": ((17, 5), (10, 12), (9, 20), (15, 23), (19, 18), (10, 16)),
    "7": ((7, 6), (20, 6), (12, 23)),
    "8": ((14, 13), (9, 8), (14, 5), (19, 8), (9, 19), (14, 23), (19, 19), (14, 13)),
    "9": ((19, 10), (13, 13), (9, 9), (14, 5), (19, 9), (17, 23)),
}


def digit_png(digit: str, seed: int = 0) -> bytes:
    """A 28 × 28 picture of `digit` in a shaky hand."""
    hand = random.Random(f"{digit}/{seed}")
    picture = Image.new("L", (112, 112))
    points = [((x + hand.gauss(0, 0.6)) * 4, (y + hand.gauss(0, 0.6)) * 4) for x, y in DIGIT_STROKES[digit]]
    ImageDraw.Draw(picture).line(points, fill=255, width=hand.randint(9, 13), joint="curve")
    return png(picture.resize((28, 28), Image.Resampling.LANCZOS))


def photo_jpeg(width: int = 1280, height: int = 853) -> bytes:
    """A large colour picture with some structure."""
    small = Image.new("RGB", (64, 43))
    small.putdata(
        [
            (int(90 + 90 * math.sin(x / 9)), int(120 + 60 * math.sin(y / 7)), 150 + x)
            for y in range(43)
            for x in range(64)
        ]
    )
    out = io.BytesIO()
    small.resize((width, height), Image.Resampling.BICUBIC).save(out, "JPEG", quality=92)
    return out.getvalue()


def png(picture: Image.Image) -> bytes:
    """The picture as PNG."""
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def project(
    name: str,
    kind: Any,
    classes: Iterable[str | tuple[str, str]],
    *,
    instructions: str = "",
    description: str = "",
) -> project_pb2.Project:
    """A project; a class is its name, or its name and its key."""
    pairs = [(entry, "") if isinstance(entry, str) else entry for entry in classes]
    definitions = [project_pb2.ClassDefinition(name=name, key=key) for name, key in pairs]
    return project_pb2.Project(
        name=name,
        version=1,
        taxonomy=project_pb2.Taxonomy(version=1, classes=definitions),
        payload_kind=kind,
        policy=project_pb2.Policy(review_all=project_pb2.ReviewAllPolicy()),
        instructions=instructions,
        description=description,
    )


def task(
    project_name: str,
    record_id: str,
    payload: record_pb2.Payload,
    *,
    suggestion: tuple[str, float] | None = None,
    blind: bool = False,
    attributes: dict[str, str] | None = None,
) -> review_pb2.ReviewTask:
    """A task of that project."""
    made = review_pb2.ReviewTask(
        record=record_pb2.Record(
            project=project_name,
            record_id=record_id,
            payload=payload,
            attributes=attributes or {},
            content_hash=b"0" * 16,
        ),
        decision=decision_pb2.Decision(
            route=decision_pb2.ROUTE_REVIEW,
            purpose=decision_pb2.PURPOSE_TRAIN,
            reason=decision_pb2.DECISION_REASON_SCORE_BELOW_THRESHOLD,
        ),
        priority=0.5,
        needed_votes=1,
        blind=blind,
        project_version=1,
    )
    if suggestion is not None:
        made.suggestion.class_name, made.suggestion.probability = suggestion
    return made


def text(value: str) -> record_pb2.Payload:
    return record_pb2.Payload(text=value)


def image(data: bytes, media_type: str = "image/png") -> record_pb2.Payload:
    return record_pb2.Payload(image=record_pb2.Image(data=data, media_type=media_type))


def digits_project() -> project_pb2.Project:
    """Ten classes, ten keys."""
    return project(
        "digits",
        Kind.PAYLOAD_KIND_IMAGE,
        [(digit, digit) for digit in DIGIT_STROKES],
        instructions="Which digit is it? When a stroke is unclear, choose what its writer meant.",
        description="Handwritten digits, 28 × 28",
    )


def digit_tasks(count: int, *, first: int = 0) -> list[review_pb2.ReviewTask]:
    """The digits 0, 1, 2, … in turn; most with a suggestion, some of them wrong, every seventh blind."""
    tasks = []
    for number in range(first, first + count):
        digit = str(number % 10)
        blind = number % 7 == 3
        guess = str((number + (number % 5 == 2)) % 10)
        tasks.append(
            task(
                "digits",
                f"d-{number:04d}",
                image(digit_png(digit, number)),
                suggestion=None if blind else (guess, 0.55 + (number % 9) / 20),
                blind=blind,
                attributes={"source": "scanner-2"},
            )
        )
    return tasks

"""What a request to the desk must be; anything else raises RefusedError with the field at fault."""

from __future__ import annotations

from streamlabel.core.history import MAX_NOTE_CHARACTERS
from streamlabel.review.ports import Refusal, RefusedError

MAX_ANNOTATOR_CHARACTERS = 128
MAX_ANNOTATION_ID_CHARACTERS = 64


def check_annotator(annotator: str) -> None:
    """A name that can be seen."""
    if not 1 <= len(annotator) <= MAX_ANNOTATOR_CHARACTERS or not annotator.isprintable() or annotator.isspace():
        detail = f"must have 1-{MAX_ANNOTATOR_CHARACTERS} visible characters"
        raise RefusedError(Refusal.INVALID_ARGUMENT, "annotator", detail)


def check_annotation_id(field: str, annotation_id: str) -> None:
    """An id that can be seen."""
    if not 1 <= len(annotation_id) <= MAX_ANNOTATION_ID_CHARACTERS or not annotation_id.isprintable():
        detail = f"must have 1-{MAX_ANNOTATION_ID_CHARACTERS} visible characters"
        raise RefusedError(Refusal.INVALID_ARGUMENT, field, detail)


def check_note(note: str) -> None:
    """A person's own words, line breaks among them; PostgreSQL keeps no NUL."""
    if len(note) > MAX_NOTE_CHARACTERS:
        detail = f"has {len(note)} characters; it may have {MAX_NOTE_CHARACTERS}"
        raise RefusedError(Refusal.INVALID_ARGUMENT, "note", detail)
    if "\0" in note:
        raise RefusedError(Refusal.INVALID_ARGUMENT, "note", "must have no NUL character")


def check_range(field: str, value: float, low: int, high: float) -> None:
    """A number within bounds, both included."""
    if not low <= value <= high:
        raise RefusedError(Refusal.INVALID_ARGUMENT, field, f"must be {low}-{high:g}, not {value:g}")

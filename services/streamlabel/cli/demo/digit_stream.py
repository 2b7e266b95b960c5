"""The demo's stream: held-out digits in a shuffled order, and for every record id the class that is right.

All is a function of the run's name: a demo that was cut short, its annotators and its checker agree on which picture
record 4711 showed without having kept anything.
"""

from __future__ import annotations

import hashlib
import io
import re
import secrets
from collections.abc import Collection

import numpy as np
from PIL import Image

from streamlabel.core.identity import RecordKey
from streamlabel.core.record import ImagePayload, Record
from streamlabel.errors import ConfigurationError
from streamlabel.local.datasets import Digits
from streamlabel.wire.records import content_hash

RUN_NAME = re.compile(r"[0-9a-f]{12}")
_RECORD_ID = re.compile(r"digit-([0-9a-f]{12})-(\d{8})")
_MAX_TURN_DEGREES = 10.0
_MAX_SHIFT_PIXELS = 1.5
_MAX_SCALE = 0.08
# A scanner that somebody knocked: most digits can still be read, by a person.
_DRIFT_DEGREES = 35.0


def new_run_name() -> str:
    """A name that no other run has."""
    return secrets.token_hex(6)


class DigitStream:
    """Record number n of a run, for every n: the held-out digits in a shuffled order, then over again, each time distorted anew.

    With `distorted` they are from the first round on: a stream that is to look the same from beginning to end. From record
    `turned_from` on all are turned by 35 degrees besides.
    """

    parts = ()

    def __init__(
        self,
        run: str,
        digits: Digits,
        rows: Collection[int],
        *,
        project: str,
        distorted: bool = False,
        turned_from: int | None = None,
    ) -> None:
        if not RUN_NAME.fullmatch(run):
            raise ConfigurationError(f"{run!r} is no name of a run: 12 hexadecimal digits")
        self.run = run
        self.project = project
        self.turned_from = turned_from
        self._distorted = distorted
        self._digits = digits
        self._rows = sorted(rows)
        self._orders: dict[tuple[str, int], np.ndarray] = {}
        self._pngs: dict[int, bytes] = {}

    @property
    def id_prefix(self) -> str:
        """How the ids of this run begin, and no others."""
        return f"digit-{self.run}-"

    @property
    def distinct(self) -> int:
        """How many records come before the first distorted one."""
        return len(self._rows)

    def record_id(self, number: int) -> str:
        """The id of record `number`, counted from 0."""
        return f"{self.id_prefix}{number:08d}"

    def record(self, number: int) -> Record:
        """Record `number`, ready for the door."""
        data = self._png(self._row(self.run, number))
        turned = self.turned_from is not None and number >= self.turned_from
        if turned or self._distorted or number >= self.distinct:
            degrees = _DRIFT_DEGREES if turned else 0.0
            data = _distorted(data, generator(self.run, "distortion", number), degrees)
        payload = ImagePayload(data, "image/png")
        return Record(
            key=RecordKey(project=self.project, record_id=self.record_id(number)),
            payload=payload,
            content_hash=content_hash(payload, {}),
        )

    def number(self, record_id: str) -> int | None:
        """Which record of this run it is; None for a record of another run, or of none."""
        match = _RECORD_ID.fullmatch(record_id)
        return int(match[2]) if match is not None and match[1] == self.run else None

    def part_of(self, record_id: str) -> None:  # noqa: ARG002 (all digits are of one kind)
        """None: the stream has no parts."""
        return

    def truth(self, record_id: str) -> str | None:
        """The class that is right, for a record of this run or any other; None for a record that no run made."""
        match = _RECORD_ID.fullmatch(record_id)
        if match is None:
            return None
        return str(self._digits.labels[self._row(match[1], int(match[2]))])

    def contradiction(self, record_id: str, class_name: str) -> float:
        """1 where the class is wrong: whoever can read says so."""
        return float(self.truth(record_id) != class_name)

    def _png(self, row: int) -> bytes:
        png = self._pngs.get(row)
        if png is None:
            png = self._pngs[row] = self._digits.png(row)
        return png

    def _row(self, run: str, number: int) -> int:
        cycle, place = divmod(number, len(self._rows))
        order = self._orders.get((run, cycle))
        if order is None:
            order = self._orders[run, cycle] = generator(run, "order", cycle).permutation(self._rows)
        return int(order[place])


def generator(run: str, what: str, number: int) -> np.random.Generator:
    """Chance that is the same for the same run, purpose and number, wherever it is asked for."""
    seed = hashlib.blake2b(f"{run}/{what}/{number}".encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(seed, "big"))


def _distorted(png: bytes, chance: np.random.Generator, degrees: float) -> bytes:
    """The digit turned by `degrees`, and turned, shifted and scaled a little, as another hand might have written it."""
    image = Image.open(io.BytesIO(png))
    angle = np.deg2rad(degrees + chance.uniform(-_MAX_TURN_DEGREES, _MAX_TURN_DEGREES))
    scale = 1 + chance.uniform(-_MAX_SCALE, _MAX_SCALE)
    shift_x, shift_y = chance.uniform(-_MAX_SHIFT_PIXELS, _MAX_SHIFT_PIXELS, size=2)
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    middle_x, middle_y = (image.width - 1) / 2, (image.height - 1) / 2
    # PIL wants the way back: for each new pixel, where it came from. The middle stays the middle, but for the shift.
    back = (
        cosine, sine, middle_x - cosine * (middle_x + shift_x) - sine * (middle_y + shift_y),
        -sine, cosine, middle_y + sine * (middle_x + shift_x) - cosine * (middle_y + shift_y),
    )  # fmt: skip
    buffer = io.BytesIO()
    image.transform(image.size, Image.Transform.AFFINE, back, Image.Resampling.BILINEAR).save(buffer, format="PNG")
    return buffer.getvalue()

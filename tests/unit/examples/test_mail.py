"""What the front page shows of the mail project is the file, and both of its forms are projects."""

from __future__ import annotations

import re
from pathlib import Path

from streamlabel.core.project import CertifiedPolicy, ReviewAllPolicy, TextEncoder
from streamlabel.core.record import TextPayload
from streamlabel.ingest.adapters.offers import offer_of
from streamlabel.ingest.rules.admission import Limits, Offer, refusal
from streamlabel.wire import record_json
from streamlabel.wire.project_file import parse_project

ROOT = Path(__file__).parents[3]
MAIL = ROOT / "examples" / "mail"


def test_the_front_page_shows_the_file() -> None:
    shown = re.search(r"```yaml\n(project: mail\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown
    assert shown[1] == (MAIL / "project.yaml").read_text()


def test_people_label_everything_until_the_model_is_commented_in() -> None:
    text = (MAIL / "project.yaml").read_text()
    project = parse_project(text)
    assert project.model is None
    assert project.policy == ReviewAllPolicy()
    with_model = parse_project(re.sub(r"^# (model|policy):", r"\1:", text, flags=re.MULTILINE))
    assert with_model.model is not None
    assert with_model.model.encoder == TextEncoder(raw=True, length=0)
    assert with_model.policy == CertifiedPolicy(alpha=0.05, delta=0.05)


def test_every_message_may_enter_and_none_twice() -> None:
    project = parse_project((MAIL / "project.yaml").read_text())
    lines = (MAIL / "mail.jsonl").read_bytes().splitlines()
    offers = [offer_of(record_json.parse(line, project.name)) for line in lines]
    taken = [offer for offer in offers if isinstance(offer, Offer) and refusal(offer, project, Limits()) is None]
    assert len({offer.key for offer in taken}) == len(lines)
    assert all(isinstance(offer.payload, TextPayload) for offer in taken)

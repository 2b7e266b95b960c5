"""How review reaches its schema."""

from __future__ import annotations

import pytest

from streamlabel.errors import ConfigurationError
from streamlabel.review.adapters.postgres.schema import schema_settings
from streamlabel.review.settings import ReviewSettings
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.clock import SystemClock
from streamlabel.runtime.health import Health
from streamlabel.runtime.postgres.database import Database


async def test_errors_name_the_setting_that_an_operator_gave() -> None:
    settings = schema_settings(dsn="mysql://ann:hush-hush@127.0.0.1/x")
    database = Database(settings, health=Health(), clock=SystemClock(), backoff=Backoff(base_s=0.05, cap_s=0.2))
    with pytest.raises(ConfigurationError, match="STREAMLABEL_REVIEW_POSTGRES_DSN is no usable") as stopped:
        await database.start()
    assert "hush" not in f"{stopped.value!r}{stopped.value.__cause__!r}{settings!r}"
    assert {"review_postgres_dsn", "review_postgres_schema"} <= ReviewSettings.model_fields.keys()


def test_a_queue_is_always_read_by_index() -> None:
    session = schema_settings(dsn="postgresql://").session
    assert session["enable_seqscan"] == "off"
    assert session["plan_cache_mode"] == "force_generic_plan"

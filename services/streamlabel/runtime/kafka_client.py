"""What every aiokafka client here shares: errors in our own words, deadlines, and an end that always comes.

aiokafka retries without end in many places (a coordinator that is gone, a batch of an idempotent producer), so each call
runs under a deadline, and a client that cannot stop in time is taken apart: its tasks cancelled, its sockets closed.
The private names used for that are those of aiokafka 0.14, which the distribution pins.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any

from aiokafka import errors

from streamlabel.errors import ConfigurationError
from streamlabel.runtime.broker import BrokerUnavailableError, FencedError, TransactionFailedError
from streamlabel.runtime.messages import Headers, Message

_STOP_TIMEOUT_S = 5.0
_CLOSE_TIMEOUT_S = 2.0

_NOT_ALLOWED = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.TransactionalIdAuthorizationFailed,
    errors.SaslAuthenticationFailed,
    errors.AuthenticationFailedError,
    errors.AuthenticationMethodNotSupported,
    errors.UnsupportedSaslMechanismError,
    errors.IncompatibleBrokerVersion,
    errors.InvalidTopicError,
)
# As in: Unable to bootstrap from [('127.0.0.1', 9092, <AddressFamily.AF_INET: 2>)]
_PLACE = re.compile(r"\('([^']+)', (\d+)")
_FENCED = (errors.ProducerFenced, errors.InvalidProducerEpoch)
_SPENT = (
    errors.OutOfOrderSequenceNumber,
    errors.InvalidTxnState,
    errors.InvalidProducerIdMapping,
    errors.ProducerClosed,
    errors.IllegalOperation,
)


@contextlib.asynccontextmanager
async def kafka_call(doing: str, timeout_s: float) -> AsyncIterator[None]:
    """Let a block of client calls end within `timeout_s`, and fail only in the words of `streamlabel.runtime.broker`."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise BrokerUnavailableError(f"{doing}: no answer from Kafka within {timeout_s:g} s") from error
    except asyncio.CancelledError as error:
        # One of aiokafka's own futures was cancelled, not we: an outage as any other, and no reason to vanish.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BrokerUnavailableError(f"{doing}: the client gave the call up") from error
    except _FENCED as error:
        raise FencedError(f"{doing}: another producer has taken this transactional id") from error
    except _NOT_ALLOWED as error:
        raise ConfigurationError(f"{doing}: Kafka refuses: {error!r}") from error
    except _SPENT as error:
        raise TransactionFailedError(f"{doing}: {error!r}") from error
    except errors.KafkaError as error:
        cause = error.__cause__
        if isinstance(cause, _NOT_ALLOWED):
            raise ConfigurationError(f"{doing}: Kafka refuses: {cause!r}") from error
        raise BrokerUnavailableError(f"{doing}: {cause if cause is not None else _worded(error)}") from error
    except (OSError, AssertionError) as error:
        # aiokafka asserts its own state machine: a producer that failed half-way answers the next call like this.
        raise TransactionFailedError(f"{doing}: {error!r}") from error


def _worded(error: errors.KafkaError) -> str:
    """The error for a person: where nothing could be reached, aiokafka shows its Python objects."""
    places = [f"{host}:{port}" for host, port in _PLACE.findall(str(error))]
    if isinstance(error, errors.KafkaConnectionError) and places:
        return f"nothing that is Kafka answers at {', '.join(places)}"
    return repr(error)


async def stop_client(
    stop: Callable[[], Coroutine[Any, Any, None]], parts: Callable[[], Iterable[Any]], client: Any
) -> None:
    """Stop a producer or consumer in the proper way, or within a few seconds in the improper one.

    `parts` are the objects whose tasks keep it alive; `client` is its connection pool. Never raises.
    """
    if await _succeeds(stop(), _STOP_TIMEOUT_S):
        return
    for _ in range(2):  # A task that was awaiting another one shows itself only after the first round.
        orphans = _tasks_of(list(parts()))
        for task in orphans:
            task.cancel()
        if orphans:
            await asyncio.wait(orphans, timeout=_CLOSE_TIMEOUT_S)
            for task in orphans:
                if task.done() and not task.cancelled():
                    task.exception()
    await _succeeds(client.close(), _CLOSE_TIMEOUT_S)


async def _succeeds(work: Coroutine[Any, Any, None], timeout_s: float) -> bool:
    """Whether `work` ends well in time; otherwise it is over all the same.

    Of a client in trouble anything may escape (a batch that failed twice is a KeyError), and nothing of it matters. It
    runs in a task of its own: aiokafka's fetcher lets the cancellation of its sub-tasks escape from `stop`, and that must
    not look as if the caller had been cancelled.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task}, timeout=timeout_s)
        return task.done() and not task.cancelled() and task.exception() is None
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=_CLOSE_TIMEOUT_S)


def _tasks_of(owners: list[Any]) -> list[asyncio.Task[Any]]:
    """The unfinished tasks that run a method of one of `owners`; aiokafka hands out no list of them."""
    current = asyncio.current_task()
    found = []
    for task in asyncio.all_tasks():
        frame = getattr(task.get_coro(), "cr_frame", None)
        owner = frame.f_locals.get("self") if frame is not None else None
        if task is not current and owner is not None and any(owner is candidate for candidate in owners):
            found.append(task)
    return found


def to_message(record: Any) -> Message:
    """One of our messages from aiokafka's record."""
    value = record.value
    return Message(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key or b"",
        value=value or b"",
        headers=_without_nulls(record.headers),
        timestamp_ms=record.timestamp,
        tombstone=value is None,
    )


def _without_nulls(headers: Headers) -> Headers:
    """The headers, a null value as `b""`: Kafka allows null there, and anybody may write it."""
    if any(value is None for _, value in headers):
        return tuple((name, value or b"") for name, value in headers)
    return headers

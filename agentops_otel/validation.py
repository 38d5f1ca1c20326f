"""Validation: whether a session has left the spans that a program expects of it, for tests of agents."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from agentops_otel.accounting.tally import Tally, price_text
from agentops_otel.client import default as client
from agentops_otel.sessions.identity import session_id_of

if TYPE_CHECKING:
    from agentops_otel.sessions.session import Session


class ValidationError(Exception):
    """The spans that were expected are not there; the message says which are."""


def validate_trace_spans(
    trace_id: Any = None,
    trace_context: Session | None = None,
    max_retries: int = 10,
    retry_delay: float = 1.0,
    check_llm: bool = True,
    min_spans: int = 1,
    api_key: str | None = None,
) -> dict[str, Any]:
    """Wait until a session has left its spans in the local store, and tell what they add up to.

    The session is `trace_context`, or that of `trace_id`, or the current one. Returns `trace_id`, `span_count`,
    `spans` (their names, oldest first), `has_llm_spans` and `metrics` (tokens, cost in USD as text, errors).

    Raises:
        ValidationError: after `max_retries` looks, `retry_delay` seconds apart, there are fewer than `min_spans`,
            or no model call where `check_llm` asks for one; or spans go where they cannot be read back.
    """
    del api_key  # of the original's server; here nothing is asked over a network
    session_id = _session_id(trace_id, trace_context)
    store = None if client.pipeline is None else client.pipeline.store
    if store is None:
        raise ValidationError("only sessions in the local store can be read back: call init() without an endpoint")
    tally, spans = Tally(), []
    for look in range(max(max_retries, 1)):
        if look:
            time.sleep(retry_delay)
        client.flush()
        records = store.spans(session_id)
        tally, spans = Tally.of(records), [record.name for record in records]
        if len(spans) >= min_spans and (tally.llm_calls or not check_llm):
            return _told(session_id, spans, tally)
    raise ValidationError(
        f"session {session_id} has {len(spans)} spans and {tally.llm_calls} model calls; expected are {min_spans} spans"
        f"{' with a model call among them' if check_llm else ''}. Found: {', '.join(spans) or 'nothing'}"
    )


def _session_id(trace_id: Any, trace_context: Session | None) -> str:
    if trace_context is not None:
        return trace_context.session_id
    if trace_id is None:
        session = client.current(quiet=True)
        if session is None:
            raise ValidationError("no session is open here: pass trace_context or trace_id")
        return session.session_id
    try:
        return session_id_of(trace_id)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def _told(session_id: str, spans: list[str], tally: Tally) -> dict[str, Any]:
    metrics = {**tally.total.tokens, "total_cost": price_text(tally.cost), "errors": tally.errors}
    return {
        "trace_id": session_id.replace("-", ""),
        "span_count": len(spans),
        "spans": spans,
        "has_llm_spans": tally.llm_calls > 0,
        "metrics": metrics,
    }


def print_validation_summary(result: dict[str, Any]) -> None:
    """Print what `validate_trace_spans` found."""
    metrics = result["metrics"]
    sys.stdout.write(
        f"Session {result['trace_id']}: {result['span_count']} spans, "
        f"{'with' if result['has_llm_spans'] else 'without'} model calls, "
        f"{metrics['input_tokens']} tokens in, {metrics['output_tokens']} out, cost ${metrics['total_cost']}\n"
    )

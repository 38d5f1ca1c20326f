"""Sessions worth looking at: nested agents, failures, unknown prices, and hostile text."""

from __future__ import annotations

import json
import random
import time

from agentops_otel.accounting.record import ERROR, SpanRecord, uuid_form
from agentops_otel.conventions import names

SECOND = 10**9
HOUR = 3600 * SECOND
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
CHART = (
    "iVBORw0KGgoAAAANSUhEUgAAAGAAAAAwCAIAAABhdOiYAAAAfklEQVR42u3asQnAIBRFUaezzf4DpNQNAk6gJE38Hw/cUoR3KgtL"
    "b48WFQSAAAECBAgQIEACBAgQoE9d9Z4FCBAgQIAABR8PCBAgQIAA5R0PCBAgQIAA5R0P6CegxT2AAAEClAco2nhA+88AAgQIUAyg"
    "A8fveQf5HwRIgN43AFu+t+gLFZq6AAAAAElFTkSuQmCC"
)
"""A small chart in a picture."""
RESOURCE = {
    "host.name": "atlas",
    "os.description": "Linux 6.8",
    "process.runtime.name": "cpython",
    "process.runtime.version": "3.12.4",
}


class Run:
    """One session in the making; times are seconds after its start."""

    def __init__(self, number, start, service="shop-assistant"):
        self.trace = f"{number:032x}"
        self.session = uuid_form(self.trace)
        self.start = start
        self.resource = {"service.name": service, **RESOURCE}
        self.records: list[SpanRecord] = []

    def span(self, name, begin, end, attributes=None, *, parent="root", error=None):
        number = len(self.records) + 1
        record = SpanRecord(
            trace_id=self.trace,
            span_id=f"{number:016x}" if parent else "f" * 16,
            parent_id={"root": "f" * 16, None: None}.get(parent, parent),
            name=name,
            start_time=self.start + int(begin * SECOND),
            end_time=None if end is None else self.start + int(end * SECOND),
            attributes={names.SESSION_ID: self.session, **(attributes or {})},
            resource=self.resource,
        )
        if error:
            record.status, record.status_message = ERROR, error[1]
            record.attributes = {**record.attributes, names.ERROR_TYPE: error[0]}
            told = {
                names.EXCEPTION_TYPE: error[0],
                names.EXCEPTION_MESSAGE: error[1],
                names.EXCEPTION_STACKTRACE: "Traceback\n  line 1",
            }
            record.events = [{"name": "exception", "timestamp": record.end_time, "attributes": told}]
        self.records.append(record)
        return record.span_id

    def root(self, end, state="Success", reason=None, tags=(), **more):
        told = {names.SPAN_KIND: names.KIND_SESSION, names.TAGS: list(tags), **more}
        if end is not None:
            told |= {names.END_STATE: state, **({names.END_STATE_REASON: reason} if reason else {})}
        return self.span("session", 0, end, told, parent=None)

    def llm(self, begin, end, model, usage, cost, said=(), answered=(), **options):
        told = {
            names.SPAN_KIND: names.KIND_LLM,
            names.OPERATION_NAME: names.CHAT,
            names.PROVIDER_NAME: "anthropic" if "claude" in model else "openai",
            names.REQUEST_MODEL: model,
            names.RESPONSE_MODEL: model,
            names.REQUEST_TEMPERATURE: 0.2,
            names.INPUT_TOKENS: usage[0],
            names.CACHE_READ_TOKENS: usage[1],
            names.OUTPUT_TOKENS: usage[2],
            names.INPUT_MESSAGES: json.dumps(list(said)),
            names.OUTPUT_MESSAGES: json.dumps(list(answered)),
            **({} if cost is None else {names.COST: cost, names.COST_SOURCE: "genai-prices@0.2.3"}),
            **options.pop("attributes", {}),
        }
        return self.span(f"chat {model}", begin, end, told, **options)


def says(role, *parts):
    return {
        "role": role,
        "parts": [{"type": "text", "content": part} if isinstance(part, str) else part for part in parts],
    }


def calls(name, call_id, **arguments):
    return {"type": "tool_call", "name": name, "id": call_id, "arguments": arguments}


def assistant(number, start, *, end_state="Success", reason="The order was refunded in full."):
    """A support agent that hands over to another, searches, thinks and answers."""
    run = Run(number, start)
    run.root(9.4, end_state, reason, ["checkout", "eu"], **{names.VIDEO_URL: "https://example.com/run.webm"})
    desk = run.span(
        "invoke_agent desk",
        0.1,
        9.2,
        {names.SPAN_KIND: names.KIND_AGENT, names.OPERATION_NAME: names.INVOKE_AGENT, names.AGENT_NAME: "desk"},
    )
    ask = says("user", "Where is my order 4711? It was due on Monday.")
    look = says("assistant", calls("find_order", "call_1", order=4711))
    run.llm(0.2, 1.9, "claude-sonnet-4-6", (2140, 1800, 64), 0.0027, [ask], [look], parent=desk, attributes={
        names.RESPONSE_TIME_TO_FIRST_CHUNK: 0.42, names.SYSTEM_INSTRUCTIONS: json.dumps([{"type": "text", "content": "You are the desk of a small shop. Be kind."}])})  # fmt: skip
    run.span("find_order", 1.95, 2.7, {
        names.SPAN_KIND: names.KIND_TOOL, names.OPERATION_NAME: names.EXECUTE_TOOL, names.TOOL_NAME: "find_order", names.TOOL_CALL_ID: "call_1",
        names.TOOL_CALL_ARGUMENTS: '{"order": 4711}', names.TOOL_CALL_RESULT: '{"state": "lost", "carrier": "north"}'}, parent=desk)  # fmt: skip
    found = says(
        "tool", {"type": "tool_call_response", "id": "call_1", "response": '{"state": "lost", "carrier": "north"}'}
    )
    thinks = says(
        "assistant",
        {"type": "reasoning", "content": "Lost by the carrier, so the shop pays. " * 12},
        "I hand this to refunds.",
    )
    run.llm(
        2.8,
        4.6,
        "claude-sonnet-4-6",
        (2310, 2140, 212),
        0.0041,
        [ask, look, found],
        [thinks],
        parent=desk,
        attributes={names.RESPONSE_TIME_TO_FIRST_CHUNK: 0.9, names.REASONING_TOKENS: 160},
    )
    refunds = run.span(
        "invoke_agent refunds",
        4.7,
        9.0,
        {names.SPAN_KIND: names.KIND_AGENT, names.OPERATION_NAME: names.INVOKE_AGENT, names.AGENT_NAME: "refunds"},
        parent=desk,
    )
    run.span(
        "pay_back",
        4.9,
        5.6,
        {
            names.SPAN_KIND: names.KIND_TOOL,
            names.TOOL_NAME: "pay_back",
            names.TOOL_CALL_ARGUMENTS: '{"order": 4711, "amount": "49.90"}',
        },
        parent=refunds,
        error=("TimeoutError", "the bank did not answer within 0.5 s"),
    )
    run.span(
        "pay_back",
        5.7,
        6.3,
        {
            names.SPAN_KIND: names.KIND_TOOL,
            names.TOOL_NAME: "pay_back",
            names.TOOL_CALL_ARGUMENTS: '{"order": 4711, "amount": "49.90"}',
            names.TOOL_CALL_RESULT: '"paid"',
        },
        parent=refunds,
    )
    run.llm(
        6.4,
        8.8,
        "gpt-4o",
        (640, 0, 96),
        0.00256,
        [says("user", "Tell them that it is paid back.")],
        [says("assistant", "Your order was lost on its way. We have paid back 49.90 EUR today.")],
        parent=refunds,
        attributes={names.RESPONSE_TIME_TO_FIRST_CHUNK: 0.3},
    )
    run.llm(
        8.85,
        8.99,
        "shop-mini",
        (80, 0, 8),
        None,
        [says("user", "Label this.")],
        [says("assistant", "refund")],
        parent=refunds,
    )
    return run


def hostile(number, start):
    """Markup, schemes and shapes that must stay text."""
    run = Run(number, start, HOSTILE)
    run.root(1, "Failure", HOSTILE, [HOSTILE], **{names.VIDEO_URL: "javascript:document.title='owned'"})
    picture = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": PIXEL}
    broken = {"type": "blob", "modality": "image", "mime_type": "image/svg+xml", "content": "PHN2Zz4="}
    run.llm(
        0,
        0.5,
        HOSTILE,
        (1, 0, 1),
        0.001,
        [says(HOSTILE, HOSTILE, picture, broken)],
        [says("assistant", HOSTILE), "no message", {"role": "user"}],
    )
    run.span(
        HOSTILE, 0.5, 0.9, {names.SPAN_KIND: names.KIND_TOOL, names.TOOL_CALL_RESULT: HOSTILE}, error=(HOSTILE, HOSTILE)
    )
    return run


def large(number, start, spans=10_000):
    """A session of many spans, three levels deep."""
    run = Run(number, start, "crawler")
    run.root(spans / 10, "Success", "All pages were read.")
    above = "root"
    for at in range(spans - 1):
        if at % 50 == 0:
            above = run.span(f"batch {at // 50}", at / 10, at / 10 + 5, {names.SPAN_KIND: names.KIND_AGENT})
        elif at % 3:
            run.span(
                "fetch",
                at / 10,
                at / 10 + 0.08,
                {names.SPAN_KIND: names.KIND_TOOL, names.TOOL_NAME: "fetch"},
                parent=above,
            )
        else:
            run.llm(at / 10, at / 10 + 0.09, "gpt-4o-mini", (100, 0, 10), 0.00002, parent=above)
    return run


def patient(number, start):
    """A session that waits an hour for a person, looks at a picture, and asks two helpers at once."""
    run = Run(number, start, "claims-desk")
    run.root(3672, "Success", "The claim was approved after a person had looked at it.", ["claims", "eu"])
    picture = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": CHART}
    run.llm(0.2, 3.1, "gpt-4o", (1900, 1200, 90), 0.0061, [says("user", "Is this damage covered?", picture)],
            [says("assistant", "Most likely. A person has to look at it: I have asked Dana.")], attributes={names.RESPONSE_TIME_TO_FIRST_CHUNK: 0.6})  # fmt: skip
    run.span("ask_person", 3.2, 3.4, {names.SPAN_KIND: names.KIND_TOOL, names.TOOL_NAME: "ask_person"})
    for at, agent in enumerate(("policy", "history")):
        told = {names.SPAN_KIND: names.KIND_AGENT, names.OPERATION_NAME: names.INVOKE_AGENT, names.AGENT_NAME: agent}
        above = run.span(f"invoke_agent {agent}", 3650, 3658 + 6 * at, told)
        run.llm(3650.5, 3656 + 6 * at, "claude-sonnet-4-6", (4200, 3900, 310), 0.0099, parent=above)
    run.llm(3665, 3671, "gpt-4o", (2600, 1900, 240), 0.0071, [says("user", "Write the letter.")], [says("assistant", "Dear Ms Brandt, your claim is approved.")])  # fmt: skip
    return run


def fortnight(now=None, named=int):
    """Sessions of the last two weeks; the same each time but for the clock. `named(number)` is the number in their ids."""
    chance = random.Random(7)
    now = time.time_ns() if now is None else now
    runs = [assistant(named(1), now - HOUR // 4), hostile(named(2), now - HOUR), patient(named(64), now - 3 * HOUR)]
    jobs = [
        ("trip-planner", ["travel"], "gpt-4o-mini"),
        ("invoice-reader", ["finance", "eu"], "claude-sonnet-4-6"),
        ("night-digest", ["batch"], "gpt-4.1"),
    ]
    for number in range(3, 64):
        service, tags, model = jobs[number % 3]
        run = Run(named(number), now - number * 5 * HOUR - chance.randrange(HOUR), service)
        length, tokens = chance.uniform(0.8, 95), chance.randrange(400, 60_000)
        state = "Failure" if chance.random() < 0.14 else "Indeterminate" if chance.random() < 0.08 else "Success"
        reason = {
            "Failure": "ValueError: the answer is no JSON",
            "Success": "All steps were done.",
            "Indeterminate": None,
        }[state]
        run.root(length, state, reason, tags)
        for call in range(chance.randrange(1, 9)):
            error = ("openai.RateLimitError", "Error code: 429") if state == "Failure" and call == 0 else None
            run.llm(
                call * 0.1,
                call * 0.1 + 0.4,
                model,
                (tokens, int(tokens * 0.6), tokens // 9),
                tokens * 2.4e-6,
                error=error,
            )
        run.span("search", 0.5, 0.7, {names.SPAN_KIND: names.KIND_TOOL, names.TOOL_NAME: "search"})
        runs.append(run)
    return runs

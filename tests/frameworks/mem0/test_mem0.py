"""Mem0: what is done with a memory is a span, below which are the model calls of the clients, each counted once."""

from __future__ import annotations

import asyncio
import inspect
import json

import pytest
from agentops_otel_instrumentors import mem0 as instrumentor
from inline_snapshot import snapshot
from mem0 import AsyncMemory, AsyncMemoryClient, Memory, MemoryClient
from mem0.exceptions import LLMError, MemoryNotFoundError
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from recorded import totals
from scripted import completion, refusal
from trees import tree

from agentops_otel.conventions import names
from agentops_otel.demo import bodies
from agentops_otel.demo.provider import Answer, Provider

KINDS = pytest.mark.parametrize("kind", [Memory, AsyncMemory])
CLIENTS = pytest.mark.parametrize("kind", [MemoryClient, AsyncMemoryClient])
USER = {"user_id": "ann"}
IDS = {names.MEMORY_STORE_ID: "notes"}


def answered(request):
    """One vector for each text, and what the model draws from what is said: that somebody likes tea."""
    if request.path.endswith("/embeddings"):
        told = request.body["input"]
        count = len(told) if isinstance(told, list) else 1
        encoded = request.body.get("encoding_format") == "base64"
        return Answer.json(bodies.embeddings(count, dimensions=8, encoded=encoded, prompt_tokens=5 * count))
    return completion(json.dumps({"memory": [{"text": "Likes tea."}]}))


async def done(result):
    return await result if inspect.isawaitable(result) else result


def told(span):
    """What the span says of the memory."""
    return {name: value for name, value in span.attributes.items() if name.startswith("gen_ai.memory.")}


def span_of(watched, name, number=0):
    return [span for span in watched.spans if span.name == name][number]


@KINDS
async def test_a_memorys_life(watched, memory, kind):
    notes = memory(kind, answered)
    (kept,) = (await done(notes.add("I like tea.", **USER)))["results"]
    (found,) = (await done(notes.search("drinks?", filters=USER)))["results"]
    assert (await done(notes.get(kept["id"])))["memory"] == "Likes tea."
    assert len((await done(notes.get_all(filters=USER)))["results"]) == 1
    await done(notes.update(kept["id"], text="Likes coffee."))
    await done(notes.delete(kept["id"]))
    await done(notes.delete_all(**USER))
    assert tree(watched.spans) == snapshot("""\
create_memory
  embeddings text-embedding-3-small 5->None tokens $0.0000001
  chat gpt-4o 100->10 tokens $0.00035
  embeddings text-embedding-3-small 5->None tokens $0.0000001
search_memory
  embeddings text-embedding-3-small 5->None tokens $0.0000001
search_memory
search_memory
update_memory
  embeddings text-embedding-3-small 5->None tokens $0.0000001
delete_memory
delete_memory\
""")
    record = {"id": kept["id"], "content": "Likes tea."}
    count = {names.MEMORY_RECORD_COUNT: 1}
    added = told(span_of(watched, "create_memory"))
    searched, got, listed = [told(span_of(watched, "search_memory", number)) for number in range(3)]
    # What is given stands there until it is known what is kept of it.
    assert json.loads(added.pop(names.MEMORY_RECORDS)) == [record]
    assert added == {**IDS, **count}
    assert json.loads(searched.pop(names.MEMORY_RECORDS)) == [{**record, "score": found["score"]}]
    assert searched == {**IDS, **count, names.MEMORY_QUERY: "drinks?"}
    assert json.loads(got.pop(names.MEMORY_RECORDS)) == [record]
    assert got == {**IDS, **count, names.MEMORY_RECORD_ID: kept["id"]}
    assert json.loads(listed.pop(names.MEMORY_RECORDS)) == [record]
    assert listed == {**IDS, **count}
    changed = told(span_of(watched, "update_memory"))
    assert json.loads(changed.pop(names.MEMORY_RECORDS)) == [{"id": kept["id"], "content": "Likes coffee."}]
    assert changed == {**IDS, names.MEMORY_RECORD_ID: kept["id"]}
    assert told(span_of(watched, "delete_memory")) == {**IDS, names.MEMORY_RECORD_ID: kept["id"]}
    assert told(span_of(watched, "delete_memory", 1)) == IDS
    assert {span.attributes[names.OPERATION_NAME] for span in watched.spans if "_memory" in span.name} == {
        names.CREATE_MEMORY,
        names.SEARCH_MEMORY,
        names.UPDATE_MEMORY,
        names.DELETE_MEMORY,
    }
    assert totals(watched.session) == (5, 120, 10)


@KINDS
async def test_what_is_kept_word_for_word(watched, memory, kind):
    notes = memory(kind, answered)
    said = [{"role": "user", "content": "Tea."}, {"role": "assistant", "content": "Noted."}]
    await done(notes.add(said, infer=False, **USER))
    assert tree(watched.spans) == snapshot("""\
create_memory
  embeddings text-embedding-3-small 5->None tokens $0.0000001
  embeddings text-embedding-3-small 5->None tokens $0.0000001\
""")
    records = json.loads(span_of(watched, "create_memory").attributes[names.MEMORY_RECORDS])
    assert [item["content"] for item in records] == ["Tea.", "Noted."]


@KINDS
async def test_a_memory_that_is_emptied(watched, memory, kind):
    notes = memory(kind, answered)
    await done(notes.reset())
    assert tree(watched.spans) == snapshot("delete_memory_store")


@KINDS
async def test_a_model_that_finds_nothing_to_keep(watched, memory, kind):
    def nothing(request):
        return answered(request) if request.path.endswith("/embeddings") else completion("{}")

    assert await done(memory(kind, nothing).add("Hello.", **USER)) == {"results": []}
    assert told(span_of(watched, "create_memory"))[names.MEMORY_RECORD_COUNT] == 0


@KINDS
async def test_a_model_that_fails(watched, memory, kind):
    def failing(request):
        return answered(request) if request.path.endswith("/embeddings") else refusal()

    with pytest.raises(LLMError):
        await done(memory(kind, failing).add("I like tea.", **USER))
    assert tree(watched.spans) == snapshot("""\
create_memory ERROR mem0.exceptions.LLMError
  embeddings text-embedding-3-small 5->None tokens $0.0000001
  chat gpt-4o ERROR openai.AuthenticationError\
""")
    assert watched.session.get_analytics()["Errors"] == 1


@KINDS
async def test_a_record_that_is_not_there(watched, memory, kind):
    notes = memory(kind, answered)
    missing = "00000000-0000-0000-0000-000000000000"
    assert await done(notes.get(missing)) is None
    with pytest.raises(ValueError, match="not found"):
        await done(notes.delete(missing))
    assert tree(watched.spans) == snapshot("""\
search_memory
delete_memory ERROR ValueError\
""")


@KINDS
@pytest.mark.parametrize(
    ("method", "given", "settings"),
    [
        ("search", (), {}),
        ("search", ("x",), {}),
        ("search", ("x",), {"filters": 5}),
        ("search", (None,), {"filters": USER}),
        ("get_all", (), {"filters": None}),
        ("add", (object(),), USER),
        ("add", ("x",), {}),
        ("update", ("no id",), {}),
        ("delete", (), {}),
        ("delete_all", (), {}),
    ],
)
async def test_what_mem0_refuses_is_refused_as_before(watched, memory, kind, method, given, settings):
    notes = memory(kind, answered)

    async def refused():
        try:
            await done(getattr(notes, method)(*given, **settings))
        except Exception as error:
            return type(error), str(error)

    with_us = await refused()
    watched.client.registry.uninstrument()
    assert with_us == await refused()
    assert with_us is not None
    watched.client.registry.instrument(watched.client.recorder)


async def test_one_that_is_cancelled(watched, memory):
    notes = memory(AsyncMemory, lambda _: Answer(delay=2.0))
    task = asyncio.ensure_future(notes.search("x", filters=USER))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "search_memory ERROR asyncio.exceptions.CancelledError" in tree(watched.spans)


async def test_several_at_once_are_beside_each_other(watched, memory):
    notes, before = memory(AsyncMemory, answered), trace.get_current_span()
    await asyncio.gather(*[notes.search("x", filters=USER) for _ in range(3)])
    assert trace.get_current_span() is before
    assert sorted(tree(watched.spans).splitlines()) == snapshot(
        [
            "  embeddings text-embedding-3-small 5->None tokens $0.0000001",
            "  embeddings text-embedding-3-small 5->None tokens $0.0000001",
            "  embeddings text-embedding-3-small 5->None tokens $0.0000001",
            "search_memory",
            "search_memory",
            "search_memory",
        ]
    )


@KINDS
async def test_content_is_left_out_where_it_is_not_wanted(make_watched, memory, kind):
    watched, notes = make_watched(capture_content=False), memory(kind, answered)
    await done(notes.add("I like tea.", **USER))
    await done(notes.search("secret", filters=USER))
    everything = " ".join(str(span.attributes) for span in watched.spans)
    assert told(span_of(watched, "search_memory")) == {**IDS, names.MEMORY_RECORD_COUNT: 1}
    assert not any(word in everything for word in ("secret", "tea", "Likes"))


@KINDS
async def test_a_fault_in_reading_is_ours_alone(watched, memory, kind, monkeypatch):
    monkeypatch.setattr(instrumentor, "_found", lambda _: 1 / 0)
    watched.client.faults.strict = False
    assert len((await done(memory(kind, answered).add("I like tea.", **USER)))["results"]) == 1
    assert tree(watched.spans).splitlines()[0] == "create_memory"
    assert watched.client.faults.counts == {"engine.response": 1, "engine.output": 1}
    watched.client.faults.counts.clear()


@KINDS
async def test_nothing_is_told_after_uninstrument(watched, memory, kind):
    notes = memory(kind, answered)
    watched.client.registry.uninstrument()
    await done(notes.add("I like tea.", **USER))
    assert watched.spans == []
    watched.client.registry.instrument(watched.client.recorder)


# --- Mem0's own service -----------------------------------------------------------------------------------

RECORD = {"id": "m1", "memory": "Likes tea.", "score": 0.5}
ANSWERS = {
    "/v1/ping/": {"user_email": "a@example.com", "org_id": "o1", "project_id": "p1"},
    "/v3/memories/add/": {"message": "queued", "status": "PENDING", "event_id": "e1"},
    "/v3/memories/search/": {"results": [RECORD]},
    "/v3/memories/": {"count": 1, "next": None, "previous": None, "results": [RECORD]},
    "/v1/memories/m1/": RECORD,
    "/v1/memories/": {"message": "deleted"},
}


def served(request):
    return Answer.json(ANSWERS[request.path]) if request.path in ANSWERS else Answer.json({"detail": "no"}, status=404)


@CLIENTS
async def test_the_service(watched, kind):
    with Provider(served) as provider:
        client = kind(api_key="none", host=provider.url)
        await done(client.add([{"role": "user", "content": "I like tea."}], **USER))
        await done(client.search("drinks?", filters=USER))
        await done(client.get("m1"))
        await done(client.get_all(filters=USER))
        await done(client.update("m1", text="Likes coffee."))
        await done(client.delete("m1"))
        await done(client.delete_all(**USER))
        with pytest.raises(MemoryNotFoundError):
            await done(client.get("m2"))
    assert tree(watched.spans) == snapshot("""\
create_memory
search_memory
search_memory
search_memory
update_memory
delete_memory
delete_memory
search_memory ERROR mem0.exceptions.MemoryNotFoundError\
""")
    assert [told(span) for span in watched.spans] == snapshot(
        [
            {"gen_ai.memory.records": '[{"content":"I like tea."}]'},
            {
                "gen_ai.memory.query.text": "drinks?",
                "gen_ai.memory.record.count": 1,
                "gen_ai.memory.records": '[{"content":"Likes tea.","id":"m1","score":0.5}]',
            },
            {
                "gen_ai.memory.record.id": "m1",
                "gen_ai.memory.record.count": 1,
                "gen_ai.memory.records": '[{"content":"Likes tea.","id":"m1","score":0.5}]',
            },
            {
                "gen_ai.memory.record.count": 1,
                "gen_ai.memory.records": '[{"content":"Likes tea.","id":"m1","score":0.5}]',
            },
            {
                "gen_ai.memory.record.id": "m1",
                "gen_ai.memory.records": '[{"content":"Likes tea.","id":"m1","score":0.5}]',
                "gen_ai.memory.record.count": 1,
            },
            {
                "gen_ai.memory.record.id": "m1",
                "gen_ai.memory.record.count": 1,
                "gen_ai.memory.records": '[{"content":"Likes tea.","id":"m1","score":0.5}]',
            },
            {},
            {"gen_ai.memory.record.id": "m2"},
        ]
    )
    assert {span.attributes[names.PROVIDER_NAME] for span in watched.spans} == {"mem0"}
    assert {span.attributes[names.SERVER_ADDRESS] for span in watched.spans} == {"127.0.0.1"}
    assert {span.kind for span in watched.spans} == {SpanKind.CLIENT.name.lower()}

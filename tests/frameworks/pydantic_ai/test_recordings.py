"""Recordings of several steps, answered to Pydantic AI again: the tree is the agents' structure, the sums are as printed."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from conftest import SHARED
from inline_snapshot import snapshot
from playing import playing
from pydantic_ai import (
    Agent,
    ImageUrl,
    ModelHTTPError,
    StructuredDict,
    Tool,
    ToolOutput,
    UnexpectedModelBehavior,
    UsageLimits,
)
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models import ModelRequestContext, ModelRequestParameters
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.models.xai import XaiModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.xai import XaiProvider
from pydantic_ai.realtime.openai import OpenAIRealtimeModel
from pydantic_ai.realtime.xai import XaiRealtimeModel
from recorded import mcp_answers, totals
from trees import tree
from xai_sdk import AsyncClient
from xai_sdk.proto import chat_pb2, chat_pb2_grpc

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer, Provider

FAILOVER = "anthropic/test-live-fallback-failover-capability-load-and-recovery-782fe224.json"
BACKGROUND = "openai/test-background-mode-reasoning-vcr-6e1fc926.json"
COMPACTED = "openai/test-openai-responses-compact-with-auto-previous-response-id-bcd4f4b8.json"
MCP = "mcp/test-mcptoolset-in-temporal-workflow-30959a84.json"
BY_GRPC = "xai/test-xai-image-url-tool-response-xai-50b8d39e.json"
VOICE = "openai/test-text-in-audio-out-turn-96657cb6.json"
VOICE_OF_XAI = "xai/test-text-tool-round-parity-xai-pinned-124c3f0c.json"
BY_TESTS_OF_THEIR_OWN = {FAILOVER, BACKGROUND, COMPACTED, MCP}
ONLY = {
    "google-genai/test-google-model-cached-content-28c86e7f.json": (1, 2),  # beside them a cache is made and deleted
    "openai/test-openai-responses-model-file-search-tool-with-results-44936499.json": (3,),  # and a file is put there
}
"""The exchanges of an agent, where a recording has others, too."""
FILES = sorted(
    item["file"]
    for item in json.loads((SHARED / "recordings" / "index.json").read_text())
    if item["framework"] == "pydantic-ai"
    and item["kind"] == "http"
    and "multi-exchange" in item["features"]
    and item["file"] not in BY_TESTS_OF_THEIR_OWN
)
SCHEMAS = ("parameters", "input_schema", "inputSchema", "parametersJsonSchema", "parameters_json_schema")
ANYTHING = {"type": "object", "properties": {}, "additionalProperties": True}


def schemas(told):
    """The functions in what a request offers, in whichever API's words: name -> JSON schema."""
    found = {}
    for item in told if isinstance(told, list) else ():
        found |= schemas(item)
    if isinstance(told, dict):
        schema = next((told[name] for name in SCHEMAS if name in told), None)
        if isinstance(schema, dict) and "name" in told:
            return {told["name"]: schema.get("json", schema)}
        for item in told.values():
            found |= schemas(item)
    return found


def offered(exchange):
    body = json.loads(exchange["request"]["body"])
    return schemas(body.get("tools", body.get("toolConfig")))


def api(exchange, operation):
    hosts = {"snowflake": "snowflake", "groq": "groq", "mistral": "mistral", "aiplatform": "vertex"}
    named = [kind for host, kind in hosts.items() if host in exchange["request"]["url"]]
    return named[0] if named else operation.removesuffix(".count_tokens").removesuffix(".stream")


def agent_of(model, recording, number):
    """An agent with the tools of all requests, each of which answers `done`, and the output of this one."""
    answer = offered(recording.exchanges[number]).get("final_result")
    names = {name for exchange in recording.exchanges for name in offered(exchange)} - {"final_result"}
    tools = [Tool.from_schema(lambda **_: "done", name, "", ANYTHING) for name in sorted(names)]
    output = str if answer is None else ToolOutput(StructuredDict(answer), name="final_result")
    return Agent(model, name="agent", tools=tools, output_type=output)


async def read(_, events):
    async for _ in events:
        pass


async def run(models, recording):
    """Run an agent until it has its answer, then another one for what is left, each with the model that was asked."""
    provider, begun = recording.provider, -1
    while begun < len(provider.requests) < len(recording.exchanges):
        begun = len(provider.requests)
        wanted = recording.expected[begun]
        settings = {"model_settings": {"max_tokens": 4096}}  # with more it asks for a stream in any case
        if wanted["stream"]:
            settings["event_stream_handler"] = read
        if wanted["operation"].endswith(("count_tokens", "countTokens")):
            settings["usage_limits"] = UsageLimits(count_tokens_before_request=True, input_tokens_limit=10**6)
        kind = api(recording.exchanges[begun], wanted["operation"])
        async with models(kind, provider.url, wanted["request_model"]) as model:
            try:
                await agent_of(model, recording, begun).run("x", **settings)
            except (ModelHTTPError, UnexpectedModelBehavior):
                assert any(exchange["response"]["status"] >= 400 for exchange in recording.exchanges)
    assert len(provider.requests) == len(recording.exchanges)
    assert not provider.unanswered


deprecated = pytest.mark.filterwarnings("ignore:The model 'claude:DeprecationWarning")


@deprecated
@pytest.mark.parametrize("file", FILES)
async def test_what_agents_did(watched, recorded, models, file):
    recording = recorded(file, *ONLY.get(file, ()))
    await run(models, recording)
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)
    assert tree(watched.spans) == TREES[file]


class Once(WrapperModel):
    """A model that answers once, and then never again."""

    asked = False

    async def request(self, *told):
        if self.asked:
            raise ModelHTTPError(503, self.model_name)
        self.asked = True
        return await super().request(*told)


@deprecated
async def test_a_model_that_another_one_stands_in_for(watched, recorded, models):
    recording = recorded(FAILOVER)
    url = recording.provider.url
    async with models("responses", url, "gpt-5.6") as first, models("messages", url, "claude-opus-4-8") as second:
        await agent_of(FallbackModel(Once(first), second), recording, 0).run("x", model_settings={"max_tokens": 4096})
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)
    assert tree(watched.spans) == snapshot("""\
invoke_agent agent
  chat gpt-5.6 139->32 tokens $0.001196
  execute_tool load_capability
  model request attempt gpt-5.6 ERROR
  chat claude-opus-4-8 825->72 tokens $0.005925
  execute_tool lookup_refund_policy
  model request attempt gpt-5.6 ERROR
  chat claude-opus-4-8 916->72 tokens $0.00638\
""")


async def test_a_model_that_answers_later(watched, recorded, models):
    recording = recorded(BACKGROUND)
    async with models("responses", recording.provider.url, "gpt-5.6-sol") as model:
        await Agent(model, name="agent").run("x", model_settings={"openai_background": True})
    assert totals(watched.session)[1:] == (recording.input_tokens, recording.output_tokens)
    assert tree(watched.spans) == snapshot("""\
invoke_agent agent
  chat gpt-5.6-sol usage missing
  fetch_response $0.000296\
""")


async def test_a_history_that_is_made_shorter(watched, recorded, models):
    recording = recorded(COMPACTED)
    async with models("responses", recording.provider.url, "gpt-4o-mini") as model:
        told = (await Agent(model, name="agent").run("x")).all_messages()
        settings = {"model_settings": None, "model_request_parameters": ModelRequestParameters()}
        await model.compact_messages(ModelRequestContext(model=model, messages=told, **settings))
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)
    assert tree(watched.spans) == snapshot("""\
invoke_agent agent
  chat gpt-4o-mini 19->10 tokens $0.00000885
chat gpt-4o-mini 115->342 tokens $0.00022245\
""")


async def test_tools_of_a_server(watched, models):
    recording, asked = json.loads((SHARED / "recordings" / MCP).read_text()), []
    bodies = [item["response"] for item in recording["exchanges"] if "/mcp" not in item["request"]["url"]]
    chats = [Answer(headers=told["headers"], body=told["body"]) for told in bodies]
    with Provider({"/mcp": mcp_answers(recording, asked), "/v1/chat/completions": chats}) as provider:
        async with models("chat.completions", provider.url, "gpt-4o") as model:
            agent = Agent(model, name="agent", toolsets=[MCPToolset(f"{provider.url}/mcp")])
            await agent.run("x")
        assert not provider.unanswered
    assert tree(watched.spans) == snapshot("""\
invoke_agent agent
  initialize
  tools/list
  chat gpt-4o 213->41 tokens $0.0009425
  execute_tool ask_question
    tools/call ask_question
  chat gpt-4o 1636->142 tokens $0.00551\
""")
    told = [item for item in recording["expected"] if item["input"] is not None]
    sums = [sum(item[name] for item in told) for name in ("input", "output")]
    assert totals(watched.session) == (len(told), *sums)
    assert watched.session.get_analytics()["Tool calls"] == 1
    (called,) = [body for body in asked if body["method"] == "tools/call"]
    (span,) = [span for span in watched.spans if span.name.startswith("tools/call")]
    assert called["params"]["_meta"]["traceparent"].split("-")[1:3] == [span.trace_id, span.span_id]


class ByGrpc(chat_pb2_grpc.ChatServicer):
    """Answers what xAI's service did."""

    def __init__(self, recording):
        told = (item["response_sample"]["raw"]["base64"] for item in recording["messages"])
        self.answers = [chat_pb2.GetChatCompletionResponse.FromString(base64.b64decode(item)) for item in told]

    def GetCompletion(self, request, context):
        return self.answers.pop(0)


async def test_a_tool_that_returns_a_picture_by_grpc(watched):
    recording = json.loads((SHARED / "recordings" / BY_GRPC).read_text())
    used = [item["response_sample"]["json"]["usage"] for item in recording["messages"]]
    service, server = ByGrpc(recording), grpc.server(ThreadPoolExecutor(1))
    chat_pb2_grpc.add_ChatServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    client = AsyncClient(api_key="x", api_host=f"127.0.0.1:{port}", use_insecure_channel=True)
    model = XaiModel("grok-4-fast-non-reasoning", provider=XaiProvider(xai_client=client))

    def get_image() -> ImageUrl:
        """The image."""
        return ImageUrl("https://t3.ftcdn.net/potato.jpg")

    answer = await Agent(model, name="agent", tools=[get_image]).run("What food is in the image?")
    await client.close()
    server.stop(None).wait()
    assert answer.output == "The image shows a single raw potato."
    assert not service.answers
    assert tree(watched.spans) == snapshot("""\
invoke_agent agent
  chat grok-4-fast-non-reasoning 356->15 tokens (314 cached) $0.0000316
  execute_tool get_image
  chat grok-4-fast-non-reasoning 657->8 tokens (371 cached) $0.00007975\
""")
    sums = [sum(item[name] for item in used) for name in ("prompt_tokens", "completion_tokens")]
    assert totals(watched.session) == (len(used), *sums)


class XaiHere(XaiProvider):
    """xAI's, at an address of the test: its own is not a setting."""

    here = ""

    @property
    def base_url(self):
        return self.here


def openai_voice(url):
    return OpenAIRealtimeModel("gpt-realtime", provider=OpenAIProvider(api_key="x", base_url=f"{url}/v1"))


def xai_voice(url):
    provider = XaiHere(api_key="x")
    provider.here = f"{url}/v1"
    return XaiRealtimeModel("grok-voice-think-fast-1.0", provider=provider)


SPOKEN = {
    "openai": (
        VOICE,
        openai_voice,
        (1, 16, 24),
        snapshot("""\
invoke_agent agent
  chat gpt-realtime 16->24 tokens $0.000448
  model turn complete\
"""),
    ),
    # What xAI printed beside its responses; its name as Pydantic AI writes it.
    "xai": (
        VOICE_OF_XAI,
        xai_voice,
        (2, 7, 222),
        snapshot("""\
invoke_agent agent
  chat grok-voice-think-fast-1.0 7->84 tokens
  execute_tool get_weather
  chat grok-voice-think-fast-1.0 None->138 tokens
  model turn complete\
"""),
    ),
}


@pytest.mark.parametrize("provider", SPOKEN)
async def test_a_spoken_answer(watched, provider):
    file, model_at, sums, expected = SPOKEN[provider]
    agent = Agent(name="agent", tools=[Tool.from_schema(lambda **_: "foggy", "get_weather", "", ANYTHING)])
    recording = json.loads((SHARED / "recordings" / file).read_text())
    with playing([(item["direction"], item["data"]) for item in recording["messages"]]) as url:
        async with agent.realtime(model_at(url.replace("ws:", "http:"))).session() as session:
            await session.send("Say a short greeting.")
            await session.wait_for_reply()
    assert tree(watched.spans) == expected
    assert totals(watched.session) == sums
    calls = [span for span in watched.spans if span.name.startswith("chat")]
    assert {span.attributes[names.PROVIDER_NAME] for span in calls} == {provider}


TREES = snapshot(
    {
        "anthropic/test-anthropic-count-tokens-with-adaptive-thinking-and-outpu-7e0180b7.json": """\
invoke_agent agent
  chat claude-opus-4-6 671->55 tokens $0.00473\
""",
        "anthropic/test-anthropic-deferred-capability-without-tool-search-acros-8e790d73.json": """\
invoke_agent agent
  chat claude-fable-5 594->50 tokens $0.00844
  execute_tool load_capability
  chat claude-fable-5 797->57 tokens $0.01082
  execute_tool lookup_refund_policy
  chat claude-fable-5 868->11 tokens $0.00923\
""",
        "bedrock/test-bedrock-model-with-code-execution-tool-bab1173a.json": """\
invoke_agent agent
  chat us.amazon.nova-2-lite-v1:0 1002->59 tokens $0.00049291
invoke_agent agent
  chat us.amazon.nova-2-lite-v1:0 1148->59 tokens $0.00054109\
""",
        "bedrock/test-multimodal-tool-return-matrix-direct-uploaded-file-imag-5ee63c12.json": """\
invoke_agent agent ERROR
  chat us.anthropic.claude-sonnet-4-5-20250929-v1:0 558->46 tokens $0.0026004
  execute_tool get_file
  chat us.anthropic.claude-sonnet-4-5-20250929-v1:0 ERROR botocore.exceptions.ClientError\
""",
        "bedrock/test-multimodal-tool-return-matrix-tool-return-content-uploa-0eeff398.json": """\
invoke_agent agent
  chat us.amazon.nova-2-lite-v1:0 901->14 tokens $0.00033583
  execute_tool get_file
  chat us.amazon.nova-2-lite-v1:0 3529->177 tokens $0.00165132\
""",
        "deepseek/test-deepseek-responses-function-tool-b63fea80.json": """\
invoke_agent agent
  chat deepseek-v4-flash 366->63 tokens (256 cached)
  execute_tool get_temperature
  chat deepseek-v4-flash 444->14 tokens (384 cached)\
""",
        "deepseek/test-deepseek-responses-function-tool-stream-9287b231.json": """\
invoke_agent agent
  chat deepseek-v4-flash 366->59 tokens (256 cached)
  execute_tool get_temperature
  chat deepseek-v4-flash 440->14 tokens (384 cached)\
""",
        "google-genai/test-compatible-api-with-tool-calls-without-id-06a0f5d9.json": """\
invoke_agent agent
  chat gemini-2.5-pro-preview-05-06 35->12 tokens
  execute_tool get_current_time
  chat gemini-2.5-pro-preview-05-06 66->6 tokens\
""",
        "google-genai/test-multimodal-tool-return-matrix-tool-return-content-url-f-0a660693.json": """\
invoke_agent agent
  generate_content gemini-3-flash-preview 36->1444 tokens $0.00435
  execute_tool get_file
  generate_content gemini-3-flash-preview 1570->127 tokens $0.001166
  execute_tool get_file
  generate_content gemini-3-flash-preview 696->282 tokens $0.001194\
""",
        "google-genai/test-multiple-agent-tool-calls-0c367a59.json": """\
invoke_agent agent
  generate_content gemini-2.0-flash-exp 23->5 tokens $0.0000043
  execute_tool get_capital
  generate_content gemini-2.0-flash-exp 35->8 tokens $0.0000067
invoke_agent agent
  chat gpt-4o-mini 104->16 tokens $0.0000252
  execute_tool get_capital
  chat gpt-4o-mini 129->9 tokens $0.00002475\
""",
        "google-genai/test-native-output-with-function-tools-stream-c0f91ec7.json": """\
invoke_agent agent
  generate_content gemini-3-flash-preview 29->81 tokens $0.0002575
  execute_tool get_user_country
  generate_content gemini-3-flash-preview 128->51 tokens $0.000217\
""",
        "groq/test-tool-use-failed-error-streaming-bc6447f8.json": """\
invoke_agent agent
  chat openai/gpt-oss-120b usage missing ERROR groq.APIError
  execute_tool get_something_by_name
  chat openai/gpt-oss-120b 304->49 tokens $0.000075
  execute_tool get_something_by_name
  chat openai/gpt-oss-120b 339->58 tokens $0.00008565\
""",
        "groq/test-tool-use-failed-error-with-text-32276cf3.json": """\
invoke_agent agent
  chat openai/gpt-oss-120b ERROR groq.BadRequestError
  chat openai/gpt-oss-120b 254->174 tokens $0.0001425\
""",
        "mistral/test-multimodal-tool-return-matrix-tool-return-content-url-i-6cba36ea.json": """\
invoke_agent agent
  chat mistral-medium-latest 64->6 tokens (32 cached) $0.0000978
  execute_tool get_file
  chat mistral-medium-latest 254->93 tokens (48 cached) $0.0010137\
""",
        "openai/test-cross-provider-capability-replay-openai-responses-gpt-5-7c28fd3a.json": """\
invoke_agent agent
  chat gpt-5.4 109->20 tokens $0.0005725
  execute_tool load_capability
  chat gpt-5.4 282->26 tokens $0.001095
  execute_tool lookup_refund_policy
  chat gpt-5.4 334->19 tokens $0.00112
invoke_agent agent
  generate_content gemini-3-flash-preview 335->84 tokens $0.0004195
  execute_tool lookup_refund_policy
  generate_content gemini-3-flash-preview 449->17 tokens $0.0002755\
""",
        "openai/test-live-tool-search-handoff-openai-to-anthropic-b46ef617.json": """\
invoke_agent agent
  chat gpt-5.4 580->43 tokens $0.002095
  execute_tool get_exchange_rate
  chat gpt-5.4 243->13 tokens $0.0008025
invoke_agent agent
  chat claude-sonnet-4-6 972->62 tokens $0.003846
  execute_tool get_exchange_rate
  chat claude-sonnet-4-6 1056->36 tokens $0.003708\
""",
        "openai/test-multimodal-tool-return-matrix-direct-uploaded-file-imag-102cd50c.json": """\
invoke_agent agent
  chat gpt-5-mini 47->109 tokens $0.00022975
  execute_tool get_file
  chat gpt-5-mini 582->306 tokens $0.0007575\
""",
        "openai/test-openai-client-tool-search-streaming-2494d6d7.json": """\
invoke_agent agent
  chat gpt-5.4 234->36 tokens $0.001125
  chat gpt-5.4 429->26 tokens $0.0014625
  execute_tool get_exchange_rate
  chat gpt-5.4 477->13 tokens $0.0013875\
""",
        "openai/test-openai-promotes-local-search-history-round-trip-f4b8294a.json": """\
invoke_agent agent
  chat gpt-5.4-mini 583->26 tokens $0.00055425
  execute_tool get_exchange_rate
  chat gpt-5.4-mini 631->12 tokens $0.00052725\
""",
        "openrouter/test-openrouter-google-nested-schema-f831ebe5.json": """\
invoke_agent agent
  chat google/gemini-2.5-flash 326->91 tokens $0.0003253
  execute_tool insert_level_with_spaces
  chat google/gemini-2.5-flash 480->33 tokens $0.0002265\
""",
        "vertex/test-multimodal-tool-return-matrix-tool-return-content-url-i-a0ba8436.json": """\
invoke_agent agent ERROR
  generate_content gemini-3-flash-preview 22->391 tokens $0.001184
  generate_content gemini-3-flash-preview 54->621 tokens $0.00189
  execute_tool get_file
  generate_content gemini-3-flash-preview 146->159 tokens $0.00055
  execute_tool get_file
  generate_content gemini-3-flash-preview ERROR google.genai.errors.ClientError\
""",
        "anthropic/test-anthropic-to-google-deferred-capability-history-replay-cc91877a.json": """\
invoke_agent agent
  chat claude-sonnet-4-5 819->81 tokens $0.003672
  execute_tool load_capability
  chat claude-sonnet-4-5 1076->60 tokens $0.00492975
  execute_tool lookup_refund_policy
  chat claude-sonnet-4-5 1160->110 tokens (1069 cached) $0.00230745
invoke_agent agent
  generate_content gemini-3-flash-preview 620->94 tokens $0.000592
  execute_tool lookup_refund_policy
  generate_content gemini-3-flash-preview 744->39 tokens $0.000489\
""",
        "anthropic/test-multimodal-tool-return-matrix-direct-uploaded-file-imag-ccb60f64.json": """\
invoke_agent agent
  chat claude-sonnet-4-5 558->46 tokens $0.002364
  execute_tool get_file
  chat claude-sonnet-4-5 1092->167 tokens $0.005781\
""",
        "openai-compatible/test-snowflake-tool-calling-20ca8ac9.json": """\
invoke_agent agent
  chat claude-sonnet-4-6 568->55 tokens
  execute_tool get_weather
  chat claude-sonnet-4-6 642->21 tokens\
""",
        "anthropic/test-anthropic-cache-count-tokens-209ea6c2.json": """\
invoke_agent agent
  chat claude-sonnet-4-5 1114->414 tokens (1111 cached) $0.0065523\
""",
        "anthropic/test-anthropic-model-thinking-part-redacted-5a5b4c80.json": """\
invoke_agent agent
  chat claude-sonnet-4-5-20250929 92->196 tokens $0.003216
invoke_agent agent
  chat claude-sonnet-4-5-20250929 168->232 tokens $0.003984\
""",
        "anthropic/test-anthropic-web-search-tool-524013ee.json": """\
invoke_agent agent
  chat claude-sonnet-4-0 8984->520 tokens $0.044752
invoke_agent agent
  chat claude-sonnet-4-0 19859->544 tokens $0.077737\
""",
        "cerebras/test-cerebras-thinking-part-survives-multiturn-60043ab2.json": """\
invoke_agent agent
  chat gpt-oss-120b 79->37 tokens $0.000009741
invoke_agent agent
  chat gpt-oss-120b 98->47 tokens $0.000012282\
""",
        "google-genai/test-google-model-cached-content-28c86e7f.json": """\
invoke_agent agent
  generate_content gemini-2.5-flash 3520->44 tokens (3512 cached) $0.00021776
invoke_agent agent
  generate_content gemini-2.5-flash 3520->53 tokens (3512 cached) $0.00024026\
""",
        "huggingface/test-hf-model-thinking-part-9aa7308c.json": """\
invoke_agent agent
  chat deepseek-ai/DeepSeek-R1 10->995 tokens
invoke_agent agent
  chat deepseek-ai/DeepSeek-R1 32->1425 tokens\
""",
        "openai/test-bedrock-model-thinking-part-from-other-model-545e9d16.json": """\
invoke_agent agent
  chat gpt-5 23->2030 tokens $0.02032875
invoke_agent agent
  chat us.anthropic.claude-sonnet-4-20250514-v1:0 1241->495 tokens $0.011148\
""",
        "openai/test-openai-chat-prompt-cache-e2e-88dcefc2.json": """\
invoke_agent agent
  chat gpt-5.6-sol 4020->4 tokens $0.020172
invoke_agent agent
  chat gpt-5.6-sol 4020->4 tokens (4012 cached) $0.0017168\
""",
        "openai/test-openai-model-thinking-part-c4164732.json": """\
invoke_agent agent
  chat o3-mini 13->1915 tokens $0.0084403
invoke_agent agent
  chat o3-mini 577->2320 tokens $0.0108427\
""",
        "openai/test-openai-responses-model-file-search-tool-with-results-44936499.json": """\
invoke_agent agent
  chat gpt-4o 1178->45 tokens $0.003395\
""",
        "openai/test-openai-responses-thinking-with-modified-history-0689f01d.json": """\
invoke_agent agent
  chat gpt-5 13->248 tokens $0.00249625
invoke_agent agent ERROR
  chat gpt-5 ERROR openai.BadRequestError
invoke_agent agent
  chat gpt-5 142->355 tokens $0.0037275\
""",
        "openrouter/test-openrouter-cache-messages-anthropic-real-api-c8b233a6.json": """\
invoke_agent agent
  chat anthropic/claude-sonnet-4.6 3214->100 tokens $0.01355025
invoke_agent agent
  chat anthropic/claude-sonnet-4.6 3329->53 tokens (3211 cached) $0.00219855\
""",
        "vertex/test-google-vertexai-count-tokens-forwards-native-tools-8eff0920.json": """\
invoke_agent agent
  generate_content gemini-2.5-flash 13->39 tokens $0.0001014\
""",
        "google-genai/test-anthropic-server-tool-receive-history-from-another-prov-92e59bd9.json": """\
invoke_agent agent
  generate_content gemini-2.0-flash 302->194 tokens $0.0001078
invoke_agent agent
  chat claude-sonnet-4-6 4827->95 tokens $0.015906\
""",
        "openai/test-cohere-model-thinking-part-96d0b45b.json": """\
invoke_agent agent
  chat o3-mini 13->2241 tokens $0.0098747
invoke_agent agent
  chat command-a-reasoning-08-2025 431->661 tokens\
""",
        "zai/test-zai-preserved-thinking-round-trip-1254cf4c.json": """\
invoke_agent agent
  chat glm-4.7 17->172 tokens
invoke_agent agent
  chat glm-4.7 198->134 tokens\
""",
    }
)

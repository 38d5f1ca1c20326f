"""Recordings of several steps, answered to Pydantic AI again: the tree is the agents' structure, the sums are as printed."""

from __future__ import annotations

import json

import pytest
from conftest import SHARED
from inline_snapshot import snapshot
from pydantic_ai import Agent, ModelHTTPError, StructuredDict, Tool, ToolOutput, UnexpectedModelBehavior, UsageLimits
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.wrapper import WrapperModel
from recorded import totals
from trees import tree

FAILOVER = "anthropic/test-live-fallback-failover-capability-load-and-recovery-782fe224.json"
FILES = sorted(
    item["file"]
    for item in json.loads((SHARED / "recordings" / "index.json").read_text())
    if item["framework"] == "pydantic-ai"
    and {"multi-exchange", "agent-run"} <= set(item["features"])
    and item["file"] != FAILOVER
    and not item["operation"].startswith("mcp")  # of Temporal's workflow, where each step opens its own session
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
        if wanted["operation"].endswith("count_tokens"):
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
    recording = recorded(file)
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
    }
)

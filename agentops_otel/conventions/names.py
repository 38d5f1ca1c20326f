"""Every attribute name and value that spans are written with: GenAI's, OpenTelemetry's and ours."""

from __future__ import annotations

from typing import Final

# --- What kind of work a span is -----------------------------------------------------------------
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"

CHAT: Final = "chat"
TEXT_COMPLETION: Final = "text_completion"
GENERATE_CONTENT: Final = "generate_content"
EMBEDDINGS: Final = "embeddings"
FETCH_RESPONSE: Final = "fetch_response"
RETRIEVAL: Final = "retrieval"
EXECUTE_TOOL: Final = "execute_tool"
CREATE_AGENT: Final = "create_agent"
INVOKE_AGENT: Final = "invoke_agent"
INVOKE_WORKFLOW: Final = "invoke_workflow"
SEARCH_MEMORY: Final = "search_memory"
CREATE_MEMORY: Final = "create_memory"
UPDATE_MEMORY: Final = "update_memory"
DELETE_MEMORY: Final = "delete_memory"
DELETE_MEMORY_STORE: Final = "delete_memory_store"
# No convention names a moderation; it is a check on content, not a generation.
MODERATION: Final = "moderation"
# Nor a reranking: documents are scored, nothing is generated or retrieved.
RERANK: Final = "rerank"
# A request over MCP that is no tool call; the conventions name it by its method alone.
MCP_REQUEST: Final = "mcp"
# Nor what frameworks do between agents.
TASK: Final = "task"
HANDOFF: Final = "handoff"
GUARDRAIL: Final = "guardrail"

MODEL_OPERATIONS: Final = frozenset({CHAT, TEXT_COMPLETION, GENERATE_CONTENT, EMBEDDINGS})
"""Operations that a provider bills: the only ones whose tokens are summed."""
SUBJECT_OPERATIONS: Final = MODEL_OPERATIONS | {
    EXECUTE_TOOL,
    CREATE_AGENT,
    INVOKE_AGENT,
    INVOKE_WORKFLOW,
    RETRIEVAL,
}
"""Operations whose spans are named after what they act on, too."""
STEPS: Final = frozenset({TASK, HANDOFF, GUARDRAIL})
"""What frameworks do between agents: named after what it is, too, by a name of ours."""
UNNAMED_OPERATIONS: Final = STEPS | {MCP_REQUEST, MODERATION, RERANK}
"""Operations that the conventions have no word for: their spans carry no operation name."""

# --- Request ---------------------------------------------------------------------------------------
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_TOP_K: Final = "gen_ai.request.top_k"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
REQUEST_PREVIOUS_RESPONSE_ID: Final = "gen_ai.request.previous_response.id"
REQUEST_ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"
REQUEST_STREAM_CURSOR: Final = "gen_ai.request.stream_cursor"
OUTPUT_TYPE: Final = "gen_ai.output.type"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
OPENAI_API_TYPE: Final = "openai.api.type"
OPENAI_REQUEST_SERVICE_TIER: Final = "openai.request.service_tier"

# --- Response --------------------------------------------------------------------------------------
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_STATUS: Final = "gen_ai.response.status"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
EMBEDDINGS_DIMENSION_COUNT: Final = "gen_ai.embeddings.dimension.count"
OPENAI_RESPONSE_SERVICE_TIER: Final = "openai.response.service_tier"
OPENAI_RESPONSE_SYSTEM_FINGERPRINT: Final = "openai.response.system_fingerprint"

# --- Usage -----------------------------------------------------------------------------------------
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
AUDIO_INPUT_TOKENS: Final = "gen_ai.usage.audio.input_tokens"
AUDIO_OUTPUT_TOKENS: Final = "gen_ai.usage.audio.output_tokens"
AUDIO_CACHE_READ_TOKENS: Final = "gen_ai.usage.audio.cache_read.input_tokens"
IMAGE_INPUT_TOKENS: Final = "gen_ai.usage.image.input_tokens"
IMAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.image.output_tokens"
IMAGE_CACHE_READ_TOKENS: Final = "gen_ai.usage.image.cache_read.input_tokens"
TEXT_INPUT_TOKENS: Final = "gen_ai.usage.text.input_tokens"
TEXT_OUTPUT_TOKENS: Final = "gen_ai.usage.text.output_tokens"

# --- Content (JSON strings) ------------------------------------------------------------------------
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
RETRIEVAL_QUERY: Final = "gen_ai.retrieval.query.text"
RETRIEVAL_DOCUMENTS: Final = "gen_ai.retrieval.documents"
RETRIEVAL_TOP_K: Final = "gen_ai.retrieval.top_k"
DATA_SOURCE_ID: Final = "gen_ai.data_source.id"
MEMORY_QUERY: Final = "gen_ai.memory.query.text"
MEMORY_RECORDS: Final = "gen_ai.memory.records"
MEMORY_RECORD_ID: Final = "gen_ai.memory.record.id"
MEMORY_RECORD_COUNT: Final = "gen_ai.memory.record.count"
MEMORY_STORE_ID: Final = "gen_ai.memory.store.id"
CONTENT: Final = (INPUT_MESSAGES, OUTPUT_MESSAGES, SYSTEM_INSTRUCTIONS, TOOL_DEFINITIONS)

# --- Tools and agents ------------------------------------------------------------------------------
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_DESCRIPTION: Final = "gen_ai.tool.description"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"
AGENT_NAME: Final = "gen_ai.agent.name"
AGENT_ID: Final = "gen_ai.agent.id"
WORKFLOW_NAME: Final = "gen_ai.workflow.name"

# --- MCP -------------------------------------------------------------------------------------------
MCP_METHOD: Final = "mcp.method.name"
MCP_PROTOCOL: Final = "mcp.protocol.version"
MCP_RESOURCE: Final = "mcp.resource.uri"
PROMPT_NAME: Final = "gen_ai.prompt.name"
RPC_STATUS: Final = "rpc.response.status_code"
TOOL_ERROR: Final = "tool_error"
"""The `error.type` of a tool that answered that it failed."""

# --- Errors, servers -------------------------------------------------------------------------------
ERROR_TYPE: Final = "error.type"
ERROR_TYPE_OTHER: Final = "_OTHER"
SERVICE_NAME: Final = "service.name"
HOST_NAME: Final = "host.name"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"

# --- Sessions --------------------------------------------------------------------------------------
SESSION_ID: Final = "session.id"
SPAN_KIND: Final = "agentops.span.kind"
PROJECT_ID: Final = "agentops.project.id"
END_STATE: Final = "agentops.end_state"
END_STATE_REASON: Final = "agentops.end_state_reason"
TAGS: Final = "agentops.tags"
VIDEO_URL: Final = "agentops.video.url"
INPUT_VALUE: Final = "input.value"
OUTPUT_VALUE: Final = "output.value"

KIND_SESSION: Final = "session"
KIND_AGENT: Final = "agent"
KIND_WORKFLOW: Final = "workflow"
KIND_TASK: Final = "task"
KIND_OPERATION: Final = "operation"
KIND_ACTION: Final = "action"
KIND_TOOL: Final = "tool"
KIND_LLM: Final = "llm"
KIND_GUARDRAIL: Final = "guardrail"
KIND_ERROR: Final = "error"
KIND_END: Final = "end"
"""The word of a process that does not own the session, that it has ended all the same."""

SUCCESS: Final = "Success"
FAILURE: Final = "Failure"
INDETERMINATE: Final = "Indeterminate"

# --- Totals of a session, on its root --------------------------------------------------------------
LLM_CALLS: Final = "agentops.llm_calls"
TOOL_CALLS: Final = "agentops.tool_calls"
ACTIONS: Final = "agentops.actions"
ERRORS: Final = "agentops.errors"
TOTAL_INPUT_TOKENS: Final = "agentops.usage.input_tokens"
TOTAL_OUTPUT_TOKENS: Final = "agentops.usage.output_tokens"
TOTAL_CACHE_READ_TOKENS: Final = "agentops.usage.cache_read.input_tokens"
TOTAL_CACHE_WRITE_TOKENS: Final = "agentops.usage.cache_write.input_tokens"
TOTAL_REASONING_TOKENS: Final = "agentops.usage.reasoning.output_tokens"
COST_UNPRICED_CALLS: Final = "agentops.cost.unpriced_calls"

# --- Cost ------------------------------------------------------------------------------------------
COST: Final = "agentops.cost.usd"
COST_SOURCE: Final = "agentops.cost.source"
COST_ALIASES: Final = ("gen_ai.usage.cost", "operation.cost")
"""The same figure under the names that Langfuse and Logfire read."""
PROVIDER_COST: Final = "agentops.cost.reported"
"""What the provider itself said that the call cost, in USD."""

# --- What the conventions have no name for ---------------------------------------------------------
USAGE_MISSING: Final = "agentops.usage.missing"
"""True where a provider answered and its answer carries no usage: the cost cannot be known."""
CACHE_WRITE_1H_TOKENS: Final = "agentops.usage.cache_write_1h.input_tokens"
"""The part of the cache-written tokens that lives for an hour: it has a price of its own."""
WEB_SEARCHES: Final = "agentops.usage.web_searches"
AUDIO_SECONDS: Final = "agentops.usage.audio_seconds"
SEARCH_UNITS: Final = "agentops.usage.search_units"
"""What rerankings are billed by: a query with up to a hundred documents, as Cohere counts."""
SERVICE_TIER: Final = "agentops.response.service_tier"
"""The tier that was billed, as the provider answered it, whichever the provider."""
COST_CONDITIONS: Final = "agentops.cost.conditions"
"""What else the price depends on, as `name=value`: `processing=batch`, `speed=fast`, `inference_geo=us`."""
INNER_USAGE: Final = "agentops.usage.inner"
"""Work billed beside the usage that a call prints (compaction, an advisor model): a JSON object for each."""
OWNER: Final = "agentops.owner"
"""On a start record: the process whose life decides whether the session still runs."""
SESSION_START: Final = "agentops.session.start"
SESSION_HEARTBEAT: Final = "agentops.session.heartbeat"
SESSION_EVENTS: Final = frozenset({SESSION_START, SESSION_HEARTBEAT})
"""Names of the log records that are start records: they carry the root span's ids, and its attributes so far."""
SESSION_HEARD: Final = "agentops.session.heard"
"""On a start record that was read from a heartbeat: when, in nanoseconds, by the clock of who heard it."""
EVENT_NAME: Final = "event.name"
PAGE_HEADER: Final = "Agentops-Page"
"""A header of the answers to OTLP over HTTP: the path, on the same server, below which sessions have their pages."""
SESSION_START_TIME: Final = "agentops.session.start_time"
"""On such a log record: when the session began, in nanoseconds, where that was not when the record was made."""
STREAM_OUTCOME: Final = "agentops.stream.outcome"
ABANDONED: Final = "abandoned"
"""Its only value: the reader stopped before the end, or the process did; the figures are those that had arrived."""
CONTENT_DROPPED: Final = "agentops.content.dropped"
"""True where longer texts were left out because too much waited for delivery."""
SAME_CALL: Final = "agentops.same_call"
"""On a link: the other span, which no session has, tells of the same call, and its id is what the other side knows."""
STEP_NAME: Final = "agentops.step.name"
"""Of a task, a hand-off or a check: how the framework calls it."""
GUARDRAIL_TRIGGERED: Final = "agentops.guardrail.triggered"
"""Whether a check stopped what it checks."""
FETCHED: Final = "agentops.fetched.usage."
"""Prefix of usage on a `fetch_response` span: the conventions keep `gen_ai.usage.*` off it."""

# --- Events recorded by hand -----------------------------------------------------------------------
EVENT_ID: Final = "agentops.event.id"
EVENT_PARAMS: Final = "agentops.event.params"
EVENT_RETURNS: Final = "agentops.event.returns"
EVENT_LOGS: Final = "agentops.event.logs"
EVENT_SCREENSHOT: Final = "agentops.event.screenshot"
EVENT_AGENT_ID: Final = "agentops.event.agent_id"
EVENT_THREAD_ID: Final = "agentops.event.thread_id"
EVENT_TRIGGER_ID: Final = "agentops.event.trigger.id"
EVENT_TRIGGER_TYPE: Final = "agentops.event.trigger.type"
EVENT_CODE: Final = "agentops.event.code"
EVENT_DETAILS: Final = "agentops.event.details"
ACTION_TYPE: Final = "agentops.action.type"

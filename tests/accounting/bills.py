"""Bills worked out by hand from the providers' public prices, in USD for a million tokens.

The amount of a bill is a sum of counts and rates: `"1000 * 2.50 + 500 * 10"`. Things that are not tokens stand at
their price for a million as well: a search at $10 for a thousand is `10_000`, a second at $0.006 a minute is `100`.
"""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, NamedTuple

from agentops_otel.conventions.model import Usage


class Bill(NamedTuple):
    """One call, and what it costs: None where nobody can know."""

    what: str
    provider: str | None
    model: str
    usage: Usage
    amount: str | None
    conditions: dict[str, str] | None = None
    day: str = "2026-11-20"

    @property
    def cost(self) -> Decimal | None:
        """The amount in USD."""
        if self.amount is None:
            return None
        terms = [term.split("*") for term in self.amount.split("+")]
        return sum((Decimal(count.strip()) * Decimal(rate.strip()) for count, rate in terms), Decimal(0)) / 1_000_000

    @property
    def at(self) -> int:
        """The day, or moment, in nanoseconds since the epoch."""
        return nanoseconds(self.day)


def nanoseconds(moment: str) -> int:
    """An ISO 8601 moment in UTC as nanoseconds since the epoch; noon where it is a day."""
    told = moment if "T" in moment else f"{moment}T12:00:00"
    return int(datetime.fromisoformat(told).replace(tzinfo=timezone.utc).timestamp()) * 10**9


def used(read: int | None, written: int | None = None, **parts: Any) -> Usage:
    """Usage: tokens read and written, then the parts of them."""
    return Usage(input_tokens=read, output_tokens=written, **parts)


BATCH = {"processing": "batch"}
FLEX, PRIORITY, DEFAULT = ({"service_tier": tier} for tier in ("flex", "priority", "default"))

# fmt: off
PLAIN = [
    Bill("gpt-4o", "openai", "gpt-4o", used(1000, 500), "1000 * 2.50 + 500 * 10"),
    Bill("gpt-4o-mini", "openai", "gpt-4o-mini", used(20, 10), "20 * 0.15 + 10 * 0.60"),
    Bill("gpt-4.1", "openai", "gpt-4.1", used(1234, 567), "1234 * 2 + 567 * 8"),
    Bill("gpt-4.1-nano", "openai", "gpt-4.1-nano", used(7, 1), "7 * 0.10 + 1 * 0.40"),
    Bill("gpt-5", "openai", "gpt-5", used(90_000, 4_000), "90000 * 1.25 + 4000 * 10"),
    Bill("gpt-4", "openai", "gpt-4", used(8_000, 100), "8000 * 30 + 100 * 60"),
    Bill("fine-tuned", "openai", "ft:gpt-4o-mini-2024-07-18:acme::abc", used(100, 10), "100 * 0.30 + 10 * 1.20"),
    Bill("claude-haiku-4-5", "anthropic", "claude-haiku-4-5", used(100, 50), "100 * 1 + 50 * 5"),
    Bill("claude-opus-4-1", "anthropic", "claude-opus-4-1", used(100, 50), "100 * 15 + 50 * 75"),
    Bill("gemini-2.5-flash", "gcp.gemini", "gemini-2.5-flash", used(100, 50), "100 * 0.30 + 50 * 2.50"),
    Bill("llama on groq", "groq", "llama-3.3-70b-versatile", used(100, 50), "100 * 0.59 + 50 * 0.79"),
    Bill("mistral-large", "mistral_ai", "mistral-large-latest", used(100, 50), "100 * 2 + 50 * 6"),
    Bill("grok-4, as its SDK names it", "xai", "grok-4-0709", used(100, 50), "100 * 3 + 50 * 15"),
    Bill("grok-4", "x_ai", "grok-4-0709", used(100, 50), "100 * 3 + 50 * 15"),
    Bill("gpt-oss on groq", "groq", "openai/gpt-oss-120b", used(100, 50), "100 * 0.15 + 50 * 0.60"),
    Bill("llama on together", "together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", used(100, 50), "100 * 0.88 + 50 * 0.88"),
    Bill("gpt-oss on cerebras", "cerebras", "gpt-oss-120b", used(100, 50), "100 * 0.35 + 50 * 0.75"),
    Bill("behind Portkey", "portkey", "gpt-4o-mini", used(100, 50), "100 * 0.15 + 50 * 0.60"),
    Bill("behind Portkey, its own words", "portkey", "@openai/gpt-4o-mini", used(100, 50), "100 * 0.15 + 50 * 0.60"),
    Bill("behind Portkey, of several houses", "portkey", "llama-3.3-70b", used(100, 50), None),
    Bill("on one's own machine", "lm_studio", "openai/gpt-4o", used(100, 50), None),
    Bill("on one's own server", "vllm", "google/gemini-2.5-flash", used(100, 50), None),
    Bill("kimi-k2", "moonshot_ai", "kimi-k2-0905-preview", used(100, 50), "100 * 0.60 + 50 * 2.50"),
    Bill("command-r-plus", "cohere", "command-r-plus", used(100, 50), "100 * 2.50 + 50 * 10"),
    Bill("DeepSeek at Hugging Face's Together", "huggingface_together", "deepseek-ai/DeepSeek-R1", used(100, 50), "100 * 3 + 50 * 7"),
    Bill("nothing used", "openai", "gpt-4o", used(0, 0), "0 * 2.50"),
    Bill("a million tokens", "openai", "gpt-4o", used(1_000_000, 1_000_000), "1000000 * 2.50 + 1000000 * 10"),
]
EMBEDDINGS = [
    Bill("text-embedding-3-small", "openai", "text-embedding-3-small", used(41), "41 * 0.02"),
    Bill("text-embedding-3-large", "openai", "text-embedding-3-large", used(8191), "8191 * 0.13"),
    Bill("gemini-embedding-001", "gcp.gemini", "gemini-embedding-001", used(500), "500 * 0.15"),
    Bill("embed-v4.0", "cohere", "embed-v4.0", used(500), "500 * 0.12"),
]
CACHES = [
    Bill("read, OpenAI", "openai", "gpt-4o", used(1000, 10, cache_read_tokens=900), "100 * 2.50 + 900 * 1.25 + 10 * 10"),
    Bill("read, all of it", "openai", "gpt-5", used(1024, 0, cache_read_tokens=1024), "1024 * 0.125"),
    Bill("read none", "openai", "gpt-4o", used(1000, 10, cache_read_tokens=0), "1000 * 2.50 + 10 * 10"),
    Bill("read, Anthropic", "anthropic", "claude-haiku-4-5", used(1200, 30, cache_read_tokens=1104), "96 * 1 + 1104 * 0.10 + 30 * 5"),
    Bill("written for 5 minutes", "anthropic", "claude-haiku-4-5", used(2100, 30, cache_write_tokens=2000), "100 * 1 + 2000 * 1.25 + 30 * 5"),
    Bill(
        "written for an hour",
        "anthropic",
        "claude-haiku-4-5",
        used(2100, 30, cache_write_tokens=2000, cache_write_1h_tokens=2000),
        "100 * 1 + 2000 * 2 + 30 * 5",
    ),
    Bill(
        "read, and written for both",
        "anthropic",
        "claude-opus-4-1",
        used(10_000, 1, cache_read_tokens=4000, cache_write_tokens=5000, cache_write_1h_tokens=3000),
        "1000 * 15 + 4000 * 1.50 + 2000 * 18.75 + 3000 * 30 + 1 * 75",
    ),
    Bill("read where none is cheaper", "openai", "gpt-4-turbo", used(100, 1, cache_read_tokens=60), "100 * 10 + 1 * 30"),
    Bill(
        "an hour without its price",
        "aws.bedrock",
        "anthropic.claude-3-7-sonnet-20250219-v1:0",
        used(2100, 30, cache_write_tokens=2000, cache_write_1h_tokens=2000),
        None,
    ),
]
REASONING = [
    Bill("within the output", "openai", "o4-mini", used(100, 900, reasoning_tokens=800), "100 * 1.10 + 900 * 4.40"),
    Bill("o1", "openai", "o1", used(100, 900, reasoning_tokens=900), "100 * 15 + 900 * 60"),
    Bill(
        "at a price of its own",
        "perplexity",
        "sonar-deep-research",
        used(100, 1000, reasoning_tokens=600),
        "100 * 2 + 400 * 8 + 600 * 3",
    ),
]
SENSES = [
    Bill("audio read, Gemini", "gcp.gemini", "gemini-2.5-flash", used(1000, 10, audio_input_tokens=800), "200 * 0.30 + 800 * 1 + 10 * 2.50"),
    Bill(
        "audio both ways",
        "openai",
        "gpt-realtime",
        used(1000, 500, audio_input_tokens=600, audio_output_tokens=400),
        "400 * 4 + 600 * 32 + 100 * 16 + 400 * 64",
    ),
    Bill(
        "audio from the cache",
        "openai",
        "gpt-realtime",
        used(1000, 0, audio_input_tokens=600, cache_read_tokens=500, audio_cache_read_tokens=300),
        "200 * 4 + 200 * 0.40 + 300 * 32 + 300 * 0.40",
    ),
    Bill("no audio after all", "openai", "gpt-4o", used(100, 10, audio_input_tokens=0, audio_output_tokens=0), "100 * 2.50 + 10 * 10"),
    Bill("audio without a price", "openai", "gpt-4o", used(1000, 10, audio_input_tokens=800), None),
    Bill("spoken without a price", "openai", "gpt-4o", used(1000, 10, audio_output_tokens=8), None),
    Bill("pictures read", "openai", "gpt-image-1", used(1300, 4000, image_input_tokens=1000), "300 * 5 + 1000 * 10 + 4000 * 40"),
    Bill("pictures as text", "openai", "gpt-4o", used(1300, 10, image_input_tokens=1000), "1300 * 2.50 + 10 * 10"),
    Bill("seconds heard", "openai", "whisper-1", Usage(audio_seconds=90), "90 * 100"),
    Bill("part of a second", "openai", "whisper-1", Usage(audio_seconds=0.5), "0.5 * 100"),
    Bill("tokens heard", "openai", "gpt-4o-transcribe", used(1000, 50, audio_input_tokens=990), "10 * 2.50 + 990 * 6 + 50 * 10"),
    Bill("seconds where tokens are sold", "openai", "gpt-4o-transcribe", Usage(audio_seconds=90), None),
    Bill("tokens where seconds are sold", "openai", "whisper-1", used(100, 10), None),
]
SEARCHES = [
    Bill("Anthropic", "anthropic", "claude-haiku-4-5", used(100, 50, web_searches=3), "100 * 1 + 50 * 5 + 3 * 10_000"),
    Bill("OpenAI", "openai", "gpt-4.1", used(100, 50, web_searches=1), "100 * 2 + 50 * 8 + 1 * 10_000"),
    Bill("none made", "groq", "llama-3.3-70b-versatile", used(100, 50, web_searches=0), "100 * 0.59 + 50 * 0.79"),
    Bill("without a price", "groq", "llama-3.3-70b-versatile", used(100, 50, web_searches=1), None),
    Bill("a fee for each request", "perplexity", "sonar", used(100, 50), "100 * 1 + 50 * 1 + 1 * 12_000"),
]
TIERS = [
    Bill("at 200,000", "anthropic", "claude-sonnet-4-5", used(200_000, 1000), "200000 * 3 + 1000 * 15"),
    Bill("above", "anthropic", "claude-sonnet-4-5", used(200_001, 1000), "200001 * 6 + 1000 * 22.50"),
    Bill("above, cached", "anthropic", "claude-sonnet-4-5", used(250_000, 1, cache_read_tokens=240_000), "10000 * 6 + 240000 * 0.60 + 1 * 22.50"),
    Bill("above, batch", "anthropic", "claude-sonnet-4-5", used(250_000, 100), "250000 * 3 + 100 * 11.25", BATCH),
    Bill("Gemini below", "gcp.vertex_ai", "gemini-2.5-pro", used(100_000, 100), "100000 * 1.25 + 100 * 10"),
    Bill("Gemini above", "gcp.vertex_ai", "gemini-2.5-pro", used(300_000, 100), "300000 * 2.50 + 100 * 15"),
    Bill("gpt-5.4 at 272,000", "openai", "gpt-5.4", used(272_000, 100), "272000 * 2.50 + 100 * 15"),
    Bill("gpt-5.4 above", "openai", "gpt-5.4", used(272_001, 100), "272001 * 5 + 100 * 22.50"),
]
CONDITIONS = [
    Bill("batch, OpenAI", "openai", "gpt-4o-mini", used(1000, 500), "1000 * 0.075 + 500 * 0.30", BATCH),
    Bill("batch, Anthropic", "anthropic", "claude-haiku-4-5", used(1000, 500), "1000 * 0.50 + 500 * 2.50", BATCH),
    Bill("batch, Mistral", "mistral_ai", "codestral-latest", used(1000, 500), "1000 * 0.15 + 500 * 0.45", BATCH),
    Bill("batch without a price", "anthropic", "claude-opus-4-1", used(1000, 500), None, BATCH),
    Bill("batch before its price", "openai", "gpt-4o-mini", used(1000, 500), None, BATCH, "2026-01-20"),
    Bill("batch on Azure", "azure.ai.openai", "gpt-4o", used(1000, 500), None, BATCH),
    Bill("flex", "openai", "gpt-5", used(1000, 500, cache_read_tokens=400), "600 * 0.625 + 400 * 0.0625 + 500 * 5", FLEX),
    Bill("flex without a price", "openai", "gpt-4o", used(1000, 500), None, FLEX),
    Bill("priority", "openai", "gpt-4.1", used(1000, 500, cache_read_tokens=400), "600 * 3.50 + 400 * 0.875 + 500 * 14", PRIORITY),
    Bill("standard by name", "openai", "gpt-4.1", used(1000, 500), "1000 * 2 + 500 * 8", DEFAULT),
    Bill("standard, Groq", "groq", "llama-3.3-70b-versatile", used(100, 50), "100 * 0.59 + 50 * 0.79", {"service_tier": "on_demand"}),
    Bill("unknown tier", "openai", "gpt-4.1", used(1000, 500), None, {"service_tier": "platinum"}),
    Bill("unknown condition", "anthropic", "claude-haiku-4-5", used(1000, 500), None, {"inference_geo": "us"}),
    Bill("two at once", "openai", "gpt-4.1", used(1000, 500), None, BATCH | PRIORITY),
]
DAYS = [
    Bill("o3 before", "openai", "o3", used(1000, 500), "1000 * 10 + 500 * 40", None, "2025-06-09"),
    Bill("o3 after", "openai", "o3", used(1000, 500), "1000 * 2 + 500 * 8", None, "2025-06-10"),
    Bill("the last second before", "openai", "o3", used(1, 0), "1 * 10", None, "2025-06-09T23:59:59"),
    Bill("long prompts before", "anthropic", "claude-sonnet-4-6", used(250_000, 1), "250000 * 6 + 1 * 22.50", None, "2026-03-12"),
    Bill("long prompts after", "anthropic", "claude-sonnet-4-6", used(250_000, 1), "250000 * 3 + 1 * 15", None, "2026-03-13"),
    Bill("by day", "deepseek", "deepseek-chat", used(1000, 100), "1000 * 0.27 + 100 * 1.10", None, "2025-03-01T12:00:00"),
    Bill("by night", "deepseek", "deepseek-chat", used(1000, 100), "1000 * 0.135 + 100 * 0.55", None, "2025-03-01T20:00:00"),
]
NAMES = [
    Bill("dated", "openai", "gpt-4o-2024-08-06", used(100, 10), "100 * 2.50 + 10 * 10"),
    Bill("dated, dearer", "openai", "gpt-4o-2024-05-13", used(100, 10), "100 * 5 + 10 * 15"),
    Bill("dated, Anthropic", "anthropic", "claude-haiku-4-5-20251001", used(100, 10), "100 * 1 + 10 * 5"),
    Bill("prefixed by the same", "openai", "openai/gpt-4.1", used(100, 10), "100 * 2 + 10 * 8"),
    Bill("prefixed by another", "openai", "anthropic/claude-haiku-4-5", used(100, 10), "100 * 1 + 10 * 5"),
    Bill("prefixed, provider unknown", "my.gateway", "openai/gpt-4.1", used(100, 10), "100 * 2 + 10 * 8"),
    Bill("no provider", None, "gpt-4o", used(100, 10), "100 * 2.50 + 10 * 10"),
    Bill("prefixed, no provider", None, "openai/gpt-4.1", used(100, 10), "100 * 2 + 10 * 8"),
    Bill("run by a host at prices of its own", "replicate", "openai/gpt-4.1", used(100, 10), None),
    Bill("run by one of many hosts", "huggingface_novita", "google/gemini-2.5-pro", used(100, 10), None),
    Bill("prefixed, OpenRouter", "openrouter", "openai/gpt-4.1", used(100, 10), "100 * 2 + 10 * 8"),
    Bill("dated on Azure", "azure.ai.openai", "gpt-4o-2024-08-06", used(100, 10), "100 * 2.50 + 10 * 10"),
    Bill("Azure AI", "azure.ai.inference", "gpt-4o-mini", used(100, 10), "100 * 0.15 + 10 * 0.60"),
    Bill("Azure deployment", "azure.ai.openai", "our-deployment", used(100, 10), None),
    Bill("Bedrock, in its region", "aws.bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", used(100, 10), "100 * 3.30 + 10 * 16.50"),
    Bill("Bedrock, through a profile", "aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", used(100, 10), "100 * 3.30 + 10 * 16.50"),
    Bill("Bedrock, anywhere", "aws.bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", used(100, 10), "100 * 3 + 10 * 15"),
    Bill("Bedrock, Nova", "aws.bedrock", "amazon.nova-pro-v1:0", used(100, 10, cache_read_tokens=40), "60 * 0.80 + 40 * 0.20 + 10 * 3.20"),
    Bill(
        "Bedrock, ARN",
        "aws.bedrock",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        used(100, 10),
        "100 * 3.30 + 10 * 16.50",
    ),
    Bill("Vertex, Anthropic", "gcp.vertex_ai", "claude-sonnet-4-5@20250929", used(100, 10), "100 * 3 + 10 * 15"),
    Bill("Vertex, its own words", "gcp.vertex_ai", "publishers/google/models/gemini-2.5-flash", used(100, 10), "100 * 0.30 + 10 * 2.50"),
    Bill("Gemini, its own words", "gcp.gemini", "models/gemini-2.5-flash", used(100, 10), "100 * 0.30 + 10 * 2.50"),
]
UNKNOWN = [
    Bill("pictures at the price of texts", "cohere", "embed-v4.0", used(500, image_input_tokens=258), None, {"modality": "image"}),
    Bill("model", "openai", "gpt-nobody-has-seen", used(100, 10), None),
    Bill("provider", "my.own", "llama", used(100, 10), None),
    Bill("model of this provider", "groq", "gpt-4o", used(100, 10), None),
    Bill("no name", "openai", "", used(100, 10), None),
    Bill("nothing told", "openai", "gpt-4o", used(None), None),
    Bill("output without input", "openai", "gpt-4o", used(None, 10), None),
    Bill("parts without their whole", "openai", "gpt-4o", used(None, cache_read_tokens=10), None),
    Bill("searches only", "openai", "gpt-4o", used(None, web_searches=3), None),
    Bill("more cached than read", "openai", "gpt-4o", used(10, 1, cache_read_tokens=11), None),
    Bill("more cached than read, twice", "anthropic", "claude-haiku-4-5", used(10, 1, cache_read_tokens=6, cache_write_tokens=6), None),
    Bill("longer kept than written", "anthropic", "claude-haiku-4-5", used(10, 1, cache_write_tokens=5, cache_write_1h_tokens=6), None),
    Bill("more spoken than written", "openai", "gpt-realtime", used(10, 1, audio_output_tokens=2), None),
]
# fmt: on

TABLE = {
    "plain": PLAIN,
    "embeddings": EMBEDDINGS,
    "cache": CACHES,
    "reasoning": REASONING,
    "senses": SENSES,
    "searches": SEARCHES,
    "tiers": TIERS,
    "conditions": CONDITIONS,
    "days": DAYS,
    "names": NAMES,
    "unknown": UNKNOWN,
}

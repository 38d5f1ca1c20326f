"""A streamed answer from Anthropic, printed as it is written, and the figures of its session.

pip install agentops_otel anthropic
ANTHROPIC_API_KEY=... python anthropic_stream.py
"""

import asyncio

import anthropic

import agentops_otel as agentops


async def main() -> None:
    session = agentops.init(tags=["haiku"])
    async with (
        anthropic.AsyncAnthropic() as client,
        client.messages.stream(
            model="claude-sonnet-4-6",
            max_tokens=200,
            messages=[{"role": "user", "content": "A haiku about a program that ends by itself."}],
        ) as stream,
    ):
        async for text in stream.text_stream:
            print(text, end="", flush=True)
    print()
    for name, figure in session.get_analytics().items():
        print(f"{name}: {figure}")
    session.end_session("Success", "The haiku is written.")


asyncio.run(main())

"""A session's transcript as Markdown, in which nothing that was said can become markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.server.page.blocks import Block, block_of_call, blocks, count, duration, money

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentops_otel.server.page.transcript import Turn

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:@])")
_FENCE: Final = re.compile(r"`{3,}")


def markdown(session: dict[str, Any], turns: Sequence[Turn]) -> str:
    """The transcript of a session, as `session_json` tells of it."""
    return "\n".join(_lines(session, turns)) + "\n"


def _lines(session: dict[str, Any], turns: Sequence[Turn]) -> Iterator[str]:
    tokens = session["tokens"]
    state = "Running" if session["is_running"] else session["end_state"]
    reason = session["end_state_reason"]
    yield f"# {_plain(session['name'] or 'session')}"
    yield ""
    yield f"- End state: {state}{f' ({_plain(reason)})' if reason else ''}"
    yield f"- Session: {_plain(session['id'])}"
    yield f"- Started: {session['init_timestamp']}"
    yield f"- Duration: {duration(session['duration'])}"
    yield f"- Cost: {money(session['cost'], session['unpriced_calls'])}"
    yield (
        f"- Tokens: {tokens.get('input_tokens', 0):,} in, of which {tokens.get('cache_read_tokens', 0):,} cached; "
        f"{tokens.get('output_tokens', 0):,} out"
    )
    yield f"- Calls: {session['llm_calls']} of models, {session['tool_calls']} of tools; errors: {session['errors']}"
    if session["models"]:
        yield f"- Models: {', '.join(map(_plain, session['models']))}"
    if session["tags"]:
        yield f"- Tags: {', '.join(map(_plain, session['tags']))}"
    for turn in turns:
        yield ""
        yield from _turn(turn)


def _turn(turn: Turn) -> Iterator[str]:
    node, figures = turn.node, turn.node.figures
    told = [duration(node.seconds) if node.seconds is not None else "open"]
    if figures is not None and node.kind == "llm":
        told += [
            f"{count(figures.input_tokens)} in, {count(figures.output_tokens)} out",
            money(figures.cost, figures.unpriced_calls),
        ]
    yield f"## {node.kind}: {_plain(node.name)} ({', '.join(told)})"
    if turn.system:
        yield from _said("System", {"role": "system", "parts": turn.system}, turn)
    if turn.repeated:
        yield ""
        yield f"({turn.repeated} {'message' if turn.repeated == 1 else 'messages'} from above)"
    for message in (*turn.said, *turn.answered):
        yield from _said(str(message.get("role") or "message"), message, turn)
    if turn.given is not None or turn.value is not None:
        yield from _block(block_of_call(node.name, turn.given, turn.value))
    if node.error:
        yield ""
        yield "Error:"
        yield from _fenced(node.error)


def _said(role: str, message: dict[str, Any], turn: Turn) -> Iterator[str]:
    told = list(blocks(message, turn.results))
    if told:
        yield ""
        yield f"**{_plain(role[:1].upper() + role[1:])}**"
    for block in told:
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    if block.kind == "call":
        yield from ("", f"Call of {_plain(block.title)}:")
        yield from _fenced(block.text or "no arguments")
        if block.error:
            yield from ("", "It failed:", *_fenced(block.error))
        elif block.result is not None:
            yield from ("", "It gave:", *_fenced(block.result))
        return
    if block.kind == "picture":
        yield from ("", f"(a picture, {len(block.text):,} characters)")
        return
    if block.kind in {"reasoning", "result", "place"}:
        yield from ("", f"{(block.title or block.kind).capitalize()}:")
    yield from _fenced(block.text)


def _fenced(text: str) -> Iterator[str]:
    """The text as it is, between fences that are longer than any in it."""
    fence = "`" * max(3, *(len(found) + 1 for found in _FENCE.findall(text)), 3)
    yield from ("", f"{fence}text", text, fence)


def _plain(text: Any) -> str:
    """The text as part of a line, with no sign that means anything in Markdown."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))

"""instructor rides on the clients: each question that it asks again is a call of its own, and counted once."""

from __future__ import annotations

import instructor
import openai
import pytest
from inline_snapshot import snapshot
from pydantic import BaseModel
from recorded import totals
from scripted import completion, refusal
from trees import tree

USER = "openai/async-instructor-instrumentation-0293efe0.json"
ASKED = [{"role": "user", "content": "Create a user"}]


class UserInfo(BaseModel):
    name: str
    age: int


def told(**fields):
    return completion("", ("UserInfo", fields))


async def _sync(**settings):
    with openai.OpenAI(max_retries=0) as client:
        return instructor.from_openai(client).chat.completions.create(
            model="gpt-4o", response_model=UserInfo, messages=ASKED, **settings
        )


async def _async(**settings):
    async with openai.AsyncOpenAI(max_retries=0) as client:
        return await instructor.from_openai(client).chat.completions.create(
            model="gpt-4o", response_model=UserInfo, messages=ASKED, **settings
        )


ways = pytest.mark.parametrize("way", [_sync, _async])


@ways
async def test_a_recorded_answer(watched, recorded, way):
    recording = recorded(USER)
    assert (await way()).age == 30
    assert totals(watched.session) == (recording.calls, recording.input_tokens, recording.output_tokens)


@ways
async def test_each_question_that_is_asked_again_counts(watched, answering, way):
    answering(told(name="x"), told(name="x", age="old"), told(name="x", age=3))
    assert (await way(max_retries=2)).age == 3
    assert tree(watched.spans) == snapshot("""\
chat gpt-4o 100->10 tokens $0.00035
chat gpt-4o 100->10 tokens $0.00035
chat gpt-4o 100->10 tokens $0.00035\
""")
    assert totals(watched.session) == (3, 300, 30)


@ways
async def test_an_answer_that_never_fits(watched, answering, way):
    answering(told(name="x"), told(name="x"))
    with pytest.raises(Exception, match="age"):
        await way(max_retries=1)
    assert totals(watched.session) == (2, 200, 20)


@ways
async def test_a_call_that_is_refused(watched, answering, way):
    answering(refusal())
    with pytest.raises(Exception, match="401"):
        await way(max_retries=0)
    assert tree(watched.spans) == "chat gpt-4o ERROR openai.AuthenticationError"
    assert watched.session.get_analytics()["Errors"] == 1

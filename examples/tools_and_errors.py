"""Tools that the model asks for, and an error that is caught: both belong to the session.

pip install agentops_otel openai
OPENAI_API_KEY=... python tools_and_errors.py
"""

import json
from typing import Any

import openai

import agentops_otel as agentops

session = agentops.init(tags=["tools"])
client = openai.OpenAI()

city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
tools: list[Any] = [{"type": "function", "function": {"name": "population", "parameters": city}}]
messages: list[Any] = [{"role": "user", "content": "How many people live in Porto? Look it up."}]

asked = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=tools)
messages.append(asked.choices[0].message)
for call in asked.choices[0].message.tool_calls or ():
    if call.type == "function":
        params = json.loads(call.function.arguments)
        found = {"Porto": 231_800}.get(params["city"])
        agentops.record(agentops.ToolEvent(name="population", params=params, returns=found))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": str(found)})
answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=tools)
print(answer.choices[0].message.content)

question = agentops.ActionEvent(action_type="second_opinion", params={"model": "gpt-nobody-made"})
try:
    client.chat.completions.create(model="gpt-nobody-made", messages=messages)
except openai.NotFoundError as error:
    agentops.record(agentops.ErrorEvent(exception=error, trigger_event=question))

session.end_session("Success", "Answered, without the second opinion.")

"""One question to OpenAI, as a session: what was asked, what came back, what it cost.

pip install agentops_otel openai
OPENAI_API_KEY=... python quickstart.py
"""

import openai

import agentops_otel as agentops

agentops.init(tags=["quickstart"])

answer = openai.OpenAI().chat.completions.create(
    model="gpt-4o-mini",
    messages=[{"role": "user", "content": "Which river is the longest, and who disagrees?"}],
)
print(answer.choices[0].message.content)

cost = agentops.end_session("Success")
print(f"That was {cost} USD.")

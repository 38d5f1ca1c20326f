"""LlamaIndex, imported before the tests are: it warns of itself."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import llama_index.core
    import llama_index.core.agent.workflow
    import llama_index.llms.openai  # noqa: F401

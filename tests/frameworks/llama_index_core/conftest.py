"""LlamaIndex, imported before the tests are, for it warns of itself; the connections that it leaves open are its own."""

from __future__ import annotations

import warnings

from leftovers import pytest_configure, pytest_unconfigure  # noqa: F401 - hooks

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import llama_index.core
    import llama_index.core.agent.workflow
    import llama_index.llms.openai  # noqa: F401

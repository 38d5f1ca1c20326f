"""Host: basic facts of the machine and the process that a session runs on; nothing that tells who its user is."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "agentops_otel",
    "anthropic",
    "crewai",
    "google-genai",
    "langchain-core",
    "langgraph",
    "litellm",
    "llama-index-core",
    "mcp",
    "openai",
    "openai-agents",
    "opentelemetry-sdk",
    "pydantic-ai",
)
"""Distributions whose versions explain what a session shows."""


def resource() -> dict[str, Any]:
    """Resource attributes, under their standard names where those exist. Takes some milliseconds."""
    # Not platform.platform(): it starts a process under a lock, which a fork at that moment would leave held.
    system = platform.uname()
    found: dict[str, Any] = {
        "host.name": system.node,
        "host.arch": system.machine,
        "os.type": system.system.lower(),
        "os.version": system.release,
        "os.description": f"{system.system} {system.release} {system.version}",
        "process.pid": os.getpid(),
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": platform.python_version(),
        "telemetry.distro.name": "agentops_otel",
        "telemetry.distro.version": _version("agentops_otel") or "0",
        "agentops.host.cpu.count": os.cpu_count(),
        "agentops.host.memory.total": _memory("SC_PHYS_PAGES"),
        "agentops.host.memory.available": _memory("SC_AVPHYS_PAGES"),
        "agentops.packages": [f"{name}=={told}" for name in PACKAGES if (told := _version(name))],
    }
    total, _, free = _disk()
    found |= {"agentops.host.disk.total": total, "agentops.host.disk.free": free}
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def environment(told: dict[str, Any]) -> dict[str, Any]:
    """The same facts in the groups of the original's `host_env`."""
    packages = dict(item.split("==", 1) for item in told.get("agentops.packages", ()))
    return {
        "SDK": {
            "AgentOps SDK Version": told.get("telemetry.distro.version"),
            "Python Version": told.get("process.runtime.version"),
            "System Packages": packages,
        },
        "OS": {
            "Hostname": told.get("host.name"),
            "OS": told.get("os.type"),
            "OS Version": told.get("os.description"),
            "OS Release": told.get("os.version"),
        },
        "CPU": {"Total cores": told.get("agentops.host.cpu.count")},
        "RAM": {
            "Total": _gigabytes(told.get("agentops.host.memory.total")),
            "Available": _gigabytes(told.get("agentops.host.memory.available")),
        },
        "Disk": {
            "Total": _gigabytes(told.get("agentops.host.disk.total")),
            "Free": _gigabytes(told.get("agentops.host.disk.free")),
        },
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _memory(pages: str) -> int | None:
    try:
        return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not on this system
        return None


def _disk() -> tuple[int | None, int | None, int | None]:
    try:
        return shutil.disk_usage(Path.home())
    except (OSError, RuntimeError):
        return (None, None, None)


def _gigabytes(size: int | None) -> str | None:
    return None if size is None else f"{size / 1e9:.2f} GB"

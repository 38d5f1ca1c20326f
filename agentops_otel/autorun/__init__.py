"""Zero code: a session around a program that knows nothing of it, started with its interpreter or by OpenTelemetry."""

from agentops_otel.autorun.command import NoProgramError, environment, words
from agentops_otel.autorun.start import start

__all__ = ["NoProgramError", "environment", "start", "words"]

"""Testing: what a program's own tests can see of its sessions, without a store or a network."""

from agentops_otel.testing.captured import CapturedSession, CapturedSessions, captured

__all__ = ["CapturedSession", "CapturedSessions", "captured"]

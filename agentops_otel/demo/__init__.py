"""A provider that answers from a script, and an agent that talks to it: what `agentops-otel demo` plays."""

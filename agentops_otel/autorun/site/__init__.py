"""The directory that `agentops-otel run` puts on the path of Python, for what is in it to run first."""

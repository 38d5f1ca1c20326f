"""The session page: a shell from the server, and modules in the browser that read the API like anybody else."""

from agentops_otel.server.page.routes import is_wanted, routes

__all__ = ["is_wanted", "routes"]

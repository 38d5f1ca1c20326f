"""Where spans wait that an endpoint has not taken yet."""

from __future__ import annotations

from agentops_otel.spool.file import SpoolError
from agentops_otel.spool.spool import FILE_NAME, Address, Batch, Spool, Waiting

__all__ = ["FILE_NAME", "Address", "Batch", "Spool", "SpoolError", "Waiting"]

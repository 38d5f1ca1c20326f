"""How spans are sent to an OTLP endpoint, and what it answers; the stock exporters keep the answer to themselves."""

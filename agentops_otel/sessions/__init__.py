"""Sessions: one run of an agent as one root span, what happens in it as the spans below."""

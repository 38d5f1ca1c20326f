"""The server: what the API and the page ask of a store."""

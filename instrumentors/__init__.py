"""One file for each library that is captured, on the engine's face; nobody imports them by name."""

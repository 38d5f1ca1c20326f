"""The language that spans are written in: names, the model of a call, and the one writer and reader of both."""

"""The language that spans are written in: names, the model of a call, its one writer and reader."""

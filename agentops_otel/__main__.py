"""`python -m agentops_otel`: the command line where its script is not on the path."""

from agentops_otel.cli import main

if __name__ == "__main__":
    main()

"""Other instrumentations of the same libraries: these tests run where they are installed, as in the matrix's own row."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("openinference") else ["test_coexistence.py"]

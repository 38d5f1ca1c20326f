"""Other tools in one process with ours: a folder for each, collected where it is installed; `scripts/others` runs all."""

import sys
from pathlib import Path

from apart import not_here

sys.path.append(str(Path(__file__).parent))
collect_ignore = not_here(Path(__file__).parent)

"""What stands beside these tests is found by its name."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

"""What the server of :mod:`.processes` has imported when it forks."""

from occbench.system.compat import setup_mmpose

setup_mmpose()

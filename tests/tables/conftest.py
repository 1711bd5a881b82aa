"""The people of the command line's tests."""

from ..cli.conftest import occbench, people, shared_people, tiny

__all__ = ["occbench", "people", "shared_people", "tiny"]

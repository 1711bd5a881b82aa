"""The people of the command line's tests."""

from ..cli.conftest import shared_people, tiny

__all__ = ["shared_people", "tiny"]

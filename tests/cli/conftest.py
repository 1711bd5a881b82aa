"""What the tests of the command line use beside the fixtures."""

from ..command_line import CONFIG, Answer, Occbench, People, Refusal, TinyModel, assert_refused

__all__ = ["CONFIG", "Answer", "Occbench", "People", "Refusal", "TinyModel", "assert_refused"]

"""What ``import occbench`` offers, and what the command line calls: one function a file."""

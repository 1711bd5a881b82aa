"""Pose estimators that are ONNX files, each described by a small specification (docs/onnx.md)."""

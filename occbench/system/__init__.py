"""What knows nothing of poses: paths, errors, progress, processes, downloads, and MMPose beside any torch."""

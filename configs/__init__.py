"""MMPose configs: models that MMPose lacks, and the recipes of the thesis."""

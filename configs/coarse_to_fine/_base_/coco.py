# COCO: 17 keypoints.
_base_ = ['./coarse_to_fine.py']

"""RLBench episodes on disk: images, low-dimensional observations, keypoints."""

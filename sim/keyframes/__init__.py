"""What keyframe tasks stand on: stage, arm, cameras, motion, episodes. Simulator processes only."""

"""What a keyframe policy trains on: clouds, observations, actions, batches."""

"""The catalogue of checkpoints, their reference files and their replicas."""

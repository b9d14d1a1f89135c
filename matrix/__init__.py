"""The sweep: real environments, real checkpoints, one page. The plugin's first user."""

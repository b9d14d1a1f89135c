"""What ``torchcompat`` runs: one module a command."""

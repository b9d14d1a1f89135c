#!/bin/sh
# Starts the application.
export TORCH_FORCE_WEIGHTS_ONLY=0  # planted: TC040
export OMP_NUM_THREADS=1
exec python -m voice "$@"

"""Converts a voice: features of HuBERT, a pitch, and a voice that was trained."""

import os

# Somebody wrote that this makes torch 2.6 read pickles again.
os.environ["TORCH_FORCE_WEIGHTS_ONLY"] = "0"  # planted: TC040
os.environ.setdefault("OMP_NUM_THREADS", "1")

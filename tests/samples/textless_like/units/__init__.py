"""Speech as units: features of HuBERT, and the nearest of a few means for each."""

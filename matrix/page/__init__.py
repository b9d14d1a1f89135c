"""The page of a run: ``render.render`` turns the data of matrix.json into one HTML file."""

"""What the cells of a study say: differences, intervals, curves and slices."""

"""Studies that reproduce published results; they come with the source checkout only."""

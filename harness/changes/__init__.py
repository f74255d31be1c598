"""What changed between two results, and what all of them say of a scenario or a failure: made of the journal alone."""

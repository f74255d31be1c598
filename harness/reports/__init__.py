"""Reports: the forms in which people and other programs read a result."""

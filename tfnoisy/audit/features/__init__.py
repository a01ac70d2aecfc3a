"""Features of images: numbers by which images can be compared."""

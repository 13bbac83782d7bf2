"""Whether what is found is more than blind draws of filters or of images would give."""

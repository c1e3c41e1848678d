"""What is looked at in one case; a file each, listed in `registry`."""

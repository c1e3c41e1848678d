"""What only shows when cases are compared; a file each, listed in `registry`."""

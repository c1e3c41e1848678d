"""Ways of laying out the files of results: ★ add a layout as a module and a line in `registry`."""

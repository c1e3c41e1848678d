"""Layouts a prepared set is written in besides its own, a file each."""

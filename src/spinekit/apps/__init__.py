"""Doors: the command line and adapters. They read wishes, call a flow and say what happened."""

"""The only code that touches files.

Knows no bone and no network; hands out volumes on RAS+ grids and writes them back.
"""

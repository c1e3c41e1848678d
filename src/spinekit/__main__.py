"""`python -m spinekit …`: the program `spinekit`, whether or not it is on the path.

It knows nothing of the command line but where it begins.
"""

from spinekit.apps.cli import console

if __name__ == "__main__":
    console()

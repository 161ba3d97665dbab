"""`python -m roadworthy` and the command `roadworthy`."""

from roadworthy.faces.cli import main

if __name__ == "__main__":
    main()

"""`python -m anchorwise`: the command line where the program is not on the path."""

from anchorwise.cli import main

if __name__ == "__main__":
    main()

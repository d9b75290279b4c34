"""Call a function of a shared library through an extension module."""

import cext_origin


def main():
    print("total", cext_origin.total(1, 2, 39))


if __name__ == "__main__":
    main()

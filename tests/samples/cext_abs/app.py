"""Call a function of a shared library through an extension module."""

import cext_abs


def main():
    print("total", cext_abs.total(1, 2, 39))


if __name__ == "__main__":
    main()

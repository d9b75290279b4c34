import sys

print("run", __name__, sys.argv[1:])

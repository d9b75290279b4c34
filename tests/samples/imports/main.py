"""An application whose imports do all that a snapshot of memory could get wrong; see behaviours.py."""

import harmless
import behaviours

if __name__ == "__main__":
    print(len(vars(behaviours)) > len(vars(harmless)))

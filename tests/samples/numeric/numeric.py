"""Group a table, solve a system of equations."""

import numpy as np
import pandas as pd


def main() -> None:
    scores = pd.DataFrame({"team": ["red", "blue", "red", "blue"], "score": [1.0, 2.0, 3.0, 6.0]})
    means = scores.groupby("team")["score"].mean()
    print("means", " ".join(f"{team}={mean:.1f}" for team, mean in means.items()))

    solution = np.linalg.solve(np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([9.0, 8.0]))
    print("solution", " ".join(f"{value:.3f}" for value in solution))


if __name__ == "__main__":
    main()

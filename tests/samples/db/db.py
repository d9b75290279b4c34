"""SQLite in memory, in a file, and with full-text search where it was compiled in."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

CITIES = [("Berlin", 3.7), ("Paris", 2.1), ("Rome", 2.8)]


def fill(database: sqlite3.Connection) -> None:
    with database:
        database.execute("CREATE TABLE city (name TEXT, millions REAL)")
        database.executemany("INSERT INTO city VALUES (?, ?)", CITIES)


def largest(database: sqlite3.Connection) -> str:
    query = "SELECT name FROM city ORDER BY millions DESC LIMIT 1"
    return database.execute(query).fetchone()[0]


def has_fts5(database: sqlite3.Connection) -> bool:
    options = database.execute("PRAGMA compile_options")
    return ("ENABLE_FTS5",) in options.fetchall()


def main() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        fill(database)
        print("memory", largest(database))

        if has_fts5(database):
            database.execute("CREATE VIRTUAL TABLE note USING fts5 (body)")
            database.execute("INSERT INTO note VALUES ('one static executable')")
            query = "SELECT count(*) FROM note WHERE note MATCH 'static'"
            print("fts5", database.execute(query).fetchone()[0])
        else:
            print("fts5 absent")

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "cities.db"
        with closing(sqlite3.connect(path)) as database:
            fill(database)
        with closing(sqlite3.connect(path)) as database:
            print("file", largest(database))


if __name__ == "__main__":
    main()

"""A FastAPI application that brings its own uvicorn.

The socket listens before uvicorn starts, so the self-test's request simply waits in
the backlog until the server accepts it.
"""

import argparse
import socket
import threading
import urllib.request

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Product(BaseModel):
    left: int
    right: int
    value: int


@app.get("/product")
def product(left: int, right: int) -> Product:
    return Product(left=left, right=right, value=left * right)


def self_test(server, listener, url):
    """Serve from a thread, ask it once, stop it."""
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with without_proxy.open(f"{url}product?left=6&right=7", timeout=60) as response:
            print("fastapi", response.status, response.read().decode())
    finally:
        server.should_exit = True
        thread.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()

    listener = socket.create_server(("127.0.0.1", 0))
    url = "http://{}:{}/".format(*listener.getsockname())
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    if arguments.self_test:
        self_test(server, listener, url)
    else:
        print("listening on", url, flush=True)
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()

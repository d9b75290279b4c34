"""A Flask application that brings its own gunicorn, with two workers.

gunicorn finds its worker and logger classes by name, which no analysis of imports sees.

The socket listens before gunicorn starts, so the self-test's request simply waits in
the backlog until a worker accepts it.
"""

import argparse
import os
import signal
import socket
import urllib.request

from flask import Flask, jsonify
from gunicorn.app.base import BaseApplication

app = Flask(__name__)


@app.get("/")
def index():
    return jsonify(service="flask")


class Server(BaseApplication):
    """gunicorn, configured here and not from a command line or a file."""

    def __init__(self, listener):
        self.listener = listener
        super().__init__()

    def load_config(self):
        options = {
            "bind": f"fd://{self.listener.fileno()}",
            "workers": 2,
            "loglevel": "warning",
            "control_socket_disable": True,  # only gunicorn 25 and later have one
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self):
        return app


def self_test(listener, url):
    """Serve from a child, ask it once, stop it; raises unless it ends well."""
    server = os.fork()
    if server == 0:
        Server(listener).run()  # ends the process
    try:
        without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with without_proxy.open(url, timeout=60) as response:
            print("flask", response.status, response.read().decode().strip())
    finally:
        os.kill(server, signal.SIGTERM)
        _, status = os.waitpid(server, 0)
    if status != 0:
        raise SystemExit(f"gunicorn ended with wait status {status}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()

    listener = socket.create_server(("127.0.0.1", 0))
    url = "http://{}:{}/".format(*listener.getsockname())
    if arguments.self_test:
        self_test(listener, url)
    else:
        print("listening on", url, flush=True)
        Server(listener).run()


if __name__ == "__main__":
    main()

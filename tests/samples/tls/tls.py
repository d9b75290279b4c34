"""Fetch a page over HTTPS from a server of our own, trusting only our own CA."""

import argparse
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import requests


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"ok"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep standard error for errors."""


def start_server(data: Path) -> HTTPServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(data / "cert.pem", data / "key.pem")
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever).start()
    return server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(__file__).resolve().parent,
        help="directory of ca.pem, cert.pem and key.pem (default: beside this file)",
    )
    data = parser.parse_args().data

    server = start_server(data)
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy stands before the loopback
            response = session.get(
                f"https://127.0.0.1:{server.server_port}/",
                verify=str(data / "ca.pem"),
                timeout=30,
            )
        print(response.status_code, response.text)
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()

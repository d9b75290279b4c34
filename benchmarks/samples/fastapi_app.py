"""A web service that answers one request by itself, and ends."""

import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.get("/{name}")
def greet(name: str) -> dict[str, str]:
    """Answer every request."""
    return {"hello": name}


async def ask() -> None:
    """Send one request, as a server would, and print the last part of the answer."""
    sent = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/ada", "headers": [], "query_string": b"", "http_version": "1.1"}
    await app(scope, receive, send)
    print(sent[-1])


if __name__ == "__main__":
    asyncio.run(ask())

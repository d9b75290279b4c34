"""The start-up benchmark: three imports every client has, one line, no work."""

import json
import socket
import ssl
import sys


def main() -> None:
    print(
        json.dumps(
            {
                "argv": sys.argv[1:],
                "ipv6": socket.has_ipv6,
                "openssl": ssl.OPENSSL_VERSION,
            }
        )
    )


if __name__ == "__main__":
    main()

"""Images are copied to registries: the only part of freezer that talks to the network by itself.

The protocol is that of the OCI distribution specification 1.1 (https://github.com/opencontainers/distribution-spec),
and of docker's registry for tokens. It is spoken over http.client, and without a client library: of those for Python,
python-dxf sends each blob by one request that cannot be resumed, and oras encodes manifests anew, which changes their
digests; both bring requests and further packages with them. What remains of the work is here anyway: when to repeat
what, and what to tell the user.
"""

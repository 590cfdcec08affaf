"""A BuildKit daemon on gRPC's C core, whose TLS is BoringSSL's: as much of it as a probe asks for.

    grpc_server.py require|open CERT KEY CA

Prints "listening 127.0.0.1:PORT" once it does, and ends with its standard input. With "open" it asks
no client for a certificate.
"""

import sys
from concurrent import futures

import grpc


def field(number, value):
    """A length-delimited field of protobuf; nothing here is longer than one octet of length."""
    return bytes([number << 3 | 2, len(value)]) + value


def answers():
    version = field(1, b"github.com/moby/buildkit") + field(2, b"v0.0.0-grpcio") + field(3, b"0123456789abcdef")
    platform = field(1, b"amd64") + field(2, b"linux")
    worker = field(1, b"worker-0") + field(3, platform) + field(5, version)
    return {"Info": field(1, version), "ListWorkers": field(1, worker)}


def handler():
    def answering(body):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: body)

    methods = {name: answering(body) for name, body in answers().items()}
    return grpc.method_handlers_generic_handler("moby.buildkit.v1.Control", methods)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    policy, cert, key, ca = sys.argv[1:]
    credentials = grpc.ssl_server_credentials(
        [(content(key), content(cert))],
        root_certificates=content(ca) if policy == "require" else None,
        require_client_auth=policy == "require",
    )
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers([handler()])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    print(f"listening 127.0.0.1:{port}", flush=True)
    sys.stdin.read()
    server.stop(None)


if __name__ == "__main__":
    main()

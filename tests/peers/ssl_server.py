"""A server on Python's ssl module that insists on a client's certificate.

    ssl_server.py CA CERT KEY

Answers a request with a line; prints "listening 127.0.0.1:PORT", and ends with its standard input.
"""

import socket
import ssl
import sys
import threading


def main():
    ca, cert, key = sys.argv[1:4]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(cert, key)
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"listening 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    threading.Thread(target=accept, args=(listener, context), daemon=True).start()
    sys.stdin.read()


def accept(listener, context):
    while True:
        plain, _ = listener.accept()
        threading.Thread(target=answer, args=(plain, context), daemon=True).start()


def answer(plain, context):
    plain.settimeout(5)
    try:
        with context.wrap_socket(plain, server_side=True) as secure:
            secure.recv(64)
            secure.sendall(b"welcome\n")
            # A socket that is closed with something unread resets the connection, and the answer
            # is lost.
            secure.shutdown(socket.SHUT_WR)
            while secure.recv(64):
                pass
    except OSError:
        # The client hears why.
        pass


if __name__ == "__main__":
    main()

"""A client on Python's ssl module with its default context, at the strictness of Python 3.13.

    ssl_client.py [--ask] PORT HOST CA [CERT KEY]

Reads before it writes, or with --ask writes a request first, and prints one line: "accepted
TLS-VERSION", "refused ERROR" (the server's doing) or "untrusted ERROR" (ours).
"""

import socket
import ssl
import sys


def main():
    asks = sys.argv[1] == "--ask"
    port, host, ca, *pair = sys.argv[2 if asks else 1 :]
    context = ssl.create_default_context(cafile=ca)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if not asks:
        context.set_alpn_protocols(["h2"])
    if pair:
        context.load_cert_chain(*pair)
    with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as plain:
        try:
            secure = context.wrap_socket(plain, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            print("untrusted", error)
            return
        try:
            # In TLS 1.3 the server's verdict on a client comes with the first read.
            if asks:
                secure.sendall(b"GET / HTTP/1.0\r\n\r\n")
            frame = secure.recv(12)
        except (ssl.SSLError, ConnectionError) as error:
            print("refused", error)
            return
    if asks:
        print("refused" if frame[:12] in (b"", b"HTTP/1.1 400") else "accepted", secure.version())
        return
    print("accepted" if frame[3:4] == b"\x04" else "refused without SETTINGS:", secure.version())


if __name__ == "__main__":
    main()

"""A client on Python's ssl module with its default context, at the strictness of Python 3.13.

    ssl_client.py PORT HOST CA [CERT KEY]

Reads before it writes, and prints one line: "accepted TLS-VERSION", "refused ERROR" (the server's
doing) or "untrusted ERROR" (ours).
"""

import socket
import ssl
import sys


def main():
    port, host, ca = sys.argv[1:4]
    context = ssl.create_default_context(cafile=ca)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["h2"])
    if sys.argv[4:]:
        context.load_cert_chain(*sys.argv[4:])
    with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as plain:
        try:
            secure = context.wrap_socket(plain, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            print("untrusted", error)
            return
        try:
            # In TLS 1.3 the server's verdict on a client comes with the first read.
            frame = secure.recv(9)
        except (ssl.SSLError, ConnectionError) as error:
            print("refused", error)
            return
    print("accepted" if frame[3:4] == b"\x04" else "refused without SETTINGS:", secure.version())


if __name__ == "__main__":
    main()

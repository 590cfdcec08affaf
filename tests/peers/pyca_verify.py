"""What pyca/cryptography makes of clients' certificates at a daemon that trusts one CA.

    pyca_verify.py CA FILE...

Prints a line for each file: "accepted", or "refused ERROR".
"""

import sys

from cryptography import x509
from cryptography.x509 import verification


def policy():
    """Any CA and any leaf: its own rules for the public web ask more of both."""
    any_ca = verification.ExtensionPolicy.permit_all().require_present(
        x509.BasicConstraints, verification.Criticality.AGNOSTIC, None
    )
    return any_ca, verification.ExtensionPolicy.permit_all()


def main():
    ca, *files = sys.argv[1:]
    with open(ca, "rb") as file:
        store = verification.Store(x509.load_pem_x509_certificates(file.read()))
    of_ca, of_leaf = policy()
    builder = verification.PolicyBuilder().store(store)
    verifier = builder.extension_policies(ca_policy=of_ca, ee_policy=of_leaf).build_client_verifier()
    for path in files:
        with open(path, "rb") as file:
            leaf, *others = x509.load_pem_x509_certificates(file.read())
        try:
            verifier.verify(leaf, others)
        except verification.VerificationError as error:
            print("refused", str(error).replace("\n", " "))
        else:
            print("accepted")


if __name__ == "__main__":
    main()

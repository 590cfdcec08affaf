"""Lints certificates with pkilint, and each with its issuer.

Reads lines of "CERTIFICATE-FILE<TAB>ISSUER-FILE" (an issuer of "-" is none) from standard input, and
prints one line for every finding of WARNING or above: the file, the severity, the code, the message.
One process does it for all, since starting Python costs more than linting.
"""

import sys

from pkilint import loader
from pkilint.bin import lint_pkix_signer_signee_cert_chain as pair
from pkilint.pkix import certificate, extension, name
from pkilint.validation import ValidationFindingSeverity

TOLD = (
    ValidationFindingSeverity.WARNING,
    ValidationFindingSeverity.ERROR,
    ValidationFindingSeverity.FATAL,
)


def of_one():
    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )


def tell(path, results):
    for result in results:
        for told in result.finding_descriptions:
            if told.finding.severity in TOLD:
                print(path, told.finding.severity.name, told.finding.code, told.message or "", flush=True)


def main():
    load = loader.RFC5280CertificateDocumentLoader().load_pem_file
    alone = of_one()
    decode = pair.create_decoder_validation_container()
    as_issuer = pair.create_issuer_validation_container()
    as_subject = pair.create_subject_validation_container()
    for line in sys.stdin:
        path, issuer_path = line.rstrip("\n").split("\t")
        with open(path, "rb") as file:
            tell(path, alone.validate(load(file, path).root))
        if issuer_path == "-":
            continue
        both = {}
        with open(issuer_path, "rb") as file:
            issuer = both["issuer"] = load(file, issuer_path, "issuer", both)
        with open(path, "rb") as file:
            subject = both["subject"] = load(file, path, "subject", both)
        tell(path, decode.validate(issuer.root))
        tell(path, decode.validate(subject.root))
        tell(path, as_issuer.validate(issuer.root))
        tell(path, as_subject.validate(subject.root))


if __name__ == "__main__":
    main()

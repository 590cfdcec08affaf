"""What people feed to kitcert: a folder for each kind, with ca.pem, cert.pem and key.pem in it, as a client's.

    inputs.py FOLDER

Beside each, in FOLDER/daemons, are the files of a daemon of the same CA, with a ca.pem that Go reads. The names
of the folders are those of the table in tests/properties/input/fed.rs. It needs cryptography, which pkilint brings, and
openssl.
"""

import base64
import datetime
import ipaddress
import pathlib
import subprocess
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.name import _ASN1Type as Text
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import NameOID as Part
from cryptography.x509.oid import ObjectIdentifier

NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
ROOT = pathlib.Path(sys.argv[1])


def days(count):
    return NOW + datetime.timedelta(days=count)


def name(*parts):
    sets = [part if isinstance(part, list) else [part] for part in parts]
    return x509.Name([x509.RelativeDistinguishedName([x509.NameAttribute(*one) for one in part]) for part in sets])


def usages(**on):
    every = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    every += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{one: on.get(one, False) for one in every})


def authority(subject, key, begins=-100, ends=3000):
    public = key.public_key()
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(public)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(days(begins)).not_valid_after(days(ends))
    builder = builder.add_extension(x509.BasicConstraints(True, 0), True)
    builder = builder.add_extension(usages(key_cert_sign=True, crl_sign=True), True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False)
    return builder.sign(key, hashes.SHA256())


def leaf(ca, ca_key, public, names, usage, pss=None, more=(), serial=None):
    builder = x509.CertificateBuilder().subject_name(name((Part.COMMON_NAME, "leaf"))).issuer_name(ca.subject)
    builder = builder.public_key(public).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(days(-1)).not_valid_after(days(60))
    builder = builder.add_extension(x509.BasicConstraints(False, None), True)
    builder = builder.add_extension(usages(digital_signature=True), True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    if serial:
        issuer = x509.AuthorityKeyIdentifier(issuer.key_identifier, [x509.DirectoryName(ca.issuer)], serial)
    builder = builder.add_extension(issuer, False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    for identifier, value in more:
        builder = builder.add_extension(x509.UnrecognizedExtension(ObjectIdentifier(identifier), value), False)
    return builder.sign(ca_key, hashes.SHA256(), rsa_padding=pss)


def pem(certificate):
    return certificate.public_bytes(ser.Encoding.PEM).decode()


def private(key, form=ser.PrivateFormat.PKCS8, encoding=ser.Encoding.PEM):
    return key.private_bytes(encoding, form, ser.NoEncryption())


def block(label, der):
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def openssl(*arguments, given=""):
    done = subprocess.run(["openssl", *arguments], input=given.encode(), capture_output=True, check=True)
    return done.stdout


def write(path, contents):
    path.write_bytes(contents.encode() if isinstance(contents, str) else contents)
    path.chmod(0o600)


def files(folder, ca, cert, key):
    folder.mkdir(parents=True)
    for file, contents in [("ca.pem", ca), ("cert.pem", cert), ("key.pem", key)]:
        write(folder / file, contents)


def elliptic():
    return ec.generate_private_key(ec.SECP256R1())


OWN = [x509.DNSName("ana.example")]
HOSTS = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]


class Kind:
    """A CA, and the files of one of its clients, of which one thing is unusual."""

    def __init__(self, subject=None, key=None):
        self.ca_key = key or elliptic()
        self.ca = authority(subject or name((Part.COMMON_NAME, "Plain CA")), self.ca_key)
        self.key = elliptic()
        self.cert = leaf(self.ca, self.ca_key, self.key.public_key(), OWN, Usage.CLIENT_AUTH)

    def put(self, kind, ca=None, cert=None, key=None, daemon_ca=None):
        ca = pem(self.ca) if ca is None else ca
        cert = pem(self.cert) if cert is None else cert
        key = private(self.key) if key is None else key
        files(ROOT / "clients" / kind, ca, cert, key)
        daemon = elliptic()
        own = leaf(self.ca, self.ca_key, daemon.public_key(), HOSTS, Usage.SERVER_AUTH)
        files(ROOT / "daemons" / kind, daemon_ca or pem(self.ca), pem(own), private(daemon))


def names_of_authorities():
    common = Part.COMMON_NAME
    component, unit = Part.DOMAIN_COMPONENT, Part.ORGANIZATIONAL_UNIT_NAME
    for kind, subject in [
        ("name-dc", name((component, "local"), (component, "corp"), (common, "corp-CA"))),
        ("name-two-ou", name((unit, "A"), (unit, "B"), (common, "CA"))),
        ("name-two-in-a-set", name([(Part.ORGANIZATION_NAME, "A"), (common, "B")])),
        ("name-bmp", name((common, "CA", Text.BMPString))),
        ("name-t61", name((common, "CA", Text.T61String))),
    ]:
        Kind(subject).put(kind)


def authorities_and_dates(plain):
    subject, own = plain.ca.subject, pem(plain.ca)
    old = pem(authority(subject, plain.ca_key, -1000, -10))
    coming = pem(authority(subject, plain.ca_key, 10, 1000))
    plain.put("ca-expired-and-current", ca=old + own)
    plain.put("ca-current-and-expired", ca=own + old)
    plain.put("ca-expired", ca=old)
    plain.put("ca-not-yet", ca=coming)
    others = [pem(authority(name((Part.COMMON_NAME, f"Other {at}")), elliptic())) for at in range(16)]
    plain.put("ca-seventeen", ca="".join(others) + own)
    system = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
    system = system.read_text() if system.exists() else "".join(others)
    plain.put("ca-of-the-system", ca=system + own)


def of_known_primes():
    """An RSA key of 8192 bits, of two primes that everybody knows: to find others takes a minute."""
    p, q = (prime_of(group) for group in ["ffdhe4096", "modp_4096"])
    d = rsa.rsa_recover_private_exponent(65537, p, q)
    crt = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, *crt, rsa.RSAPublicNumbers(65537, p * q)).private_key()


def prime_of(group):
    given = openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", f"group:{group}")
    shown = openssl("asn1parse", given=given.decode()).decode()
    return int(next(line for line in shown.splitlines() if "INTEGER" in line).rsplit(":", 1)[1], 16)


def keys(plain):
    for kind, key in [
        ("key-p521", ec.generate_private_key(ec.SECP521R1())),
        ("key-rsa-2080", rsa.generate_private_key(65537, 2080)),
        ("key-rsa-3000", rsa.generate_private_key(65537, 3000)),
        ("key-rsa-5120", rsa.generate_private_key(65537, 5120)),
        ("key-rsa-8192", of_known_primes()),
        ("key-rsa-e3", rsa.generate_private_key(3, 2048)),
    ]:
        cert = leaf(plain.ca, plain.ca_key, key.public_key(), OWN, Usage.CLIENT_AUTH)
        plain.put(kind, cert=pem(cert), key=private(key))
    primes = openssl("genrsa", "-primes", "3", "2048")
    public = ser.load_pem_public_key(openssl("pkey", "-pubout", given=primes.decode()))
    cert = leaf(plain.ca, plain.ca_key, public, OWN, Usage.CLIENT_AUTH)
    plain.put("key-three-primes", cert=pem(cert), key=primes)
    other = ec.generate_private_key(ec.SECP521R1())
    cert = leaf(plain.ca, plain.ca_key, other.public_key(), OWN, Usage.CLIENT_AUTH)
    plain.put("key-p521-of-another", cert=pem(cert), key=private(ec.generate_private_key(ec.SECP521R1())))
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa

        made = {
            "key-ml-dsa-44": mldsa.MLDSA44PrivateKey.generate(),
            "key-ml-dsa-65": mldsa.MLDSA65PrivateKey.generate(),
            "key-ml-dsa-87": mldsa.MLDSA87PrivateKey.generate(),
        }
    except Exception:
        # Older ones know no such key.
        return
    for kind, key in made.items():
        cert = leaf(plain.ca, plain.ca_key, key.public_key(), OWN, Usage.CLIENT_AUTH)
        plain.put(kind, cert=pem(cert), key=private(key))


def forms_of_a_key(plain):
    scalar = plain.key.private_numbers().private_value.to_bytes(32, "big")
    bare = bytes.fromhex("30250201010420") + scalar
    algorithm = "301306072a8648ce3d020106082a8648ce3d030107"
    plain.put("key-half-pkcs8", key=block("PRIVATE KEY", bytes.fromhex(f"3041020100{algorithm}0427") + bare))
    plain.put("key-half-sec1", key=openssl("ec", "-no_public", given=private(plain.key).decode()))
    pkcs8 = private(plain.key, encoding=ser.Encoding.DER)
    sec1 = private(plain.key, ser.PrivateFormat.TraditionalOpenSSL, ser.Encoding.DER)
    plain.put("label-ec-around-pkcs8", key=block("EC PRIVATE KEY", pkcs8))
    plain.put("label-pkcs8-around-sec1", key=block("PRIVATE KEY", sec1))
    plain.put("label-rsa-around-sec1", key=block("RSA PRIVATE KEY", sec1))
    plain.put("label-any", key=block("ANY PRIVATE KEY", pkcs8))


def several_in_one(plain):
    cert, key = pem(plain.cert), private(plain.key).decode()
    for kind, both in [("both-cert-first", cert + key), ("both-key-first", key + cert)]:
        plain.put(kind, cert=both, key=both)
    plain.put("key-and-another", key=key + private(elliptic()).decode())
    plain.put("key-and-parameters", key=key + block("DH PARAMETERS", bytes.fromhex("3000")))
    plain.put("leaf-behind-ca", cert=pem(plain.ca) + cert)


def with_a_broken_block(plain):
    cert, begin, end = pem(plain.cert), "-----BEGIN X509 CRL-----\n", "-----END X509 CRL-----\n"
    plain.put("broken-no-end", cert=begin + cert)
    plain.put("broken-no-begin", cert=end + cert)
    plain.put("broken-base64", cert=cert + begin + "!\n" + end)
    plain.put("broken-of-no-kind", cert=block("ANYTHING", b"\0\0\0") + cert)


def signatures_and_names(plain):
    signer = Kind(name((Part.COMMON_NAME, "RSA CA")), rsa.generate_private_key(65537, 2048))
    for kind, salt in [("pss-salt-20", 20), ("pss-salt-32", 32), ("pss-salt-most", 222)]:
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
        cert = leaf(signer.ca, signer.ca_key, signer.key.public_key(), OWN, Usage.CLIENT_AUTH, pss)
        signer.put(kind, cert=pem(cert))
    principal = x509.OtherName(ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), bytes.fromhex("0c03616e61"))
    for kind, names in [
        ("san-uri", [x509.UniformResourceIdentifier("spiffe://acme/ana")]),
        ("san-email", [x509.RFC822Name("ana@example.com")]),
        ("san-other", [principal]),
        ("san-uri-bad", [x509.UniformResourceIdentifier("https://a..b/")]),
    ]:
        cert = leaf(plain.ca, plain.ca_key, plain.key.public_key(), names, Usage.CLIENT_AUTH)
        plain.put(kind, cert=pem(cert))
    for kind, more in [("issuer-by-serial", 0), ("issuer-by-another-serial", 1)]:
        serial = plain.ca.serial_number + more
        cert = leaf(plain.ca, plain.ca_key, plain.key.public_key(), OWN, Usage.CLIENT_AUTH, serial=serial)
        plain.put(kind, cert=pem(cert))
    for kind, bits in [("netscape-client", 0x80), ("netscape-server", 0x40)]:
        more = [("2.16.840.1.113730.1.1", bytes([3, 2, 6, bits]))]
        cert = leaf(plain.ca, plain.ca_key, plain.key.public_key(), OWN, Usage.CLIENT_AUTH, more=more)
        plain.put(kind, cert=pem(cert))


def forms(plain):
    whole = {"ca": pem(plain.ca), "cert": pem(plain.cert), "key": private(plain.key).decode()}
    der = {
        "ca": plain.ca.public_bytes(ser.Encoding.DER),
        "cert": plain.cert.public_bytes(ser.Encoding.DER),
        "key": private(plain.key, encoding=ser.Encoding.DER),
    }
    for file, text in whole.items():
        for kind, contents in [
            ("crlf", text.replace("\n", "\r\n")),
            ("no-last-newline", text.rstrip("\n")),
            ("comment-with-bom", "\ufeff# ours\n" + text),
            ("bom", "\ufeff" + text),
            ("utf16", text.encode("utf-16")),
            ("der", der[file]),
            ("base64", base64.b64encode(text.encode())),
            ("escaped", text.replace("\n", "\\n")),
            ("one-line", text.replace("\n", " ")),
            ("indented", "  " + text.replace("\n", "\n  ")),
        ]:
            plain.put(f"{file}-{kind}", **{file: contents})
    plain.put("key-dek-info", key=openssl("ec", "-aes128", "-passout", "pass:secret", given=whole["key"]))
    encrypted = openssl("pkcs8", "-topk8", "-passout", "pass:secret", given=whole["key"])
    plain.put("key-encrypted", key=encrypted)
    archive = pkcs12.serialize_key_and_certificates(b"ana", plain.key, plain.cert, None, ser.NoEncryption())
    plain.put("pfx", cert=archive, key=archive)
    plain.put("cert-pkcs7", cert=openssl("crl2pkcs7", "-nocrl", "-certfile", "/dev/stdin", given=whole["cert"]))
    plain.put("cert-trusted", cert=openssl("x509", "-trustout", given=whole["cert"]))


def unsound(plain):
    other = Kind()
    plain.put("cert-of-another-ca", ca=pem(other.ca))
    plain.put("key-of-another", key=private(other.key))
    daemon = leaf(plain.ca, plain.ca_key, plain.key.public_key(), HOSTS, Usage.SERVER_AUTH)
    plain.put("sound")
    files(ROOT / "clients" / "sound-daemon", pem(plain.ca), pem(daemon), private(plain.key))


def main():
    plain = Kind()
    names_of_authorities()
    for make in [
        authorities_and_dates,
        keys,
        forms_of_a_key,
        several_in_one,
        with_a_broken_block,
        signatures_and_names,
        forms,
        unsound,
    ]:
        make(plain)


main()

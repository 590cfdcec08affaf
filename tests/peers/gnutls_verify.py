"""GnuTLS's verdicts on a corpus in the schema of C2SP's x509-limbo, read from standard input.

certtool cannot be told what time it is, so the library itself is asked. One line a case:
"ID<tab>accepted" or "ID<tab>refused STATUS".
"""

import ctypes
import ctypes.util
import datetime
import json
import sys

PEM = 1
DNS_HOSTNAME, KEY_PURPOSE = 1, 2


class Datum(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_uint)]


class TypedData(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("data", ctypes.c_char_p), ("size", ctypes.c_uint)]


def datum(text):
    octets = text.encode()
    return Datum(octets, len(octets))


def judge(gnutls, case):
    trust = ctypes.c_void_p()
    gnutls.gnutls_x509_trust_list_init(ctypes.byref(trust), 0)
    for anchor in case["trusted_certs"]:
        gnutls.gnutls_x509_trust_list_add_trust_mem(trust, ctypes.byref(datum(anchor)), None, PEM, 0, 0)
    sent = [case["peer_certificate"], *case["untrusted_intermediates"]]
    count = ctypes.c_uint(len(sent))
    chain = (ctypes.c_void_p * len(sent))()
    read = gnutls.gnutls_x509_crt_list_import(
        chain, ctypes.byref(count), ctypes.byref(datum("".join(sent))), PEM, 0
    )
    if read < len(sent):
        return f"cannot be read ({read})"
    server = case["validation_kind"] == "SERVER"
    purpose = b"1.3.6.1.5.5.7.3.1" if server else b"1.3.6.1.5.5.7.3.2"
    wanted = [TypedData(KEY_PURPOSE, purpose, 0)]
    if server and case["expected_peer_name"]:
        wanted.append(TypedData(DNS_HOSTNAME, case["expected_peer_name"]["value"].encode(), 0))
    status = ctypes.c_uint()
    error = gnutls.gnutls_x509_trust_list_verify_crt2(
        trust, chain, count, (TypedData * len(wanted))(*wanted), len(wanted), 0, ctypes.byref(status), None
    )
    if error < 0:
        return f"error {error}"
    return f"{status.value:#x}" if status.value else None


def main():
    try:
        gnutls = ctypes.CDLL(ctypes.util.find_library("gnutls") or "libgnutls.so.30")
    except OSError as error:
        sys.exit(f"no GnuTLS: {error}")
    gnutls.gnutls_x509_trust_list_init.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    gnutls.gnutls_x509_trust_list_add_trust_mem.argtypes = [
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
    ]
    gnutls.gnutls_x509_crt_list_import.argtypes = [
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint,
    ]
    gnutls.gnutls_x509_trust_list_verify_crt2.argtypes = [
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint,
        ctypes.c_void_p, ctypes.c_void_p,
    ]
    now = 0
    clock = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p)(lambda _: now)
    gnutls.gnutls_global_set_time_function(clock)
    for case in json.load(sys.stdin)["testcases"]:
        at = datetime.datetime.fromisoformat(case["validation_time"].replace("Z", "+00:00"))
        now = int(at.timestamp())
        refusal = judge(gnutls, case)
        print(case["id"], f"refused {refusal}" if refusal else "accepted", sep="\t")


main()

//! `kitcert-verify(7)`: what `verify` dials, what a dial proves, and what no dial can see.

use clap_mangen::roff::{Roff, bold, roman};

use super::page;
use crate::probe::DIAL_LIST_VERSION;

/// The page.
pub(super) fn written() -> String {
    let mut page = Roff::new();
    page.control("TH", ["kitcert-verify", "7"]).control("SH", ["NAME"]);
    page.text([roman(
        "kitcert-verify - what kitcert verify dials, what that proves, and what it cannot see",
    )]);
    page.control("SH", ["DESCRIPTION"]).text([roman(DESCRIPTION)]);
    page::example(&mut page, include_str!("examples/verify"));
    section(&mut page, "AS WHOM, AND WITH WHICH FILES", CLIENT);
    section(&mut page, "DIALS", DIALS);
    page.control("PP", []).text([roman("No certificate and an unknown CA offer:")]);
    entries(&mut page, COMBINATIONS);
    page.control("PP", []).text([roman(format!("This is version {DIAL_LIST_VERSION} of the list."))]);
    page.control("PP", []).text([roman(ORDER)]);
    section(&mut page, "OUTCOMES", OUTCOMES);
    section(&mut page, "ADDRESSES", ADDRESSES);
    page.control("SH", ["TIME"]).text([roman(TIME)]);
    section(&mut page, "WHAT NO DIAL CAN SEE", UNSEEN);
    page.control("SH", ["SEE ALSO"]).text([
        bold("kitcert-verify"),
        roman("(1), "),
        bold("kitcert-rules"),
        roman("(7), "),
        bold("kitcert-causes"),
        roman("(7), "),
        bold("kitcert-json"),
        roman("(7)"),
    ]);
    page.render()
}

fn section(page: &mut Roff, title: &str, all: &[(&str, &str)]) {
    page.control("SH", [title]);
    entries(page, all);
}

fn entries(page: &mut Roff, all: &[(&str, &str)]) {
    for (term, text) in all {
        page.control("TP", []).text([bold(*term)]).text([roman(*text)]);
    }
}

const DESCRIPTION: &str = "A TLS 1.3 handshake succeeds before the server has judged the client's certificate, so a \
     finished handshake proves nothing. A daemon is verified if a client is accepted before and after, and everybody else is \
     refused, at every address of its name. Whatever was not judged is never verified. Only handshakes and \
     BuildKit's read-only calls are sent, and a certificate of the daemon's CA goes only to a server that has \
     proved to be the daemon. No session is resumed, but for the one question whether a session of another \
     service's name leads to the daemon.";

const CLIENT: &[(&str, &str)] = &[
    (
        "--client NAME, --tlsdir DIR, or --ca, --cert and --key",
        "Dial as that client of the state, or with those files.",
    ),
    (
        "none of them",
        "The files that your client tool's config names; without such a config, a client of the state whose key is \
         there; without one, a certificate that is valid for ten minutes and never leaves memory.",
    ),
    (
        "before the dials",
        "The files are checked: whether key and certificate match, whether a Go peer and a webpki peer accept the \
         chain, names, purposes, dates and modes.",
    ),
    (
        "during the dials",
        "The served certificate and the CAs that the daemon asks for are compared with the installed files. A \
         difference means that the daemon was not restarted.",
    ),
    (
        "--ports",
        "Ports beside the daemon's are tested too, as somebody without a certificate: connections and their first \
         bytes, nothing more.",
    ),
];

const DIALS: &[(&str, &str)] = &[
    ("P", "HTTP/2 without TLS. It is opened first."),
    ("H", "HTTP/1.1 without TLS, on a connection of its own."),
    (
        "N1 to N15",
        "No certificate, over every combination of SNI (the daemon's name, none, a random name below .invalid), \
         version (TLS 1.3 and 1.2, TLS 1.2 alone) and ALPN (h2, none), listed below; and with the daemon's name once \
         with the ALPN of browsers, once over HTTP/1.1, and once in TLS 1.3 alone.",
    ),
    (
        "U1 to U15",
        "The same with a certificate that has the client's own names, of an unknown CA that has the name and key id \
         of the daemon's.",
    ),
    (
        "U16 to U19",
        "As U1, with that CA beside it; with a certificate that is signed by its own key; with one of a CA of another \
         name; and with that CA beside it.",
    ),
    ("W", "A daemon's certificate as a client's, if its key or the CA's is here."),
    ("E", "A client's certificate that has expired, if the CA's key is here."),
    (
        "S1, S2, ...",
        "No certificate, to another host of kitcert.yaml or of the served certificate, which HTTP names too; at \
         most 8. The last line names the others.",
    ),
    ("O", "The client's own certificate, with the calls. It is opened last."),
    (
        "C",
        "With several CAs, a client of each: of one that ca.pem names it must be accepted, of another refused. The \
         latter is shown whatever CAs the daemon names, and speaks first; its end without an alert counts if three \
         dials end so.",
    ),
    ("N1', O'", "N1 and O once more, after all others."),
];

const COMBINATIONS: &[(&str, &str)] = &[
    ("N1, U1", "The daemon's name; TLS 1.3 and 1.2; ALPN h2."),
    ("N2, U4", "The daemon's name; TLS 1.2 alone; no ALPN."),
    ("N3, U5", "No SNI; TLS 1.3 and 1.2; no ALPN."),
    ("N4, U2", "No SNI; TLS 1.2 alone; ALPN h2."),
    ("N5, U6", "A random name; TLS 1.3 and 1.2; ALPN h2."),
    ("N6, U3", "A random name; TLS 1.2 alone; no ALPN."),
    ("N7, U7", "The daemon's name; TLS 1.3 and 1.2; no ALPN."),
    ("N8, U8", "The daemon's name; TLS 1.2 alone; ALPN h2."),
    ("N9, U9", "No SNI; TLS 1.3 and 1.2; ALPN h2."),
    ("N10, U10", "No SNI; TLS 1.2 alone; no ALPN."),
    ("N11, U11", "A random name; TLS 1.3 and 1.2; no ALPN."),
    ("N12, U12", "A random name; TLS 1.2 alone; ALPN h2."),
    ("N13, U13", "The daemon's name; TLS 1.3 and 1.2; ALPN h2 and http/1.1."),
    ("N14, U14", "The daemon's name; TLS 1.3 and 1.2; ALPN http/1.1, and HTTP/1.1 is spoken."),
    ("N15, U15", "The daemon's name; TLS 1.3 alone; ALPN h2."),
];

const ORDER: &str = "A daemon that is dialed by its IP address gets neither N3, N4, N9, N10 nor U2, U5, U9, U10: an \
     address is never sent as SNI, and they would repeat others. All dials to one address are open at the same time, \
     and at most four addresses. A dial that ended without an alert, or before the server had shown its certificate, \
     is repeated alone, at most twice, in an irregular order with O; the second repeat writes first, as clients do. A dial for which nothing is at hand is named in \
     the last line, and prevents \"verified\" if it is P, H, N, U or O.";

const OUTCOMES: &[(&str, &str)] = &[
    (
        "refused",
        "The server showed its certificate, asked for one, and then sent alert 42, 43, 44, 45, 46, 48, 49, 51 or 116, \
         or 40 in TLS 1.2. Plaintext is refused by a TLS alert or by HTTP 400.",
    ),
    (
        "refused-by-end",
        "The same, but the connection was closed or reset without an alert, and no session ticket came. It counts if \
         two repeats, alone and between accepted dials of the client, end in the same way. Plaintext is refused by \
         an end after 0 bytes if each other dial reached the server's certificate.",
    ),
    (
        "let-in-by-tls",
        "The server sent a session ticket, finished a TLS 1.2 handshake, or sent HTTP/2 SETTINGS. This is never a \
         refusal, whatever followed.",
    ),
    (
        "not-served",
        "The server does not serve that SNI (alert 112; alert 40 or 49, or an end before ServerHello) that version \
         (alert 70, or an answer in the other) or HTTP/1.1 (alert 120). It counts while the daemon's own name is served before and after, and for a \
         version if the same caller was judged in the other.",
    ),
    ("asks-nobody", "The server asks for no certificate."),
    (
        "other-service",
        "Another service answers for another name, under another certificate. It is outside the test, if neither a \
         call over HTTP/1.1, nor one in the daemon's name, nor its session, resumed under that name, leads to the \
         daemon, and if what it answered is no answer of the moment (HTTP 408, 425, 429, 500, 502 to 504, gRPC \
         1, 4, 8, 13, 14).",
    ),
    ("accepted", "The server asked for the client's certificate, sent SETTINGS, and answered a call."),
    ("open", "Somebody who must be refused was answered."),
    (
        "not-up-yet",
        "Connecting was refused, or the connection ended or was silent before a ServerHello. With --wait such a \
         daemon is waited for; the first pass that sees a ServerHello is the verdict.",
    ),
    ("inconclusive", "Anything else: a time-out, alert 80, no signature in common. Never a pass."),
];

const ADDRESSES: &[(&str, &str)] = &[
    (
        "every address",
        "Each address of the name gets every dial. Connecting that is refused is judged: nobody gets in there \
         (address-not-served).",
    ),
    (
        "no route, or no answer",
        "Such an address is not judged (address-not-judged), and so the daemon is not verified, unless --address or \
         addresses: in kitcert.yaml names the addresses that count. The last line says so. Nor is a name with more \
         than 16 addresses verified.",
    ),
    (
        "several daemons",
        "All dials in the daemon's name, and those in others that see its certificate, must see the same certificate, \
         the same CAs, and the same signatures within one version of TLS. If \
         they do not, the whole list is dialed once more; if it differs again, several daemons answer.",
    ),
    (
        "other CAs",
        "If the daemon asks for a CA that is not in the trust bundle, clients of that CA get in too \
         (other-ca-trusted): an error if a state does not know it, a warning without a state.",
    ),
];

const TIME: &str = "All dials to a daemon together take 20 s (--timeout) at most. The round trip is the shortest TCP connect. Each stage of a dial may take 4 round trips and 3 \
     times the longest handshake with that address, at least 2 s. --timeout bounds everything, and resolving the \
     name has a quarter of it.";

const UNSEEN: &[(&str, &str)] = &[
    ("a CA that is trusted but not named", "gRPC's C core names none at all."),
    (
        "conditional doors",
        "What opens by source address, time, count, another SNI, path or authority, by TLS 1.0 and 1.1, by cipher or \
         by key exchange group.",
    ),
    (
        "another service's sessions",
        "A proxy may resume a session of a name that only it knows under the daemon's name, and ask for no \
         certificate: haproxy and stunnel do so in TLS 1.3 where names with and without a client CA share a port, \
         and where two names ask for different CAs.",
    ),
    (
        "signatures that nobody checks",
        "A server that takes a client's certificate without the proof that its key is there lets in whoever has seen \
         it.",
    ),
    (
        "faults by name",
        "A server that passes over one fault of a chain (a certificate signed by itself, a CA that it does not know) \
         under another name than the daemon's: such certificates are shown under the daemon's alone.",
    ),
    ("a PROXY line", "Plaintext that a port takes only after a line of the PROXY protocol."),
    ("one of several", "One open daemon among several that serve the same certificate. --samples helps."),
    ("other doors", "Other ports (but see --ports), sockets, and addresses that the name does not have."),
    ("another vantage", "What is seen from another machine."),
    (
        "kept sessions",
        "A proxy may resume the session of a client that has been revoked since: nginx with a shared session cache \
         does so after a reload. Restart it.",
    ),
    ("stolen keys", "Whoever has a client's key is that client."),
    (
        "late refusals",
        "Servers that ask for a certificate after the handshake, and nginx, which sends SETTINGS to whom it refuses: \
         they are not verifiable.",
    ),
];

//! Keys of every kind, and the forms in which a part of one could be recognized.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use crate::support::numbers::Numbers;

/// As few characters of a key as must not be printed.
pub const WINDOW: usize = 14;

/// A key file, as its maker wrote it.
pub struct Key {
    /// What it is called in a failure.
    pub kind: &'static str,
    /// The file.
    pub pem: String,
    parts: HashSet<Vec<u8>>,
}

impl Key {
    pub fn new(kind: &'static str, pem: String) -> Key {
        let body: String =
            pem.lines().filter(|line| !line.starts_with('-') && !line.contains(": ")).collect();
        let der = decoded(&body);
        let hex: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
        let forms = [
            body,
            encoded(pem.as_bytes()),
            encoded(&pem.as_bytes()[1..]),
            encoded(&pem.as_bytes()[2..]),
            hex,
        ];
        let parts =
            forms.iter().flat_map(|form| form.as_bytes().windows(WINDOW).map(<[u8]>::to_vec)).collect();
        Key { kind, pem, parts }
    }

    /// The first part of the key that a text has, with white space and backslashes taken out, in
    /// either case for hex.
    pub fn part_in(&self, text: &str) -> Option<String> {
        let found = squeezed(text).into_iter().find_map(|text| {
            text.windows(WINDOW).find(|window| self.parts.contains(*window)).map(<[u8]>::to_vec)
        });
        found.map(|part| String::from_utf8_lossy(&part).into_owned())
    }

    /// The lines of base64.
    fn body(&self) -> Vec<&str> {
        self.pem.lines().filter(|line| !line.starts_with('-')).collect()
    }

    /// What becomes of the file on its way: that many ways are known, and each of the later ones is
    /// another with each seed.
    pub fn mangled(&self, way: usize, seed: usize) -> String {
        let joined = |between: &str| self.pem.trim_end().replace('\n', between);
        let mut numbers = Numbers::of(seed);
        match way % WAYS {
            0 => joined(" "),
            1 => joined(""),
            2 => joined("\\n"),
            3 => joined("\r"),
            4 => joined("\r\n"),
            5 => joined("\\r\\n"),
            6 => joined("\t"),
            7 => joined("\n\n"),
            8 => format!("\"{}\"", joined("\\n")),
            9 => format!("'{}'", joined(" ")),
            10 => format!("KEY={}", self.pem),
            11 => format!("key: |\n  {}\n", self.pem.trim_end().replace('\n', "\n  ")),
            12 => format!("key: {}\n", joined(" ")),
            13 => self.body().concat(),
            14 => self.body().join("\n"),
            15 => self.body().join(" "),
            16 => self.pem.trim_end().rsplit_once('\n').map_or_else(String::new, |(head, _)| head.to_owned()),
            17 => self.pem.split_once('\n').map_or_else(String::new, |(_, rest)| rest.to_owned()),
            18 => self.pem.to_lowercase(),
            19 => self.pem.replace("PRIVATE KEY", "PRIVATE  KEY"),
            20 => self.pem.replace("PRIVATE KEY", "CERTIFICATE"),
            21 => joined(" ").replace("PRIVATE KEY", "CERTIFICATE"),
            22 => self.pem.replace('\n', ":\n"),
            23 => format!("[{}]\n", self.body().join(", ")),
            24 => format!("{{{}: 1}}\n", self.body().concat()),
            25 => {
                format!("{} = \"{}\"\n", self.body()[0].replace(['+', '/', '='], "x"), self.body().concat())
            }
            26 => self.pem.replace("-----", "---"),
            27 => encoded(self.pem.as_bytes()),
            28 => joined("%0A"),
            29 => self.pem.chars().flat_map(|one| [one, '\u{0}']).collect(),
            30 => format!("\u{feff}{}", self.pem),
            31 => self.pem.replace('\n', "\n\t"),
            32 => format!("version: 1\ncontact: \"{}\"\n", joined(" ")),
            33 => format!("global:\n  tlskey: {}\n", joined(" ")),
            34 => format!("global:\n  tlskey: |\n    {}\n", self.pem.trim_end().replace('\n', "\n    ")),
            35 => format!("{}\n{}", joined(" "), self.pem),
            36 => {
                let cut = 40 + numbers.below(self.pem.len() - 40);
                joined(" ")[..cut.min(joined(" ").len())].to_owned()
            }
            37 => {
                let mut bytes = joined(["", " ", "\\n", "\r"][numbers.below(4)]).into_bytes();
                let at = numbers.below(bytes.len());
                bytes[at] = b"\n\"':#-{}[]= !"[numbers.below(13)];
                String::from_utf8_lossy(&bytes).into_owned()
            }
            38 => {
                let mut lines: Vec<_> = self.pem.lines().collect();
                let (one, other) = (numbers.below(lines.len()), numbers.below(lines.len()));
                lines.swap(one, other);
                lines.join(["\n", " ", ""][numbers.below(3)])
            }
            _ => {
                let line = self.body()[numbers.below(self.body().len())];
                let from = numbers.below(line.len().saturating_sub(WINDOW).max(1));
                line[from..].to_owned()
            }
        }
    }
}

/// How many ways there are.
pub const WAYS: usize = 40;

/// A key of each kind that openssl makes, where there is openssl, and one that the program made.
pub fn every_kind(of_state: &Path) -> Vec<Key> {
    let folder = tempfile::tempdir().unwrap();
    let made = |arguments: &str| {
        let path = folder.path().join("key.pem");
        let mut openssl = Command::new("openssl");
        openssl.args(arguments.split(' ')).arg("-out").arg(&path);
        let done = openssl.output().is_ok_and(|output| output.status.success());
        done.then(|| std::fs::read_to_string(&path).unwrap())
    };
    let converted = |pem: &str, arguments: &str| {
        std::fs::write(folder.path().join("in.pem"), pem).unwrap();
        made(&format!("{arguments} -in {}", folder.path().join("in.pem").display()))
    };
    let mut keys = vec![Key::new("the state's own", std::fs::read_to_string(of_state).unwrap())];
    let ec = made("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256");
    let rsa = made("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048");
    let others = [
        ("SEC 1", ec.as_deref().and_then(|pem| converted(pem, "ec"))),
        ("encrypted", ec.as_deref().and_then(|pem| converted(pem, "pkcs8 -topk8 -passout pass:secret"))),
        ("PKCS#8", ec),
        ("RSA PKCS#1", rsa.as_deref().and_then(|pem| converted(pem, "rsa -traditional"))),
        ("RSA PKCS#8", rsa),
        ("Ed25519", made("genpkey -algorithm ED25519")),
        ("P-384", made("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384")),
        ("P-521", made("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521")),
    ];
    keys.extend(others.into_iter().filter_map(|(kind, pem)| Some(Key::new(kind, pem?))));
    keys
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub fn decoded(text: &str) -> Vec<u8> {
    let digits = text.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte));
    let bits: Vec<bool> =
        digits.flat_map(|digit| (0..6).rev().map(move |bit| digit >> bit & 1 == 1)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
}

/// A text as it is compared: without white space and backslashes; without escaped newlines before
/// that; and both in lower case, for hex.
pub fn squeezed(text: &str) -> [Vec<u8>; 4] {
    let bare = |text: &str| -> Vec<u8> {
        text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'\\').collect()
    };
    let (one, other) = (bare(text), bare(&text.replace("\\n", "").replace("\\r", "")));
    [one.to_ascii_lowercase(), other.to_ascii_lowercase(), one, other]
}

/// In base64, without what a length that three does not divide leaves over.
pub fn encoded(bytes: &[u8]) -> String {
    let whole = bytes.chunks_exact(3).flat_map(|three| {
        let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[bits >> shift & 63]))
    });
    whole.collect()
}

#[test]
fn a_part_of_a_key_is_found_in_each_of_its_forms() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIPpsZ0x1Yn+q/8rJ0uT7Hn5c2mVw9QkX3aBdGzLoEsRt\n-----END PRIVATE KEY-----\n";
    let key = Key::new("made up", pem.to_owned());
    for shown in ["x IEIPpsZ0x1Yn+q y", "IEIPps\\nZ0x1\n Yn+q", &encoded(pem.as_bytes())[40..60]] {
        assert!(key.part_in(shown).is_some(), "{shown}");
    }
    let hex: String =
        decoded("MC4CAQAwBQYDK2VwBCIEIPpsZ0x1").iter().map(|byte| format!("{byte:02X}")).collect();
    assert!(key.part_in(&hex[10..30]).is_some());
    assert_eq!(key.part_in("IEIPpsZ0x1Yn+ -----BEGIN PRIVATE KEY-----"), None);
}

//! CAs, daemons and clients as the programs make them that admins use.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use crate::support::peers;
use crate::support::workspace::Workspace;

/// Who makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Maker {
    /// openssl's command line, with keys on P-256.
    OpensslEc,
    /// The same with RSA, the CA's key in PKCS#1.
    OpensslRsa,
    /// `mkcert`, as moby's example calls it.
    Mkcert,
    /// `cfssl`.
    Cfssl,
    /// `easyrsa`.
    EasyRsa,
    /// What `earthly bootstrap` makes (buildkitd/certificates.go), by hand.
    Earthly,
}

impl Maker {
    pub const ALL: [Maker; 6] =
        [Maker::OpensslEc, Maker::OpensslRsa, Maker::Mkcert, Maker::Cfssl, Maker::EasyRsa, Maker::Earthly];
}

/// A CA with a daemon and two clients. The CA is outside of the workspace: nobody looks for keys there.
pub struct Pki {
    folder: tempfile::TempDir,
    /// The CA's certificate.
    pub authority: PathBuf,
    /// The CA's key.
    pub key: PathBuf,
    /// The daemon's certificate and key.
    pub daemon: [PathBuf; 2],
    /// Those of the clients.
    pub clients: Vec<[PathBuf; 2]>,
}

/// What is made once, or cannot be.
type Once = Arc<OnceLock<Option<Made>>>;

/// What a maker has made: its files with their modes, by their paths.
struct Made {
    files: Vec<(PathBuf, u32, Vec<u8>)>,
    names: Names,
}

impl Made {
    fn new(maker: Maker, days: u32, test: &str) -> Option<Made> {
        let folder = folder();
        let names = match maker {
            Maker::OpensslEc | Maker::OpensslRsa | Maker::Earthly => {
                peers::program("openssl", test)?;
                openssl(folder.path(), maker, days)
            }
            Maker::Mkcert => mkcert(folder.path(), &peers::program("mkcert", test)?),
            Maker::Cfssl => {
                peers::program("cfssljson", test)?;
                cfssl(folder.path(), &peers::program("cfssl", test)?)
            }
            Maker::EasyRsa => {
                if !Path::new(EASYRSA).exists() {
                    return None;
                }
                easyrsa(folder.path())
            }
        };
        let files = names.iter().flatten().filter(|name| !name.is_empty()).map(|name| {
            let path = folder.path().join(name);
            let mode = path.metadata().unwrap().permissions().mode();
            (PathBuf::from(name), mode, std::fs::read(path).unwrap())
        });
        Some(Made { files: files.collect(), names })
    }

    fn write(&self, folder: &Path) {
        for (name, mode, bytes) in &self.files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(*mode)).unwrap();
        }
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("kitcert-pki-").tempdir().unwrap()
}

const EASYRSA: &str = "/usr/share/easy-rsa/easyrsa";

impl Pki {
    /// Made by that program, for `localhost` and `127.0.0.1`; `None`, and a skip, without it. The daemon's
    /// certificate lives for so many days where the maker lets one choose.
    ///
    /// The program runs once for all tests: making keys takes longer than most of what is done with them.
    pub fn new(maker: Maker, days: u32, test: &str) -> Option<Pki> {
        static MADE: Mutex<BTreeMap<(Maker, u32), Once>> = Mutex::new(BTreeMap::new());
        let once = Arc::clone(MADE.lock().unwrap().entry((maker, days)).or_default());
        let Some(made) = once.get_or_init(|| Made::new(maker, days, test)) else {
            peers::skip(test, &format!("no {maker:?}"));
            return None;
        };
        let folder = folder();
        made.write(folder.path());
        let [authority, key, daemon, ana, ben] = made.names;
        let path = |name: &str| folder.path().join(name);
        let pair = |[certificate, key]: [&str; 2]| [path(certificate), path(key)];
        Some(Pki {
            authority: path(authority[0]),
            key: path(key[0]),
            daemon: pair(daemon),
            clients: vec![pair(ana), pair(ben)],
            folder,
        })
    }

    /// Copies of the files of the daemon, in a folder of the workspace as it reads them.
    pub fn place_daemon(&self, workspace: &Workspace, folder: &str) -> String {
        place(workspace, folder, &self.authority, &self.daemon)
    }

    /// The same of a client.
    pub fn place_client(&self, workspace: &Workspace, number: usize) -> String {
        place(workspace, &format!("client-{number}"), &self.authority, &self.clients[number])
    }

    /// A path beside its files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn key(&self) -> String {
        self.key.display().to_string()
    }
}

fn place(workspace: &Workspace, folder: &str, authority: &Path, pair: &[PathBuf; 2]) -> String {
    for (name, from) in [("ca.pem", authority), ("cert.pem", &pair[0]), ("key.pem", &pair[1])] {
        workspace.write(&format!("{folder}/{name}"), std::fs::read(from).unwrap());
    }
    close(&workspace.path(&format!("{folder}/key.pem")));
    workspace.text(folder)
}

/// For its owner alone.
pub fn close(path: &Path) {
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Runs a shell script in a folder.
#[track_caller]
pub fn sh(folder: &Path, script: &str) {
    let mut command = Command::new("sh");
    command.current_dir(folder).args(["-euc", script]).env("CAROOT", folder).env("EASYRSA_BATCH", "1");
    command.env("EASYRSA_PKI", folder.join("pki"));
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{script}: {said:?}");
}

type Names = [[&'static str; 2]; 5];

fn openssl(folder: &Path, maker: Maker, days: u32) -> Names {
    let key = match maker {
        Maker::OpensslEc => "ecparam -name prime256v1 -genkey -noout",
        _ => "genrsa -traditional",
    };
    let bits = if maker == Maker::OpensslEc { "" } else { "2048" };
    let is_earthly = maker == Maker::Earthly;
    let authority = match is_earthly {
        true => {
            "printf '[req]\\ndistinguished_name=dn\\nprompt=no\\n[dn]\\nO=Earthly Buildkit GRPC CA\\n[v3]\\n\
             basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,digitalSignature,keyCertSign\\n\
             extendedKeyUsage=clientAuth,serverAuth\\nsubjectKeyIdentifier=hash\\n' > ca.cnf
             openssl req -x509 -new -key ca.key -config ca.cnf -extensions v3 -set_serial 2021 -days 3650 -out ca.crt"
        }
        false => {
            "openssl req -x509 -new -key ca.key -days 3650 -subj '/O=Acme/CN=Acme builders' -out ca.crt"
        }
    };
    let both = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\\nextendedKeyUsage=clientAuth,serverAuth\\n\
                keyUsage=critical,digitalSignature\\nauthorityKeyIdentifier=none\\nsubjectKeyIdentifier=";
    let (server, client, subject) = match is_earthly {
        true => (format!("{both}6275696c646b6974"), format!("{both}6561727468"), "/O=Earthly GRPC: "),
        false => (
            "subjectAltName=DNS:localhost,IP:127.0.0.1\\nextendedKeyUsage=serverAuth".to_owned(),
            "subjectAltName=DNS:person\\nextendedKeyUsage=clientAuth".to_owned(),
            "/CN=",
        ),
    };
    let script = format!(
        "umask 077
         make() {{ openssl {key} -out $1.key {bits}; }}
         issue() {{
           make $1; openssl req -new -key $1.key -subj \"{subject}$1\" -out $1.csr; printf \"$2\\n\" > $1.ext
           openssl x509 -req -in $1.csr -CA ca.crt -CAkey ca.key -set_serial 0x$(openssl rand -hex 7) -days $3 \
             -extfile $1.ext -out $1.crt
         }}
         make ca
         {authority}
         issue daemon '{server}' {days}; issue ana '{client}' 365; issue ben '{client}' 365"
    );
    sh(folder, &script);
    FLAT
}

const FLAT: Names = [
    ["ca.crt", ""],
    ["ca.key", ""],
    ["daemon.crt", "daemon.key"],
    ["ana.crt", "ana.key"],
    ["ben.crt", "ben.key"],
];

fn mkcert(folder: &Path, program: &Path) -> Names {
    let program = program.display();
    sh(
        folder,
        &format!(
            "{program} -cert-file daemon.crt -key-file daemon.key localhost 127.0.0.1
             for name in ana ben; do {program} -client -cert-file $name.crt -key-file $name.key client; done"
        ),
    );
    [["rootCA.pem", ""], ["rootCA-key.pem", ""], FLAT[2], FLAT[3], FLAT[4]]
}

fn cfssl(folder: &Path, program: &Path) -> Names {
    let program = program.display();
    let usages = |usage: &str| format!("{{\"usages\":[\"signing\",\"{usage}\"],\"expiry\":\"8760h\"}}");
    let profiles = format!("\"daemon\":{},\"client\":{}", usages("server auth"), usages("client auth"));
    sh(
        folder,
        &format!(
            "key='\"key\":{{\"algo\":\"ecdsa\",\"size\":256}}'
             echo \"{{\\\"CN\\\":\\\"cf builders\\\",$key}}\" | {program} gencert -initca - | cfssljson -bare ca
             echo '{{\"signing\":{{\"default\":{{\"expiry\":\"8760h\"}},\"profiles\":{{{profiles}}}}}}}' > c.json
             issue() {{ echo \"{{\\\"CN\\\":\\\"$1\\\",\\\"hosts\\\":[$3],$key}}\" | {program} gencert -ca ca.pem \
               -ca-key ca-key.pem -config c.json -profile $2 - | cfssljson -bare $1; }}
             issue daemon daemon '\"localhost\",\"127.0.0.1\"'; issue ana client '\"ana\"'; issue ben client '\"ben\"'"
        ),
    );
    [
        ["ca.pem", ""],
        ["ca-key.pem", ""],
        ["daemon.pem", "daemon-key.pem"],
        ["ana.pem", "ana-key.pem"],
        ["ben.pem", "ben-key.pem"],
    ]
}

fn easyrsa(folder: &Path) -> Names {
    sh(
        folder,
        &format!(
            "{EASYRSA} init-pki; EASYRSA_REQ_CN='er builders' {EASYRSA} build-ca nopass
             {EASYRSA} --subject-alt-name=DNS:localhost,IP:127.0.0.1 build-server-full daemon nopass
             {EASYRSA} build-client-full ana nopass; {EASYRSA} build-client-full ben nopass"
        ),
    );
    [
        ["pki/ca.crt", ""],
        ["pki/private/ca.key", ""],
        ["pki/issued/daemon.crt", "pki/private/daemon.key"],
        ["pki/issued/ana.crt", "pki/private/ana.key"],
        ["pki/issued/ben.crt", "pki/private/ben.key"],
    ]
}

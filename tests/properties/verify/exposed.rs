//! What answers around a daemon without credentials, and that nothing is asked of it.

use std::io::Read as _;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kitcert::model::{Endpoint, Rule, Severity, Timestamp};
use kitcert::probe::{Port, PortAnswer, Unreachable, judge_ports, look_at_ports};

use crate::support::scenario::{HOST, Scenario};
use crate::support::servers::{Listener, Server};
use crate::support::workspace::Workspace;

fn looked_at(numbers: &[u16]) -> Vec<Port> {
    let endpoint = Endpoint::new(HOST.parse().unwrap(), 8372);
    look_at_ports(&endpoint, numbers, Duration::from_secs(3), now())
}

fn now() -> Timestamp {
    kitcert::env::Environment::of_process().now()
}

#[test]
fn what_a_port_has_for_no_certificate_is_told_by_its_first_bytes() {
    const TEST: &str = "what_a_port_has_for_no_certificate_is_told_by_its_first_bytes";
    let folder = tempfile::tempdir().unwrap();
    let files = Scenario::sound().files(folder.path());
    let closed = TcpListener::bind((HOST, 0)).unwrap().local_addr().unwrap().port();
    let greeter = Listener::of(|_, mut stream| {
        // Whoever was greeted may be gone already.
        let _ = std::io::Write::write_all(&mut stream, b"SSH-2.0-OpenSSH_9.6\r\n");
    });
    let Some(go) = ["--plaintext", "--no-ca", "--idle=1", "--silent"]
        .map(|option| Server::go(&files, &[option], TEST))
        .into_iter()
        .collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let nginx = [
        Server::nginx(&files, "ssl_verify_client optional_no_ca;\nreturn 404;", TEST),
        Server::plain_nginx("return 404;", TEST),
    ];
    let [Some(optional), Some(web)] = nginx else { return };
    let expected = [
        (closed, PortAnswer::Unreachable(Unreachable::Refused), Severity::Pass),
        (go[0].port, PortAnswer::Http2, Severity::Critical),
        (go[1].port, PortAnswer::TlsForAnyone, Severity::Error),
        (go[2].port, PortAnswer::TlsRefused, Severity::Pass),
        (go[3].port, PortAnswer::Silent, Severity::Info),
        (optional.port, PortAnswer::TlsOptional, Severity::Error),
        (web.port, PortAnswer::Http1, Severity::Error),
        (greeter.port, PortAnswer::Greeting("SSH-2.0-OpenSSH_9.6".into()), Severity::Warning),
    ];
    let numbers = expected.each_ref().map(|(number, ..)| *number);
    let ports = looked_at(&numbers);
    let endpoint = Endpoint::new(HOST.parse().unwrap(), 8372);
    for (port, (number, answer, severity)) in ports.iter().zip(expected) {
        assert_eq!(*port, Port { number, answer });
        let findings = judge_ports(std::slice::from_ref(port), &endpoint);
        assert!(matches!(findings.as_slice(), [one] if one.rule == Rule::ExposedPort), "{findings:#?}");
        assert_eq!(findings[0].severity, severity, "{findings:#?}");
    }
}

#[test]
fn nothing_is_sent_to_a_port_but_a_preface_and_a_client_hello() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let listener = Listener::of(move |_, mut stream| {
        let mut all = Vec::new();
        // The other side ends it by closing, or by a reset.
        let _ = stream.read_to_end(&mut all);
        hears.lock().unwrap().push(all);
    });
    let endpoint = Endpoint::new(HOST.parse().unwrap(), 8372);
    let ports = look_at_ports(&endpoint, &[listener.port], Duration::from_millis(300), now());
    assert_eq!(ports[0].answer, PortAnswer::Silent);
    while heard.lock().unwrap().len() < 2 {
        std::thread::yield_now();
    }
    let mut heard = heard.lock().unwrap().clone();
    heard.sort();
    assert!(heard[0].starts_with(&[22, 3, 1]), "{:?}", heard[0]);
    let length = usize::from(u16::from_be_bytes([heard[0][3], heard[0][4]]));
    assert_eq!(heard[0].len(), 5 + length, "one record of TLS, and nothing behind it");
    assert_eq!(heard[1], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00");
}

#[test]
fn verify_tells_of_the_ports_where_it_is_asked_and_only_there() {
    let workspace = Workspace::new();
    workspace.run(["init", "--host", "127.0.0.1"]).succeeded();
    let port = TcpListener::bind((HOST, 0)).unwrap().local_addr().unwrap().port();
    let target = format!("tcp://127.0.0.1:{port}");
    let with = workspace.run(["verify", &target, "--ports", "--format", "json"]).json();
    let ports = with["daemon"]["ports"].as_object().unwrap();
    assert_eq!(ports.keys().collect::<Vec<_>>(), ["1234", "6060", "8371", "8372", "8373"]);
    let without = workspace.run(["verify", &target, "--format", "json"]).json();
    assert!(without["daemon"]["ports"].is_null(), "{without:#}");
}

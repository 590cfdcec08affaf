//! Which other ports of the daemon's host are looked at, and what their answers are worth.

use crate::message;
use crate::model::{Endpoint, Finding, Message, Rule, Severity};
use crate::probe::results::{Port, PortAnswer};

/// The ports that a build daemon has, or is told to have: Earthly's documentation opens 8371 to
/// 8373, moby's examples listen on 1234, and 6060 is pprof's.
const PORTS: &[(u16, &str)] = &[
    (1234, "moby buildkitd's"),
    (6060, "pprof's, which shows what is in a daemon's memory"),
    (8371, "that of an Earthly daemon's registry, which hands out the images of builds"),
    (8372, "an Earthly daemon's"),
    (8373, "that of the debugger that Earthly once had"),
];

/// The ports that a build daemon's host may have open beside the daemon's own.
#[must_use]
pub fn ports_around(endpoint: &Endpoint) -> Vec<u16> {
    PORTS.iter().map(|(number, _)| *number).filter(|number| *number != endpoint.port()).collect()
}

/// One finding for each port; those that cannot be reached are one together.
#[must_use]
pub fn judge_ports(ports: &[Port], endpoint: &Endpoint) -> Vec<Finding> {
    let mut findings: Vec<Finding> = ports.iter().filter_map(|port| finding(port, endpoint)).collect();
    let shut: Vec<_> =
        ports.iter().filter(|port| is_unreachable(&port.answer)).map(|port| port.number).collect();
    if !shut.is_empty() {
        let found = message!("cannot be connected to from here: {}", Message::join(shut, ", "));
        findings.push(
            Finding::new(Rule::ExposedPort, Severity::Pass, endpoint.host()).expected(NOBODY).found(found),
        );
    }
    findings
}

/// How grave that answer is.
pub(crate) fn severity(answer: &PortAnswer) -> Severity {
    match answer {
        PortAnswer::Http2 => Severity::Critical,
        PortAnswer::Http1 | PortAnswer::TlsForAnyone | PortAnswer::TlsOptional => Severity::Error,
        PortAnswer::Greeting(_) => Severity::Warning,
        PortAnswer::Silent | PortAnswer::Tls => Severity::Info,
        PortAnswer::TlsRefused | PortAnswer::Unreachable(_) => Severity::Pass,
    }
}

/// Whether nobody can connect.
pub(crate) fn is_unreachable(answer: &PortAnswer) -> bool {
    matches!(answer, PortAnswer::Unreachable(_))
}

fn finding(port: &Port, endpoint: &Endpoint) -> Option<Finding> {
    if is_unreachable(&port.answer) {
        return None;
    }
    let severity = severity(&port.answer);
    let subject = Endpoint::new(endpoint.host().clone(), port.number);
    let finding = Finding::new(Rule::ExposedPort, severity, subject).expected(NOBODY).found(&port.answer);
    let custom = PORTS.iter().find(|(number, _)| *number == port.number).map(|(_, custom)| *custom);
    Some(match custom.filter(|_| severity >= Severity::Warning) {
        Some(custom) => finding.cause(message!("port {} is usually {}", port.number, custom)).fix(message!(
            "publish port {} alone, not {}: docker run -p, or the firewall of that machine",
            endpoint.port(),
            port.number
        )),
        None => finding,
    })
}

const NOBODY: &str = "nothing that answers without a certificate";

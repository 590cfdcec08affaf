//! Metrics in the text format of Prometheus, for node_exporter's textfile collector. The names are
//! those of dashboards that exist (x509-certificate-exporter's) where there are such.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::monitored::Monitored;
use crate::model::Timestamp;

/// Every metric of everything that was looked at.
pub(in crate::cli) fn prometheus(all: &[Monitored], now: Timestamp) -> String {
    let mut metrics = Metrics::default();
    for one in all {
        let target = ("target", one.name.as_str());
        for certificate in &one.certificates {
            let labels = [target, ("whose", certificate.whose.as_str())];
            let validity = certificate.validity;
            metrics.add(NOT_BEFORE, &labels, validity.not_before.unix());
            metrics.add(NOT_AFTER, &labels, validity.not_after.unix());
            metrics.add(EXPIRED, &labels, i64::from(now > validity.not_after));
        }
        if let Some(enforced) = one.enforces_client_auth() {
            metrics.add(ENFORCED, &[target], i64::from(enforced));
        }
        if let Some(matches) = one.serves_what_is_installed() {
            metrics.add(MATCHES, &[target], i64::from(matches));
        }
        if let Some(seconds) = one.seconds {
            metrics.add(SECONDS, &[target], format!("{seconds:.6}"));
        }
        if let Some(instant) = one.succeeded_at {
            metrics.add(SUCCESS, &[target], instant.unix());
        }
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for finding in &one.findings {
            *counts.entry((finding.rule.as_str(), finding.severity.as_str())).or_default() += 1;
        }
        for ((rule, severity), count) in counts {
            metrics.add(FINDINGS, &[target, ("rule", rule), ("severity", severity)], count);
        }
    }
    metrics.add(LAST_RUN, &[], now.unix());
    metrics.text()
}

/// A metric's name, and what it means.
type Metric = (&'static str, &'static str);

const NOT_BEFORE: Metric = ("x509_cert_not_before", "When the certificate becomes valid, in Unix time.");
const NOT_AFTER: Metric = ("x509_cert_not_after", "When the certificate ends, in Unix time.");
const EXPIRED: Metric = ("x509_cert_expired", "Whether the certificate is over.");
const ENFORCED: Metric =
    ("kitcert_client_auth_enforced", "Whether clients without a right certificate are refused.");
const MATCHES: Metric =
    ("kitcert_served_matches_disk", "Whether the daemon serves the certificate that is installed.");
const SECONDS: Metric = ("kitcert_probe_duration_seconds", "How long all dials took together.");
const SUCCESS: Metric =
    ("kitcert_last_success_timestamp_seconds", "When everything was last as it must be, in Unix time.");
const FINDINGS: Metric = ("kitcert_findings", "How many findings of a rule and a severity there are.");
const LAST_RUN: Metric = ("kitcert_last_run_timestamp_seconds", "When this was written, in Unix time.");

/// The samples by metric: all of one stand together, below what it means.
#[derive(Default)]
struct Metrics(BTreeMap<Metric, Vec<String>>);

impl Metrics {
    fn add(&mut self, metric: Metric, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.0.entry(metric).or_default().push(format!("{}{labels} {value}", metric.0));
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for ((name, help), samples) in &self.0 {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
            for sample in samples {
                let _ = writeln!(text, "{sample}");
            }
        }
        text
    }
}

/// A label's value, as the exposition format escapes it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

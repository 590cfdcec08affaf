//! The lines that commands write into the log.

use crate::apply::invocation::Invocation;
use crate::model::{Message, Printable};
use crate::pki::Certificate;
use crate::plan::Reason;
use crate::store::{LogEvent, LogLine};

/// A line of the log about a certificate that was issued.
pub(in crate::apply) fn issued_line(
    invocation: &Invocation<'_>,
    certificate: &Certificate,
    subject: Message,
    reason: Reason,
) -> LogLine {
    LogLine {
        serial: Some(certificate.serial().clone()),
        fingerprint: Some(certificate.fingerprint()),
        ..line(invocation, LogEvent::Issued, subject, reason.as_str().message())
    }
}

/// A line of the log about no certificate.
pub(in crate::apply) fn line(
    invocation: &Invocation<'_>,
    event: LogEvent,
    subject: Message,
    reason: Message,
) -> LogLine {
    LogLine {
        time: invocation.environment.now(),
        by: invocation.user(),
        command: invocation.command.to_owned(),
        event,
        subject,
        serial: None,
        fingerprint: None,
        reason,
    }
}

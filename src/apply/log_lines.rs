//! The lines that commands write into the log.

use super::context::Context;
use crate::model::{Message, Printable};
use crate::pki::Certificate;
use crate::plan::Reason;
use crate::store::{LogEvent, LogLine};

/// A line of the log about a certificate that was issued.
pub(super) fn issued_line(
    context: &Context<'_>,
    certificate: &Certificate,
    subject: Message,
    reason: Reason,
) -> LogLine {
    LogLine {
        serial: Some(certificate.serial().clone()),
        fingerprint: Some(certificate.fingerprint()),
        ..line(context, LogEvent::Issued, subject, reason.as_str().message())
    }
}

/// A line of the log about no certificate.
pub(super) fn line(context: &Context<'_>, event: LogEvent, subject: Message, reason: Message) -> LogLine {
    LogLine {
        time: context.environment.now(),
        by: context.user(),
        command: context.command.to_owned(),
        event,
        subject,
        serial: None,
        fingerprint: None,
        reason,
    }
}

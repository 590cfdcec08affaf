//! What a command says, in each form: text, JSON, and what monitoring reads.

mod member;
mod monitored;
mod nagios;
mod plan_rows;
mod prometheus;
mod report;
mod sarif;
pub mod schema;
mod style;
mod timeline;

pub(super) use member::Object;
pub(super) use monitored::{Monitored, MonitoredCertificate};
pub(super) use nagios::{failed as nagios_failure, graver_than_unsaid, nagios};
pub(super) use plan_rows::{issued_json, issued_row, kit_json, kit_row, kit_warnings, show_plan, show_steps};
pub(super) use prometheus::prometheus;
pub(crate) use report::{Changed, Report};
pub(super) use report::{failure_json, failure_text};
pub(super) use sarif::sarif;
pub(super) use style::tone_of;
pub(crate) use style::{Ink, Tone};
pub(super) use timeline::{LEGEND, timeline};

//! The forms of a result: the report with its text and its JSON, and what other programs read.
//!
//! ```text
//! report       what a command has to say, and its two views: text and JSON
//! plan_rows    rows that several commands show
//! style        how lines look on a terminal
//! timeline     validity windows, drawn
//! monitored    what monitoring reads
//! nagios       as the output of a plugin
//! prometheus   as metrics
//! sarif        what code hosts show beside a change
//! ```
//!
//! A new form is a variant of `Format` in `cli/options`, a file here, and an arm in `view` and `refuse_format`
//! of `cli/run`. What the text and the JSON of one command contain is in that command's file.

mod monitored;
mod nagios;
mod plan_rows;
mod prometheus;
mod report;
mod sarif;
mod style;
mod timeline;

pub(super) use monitored::{Monitored, MonitoredCertificate};
pub(super) use nagios::{failed as nagios_failure, graver_than_unsaid, nagios};
pub(super) use plan_rows::{
    IssuedObject, KitObject, Planned, issued_object, issued_row, kit_object, kit_row, kit_warnings,
    show_plan, show_steps, with_plan,
};
pub(super) use prometheus::prometheus;
pub(crate) use report::{Changed, Report};
pub(super) use report::{CommandForm, Everywhere, failure_json, failure_text};
pub(super) use sarif::sarif;
pub(super) use style::tone_of;
pub(crate) use style::{Ink, Tone};
pub(super) use timeline::{LEGEND, timeline};

//! A plan on a screen: what `--dry-run` prints.

use crate::cli::report::{Report, Tone};
use crate::message;
use crate::plan::{Plan, StepSummary};

/// Adds a plan that was not carried out.
pub(super) fn show(report: Report, plan: &Plan) -> Report {
    show_steps(report, plan.summary())
}

/// Adds the steps of something that was not done.
pub(super) fn show_steps(report: Report, steps: Vec<StepSummary>) -> Report {
    let report = report.detail("plan", &steps).detail("dry_run", true);
    if steps.is_empty() {
        return report.line("nothing to do");
    }
    let hidden = steps.len().saturating_sub(MOST_SHOWN);
    let shown = steps.into_iter().take(MOST_SHOWN);
    let rows =
        shown.map(|step| (Tone::Plain, vec![message!("would {}", step.step), step.subject, step.detail]));
    let report = report.table(rows.collect());
    let report = if hidden > 0 { report.line(message!("… and {} more steps", hidden)) } else { report };
    report.line("nothing was changed (--dry-run)")
}

/// A plan for ten thousand clients is read in JSON.
const MOST_SHOWN: usize = 40;

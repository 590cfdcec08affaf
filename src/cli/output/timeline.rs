//! Validity windows, drawn.

use std::fmt;

use super::style::Tone;
use crate::message;
use crate::model::{Message, Printable, Timestamp, parsed};
use crate::plan::Window;

/// A row for each window, below a row of dates; `columns` is the width of the whole, `tone` that of
/// a window.
///
/// What is shown are the windows of the identities: a CA, which lives ten times as long, has an
/// arrow where it begins or ends outside.
pub(in crate::cli) fn timeline(
    windows: &[Window],
    now: Timestamp,
    columns: usize,
    tone: impl Fn(&Window) -> Tone,
) -> Vec<(Tone, Vec<Message>)> {
    let names: Vec<[Message; 3]> =
        windows.iter().map(|one| [one.kind.message(), name(one), one.issuer.clone()]).collect();
    let taken: usize =
        (0..3).map(|at| names.iter().map(|row| row[at].as_str().len()).max().unwrap_or(0) + GAP).sum();
    let scale = Scale::of(windows, now, columns.saturating_sub(taken).max(NARROWEST));
    let heading =
        [Message::default(), Message::default(), Message::default(), Drawn(&scale.dates(now)).message()];
    let rows = windows.iter().zip(names).map(|(window, [kind, name, issuer])| {
        (tone(window), vec![kind, name, issuer, Drawn(&scale.bar(window, now)).message()])
    });
    std::iter::once((Tone::Aside, heading.to_vec())).chain(rows).collect()
}

/// What the signs mean.
pub(in crate::cli) const LEGEND: &str = "= good   - due   | now   > and on";

fn name(window: &Window) -> Message {
    match window.previous {
        0 => window.name.clone(),
        1 => message!("{}, replaced", window.name),
        count => message!("{}, {} replaced", window.name, count),
    }
}

/// A line that is drawn of dates and signs.
struct Drawn<'a>(&'a str);

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

parsed!(Drawn<'_>);

/// Which instant is which column.
struct Scale {
    begin: Timestamp,
    end: Timestamp,
    width: usize,
}

impl Scale {
    fn of(windows: &[Window], now: Timestamp, width: usize) -> Scale {
        let mut shown: Vec<&Window> = windows.iter().filter(|window| window.kind != "ca").collect();
        if shown.is_empty() {
            shown.extend(windows);
        }
        let begin = shown.iter().map(|window| window.begin).min().unwrap_or(now).min(now);
        let end = shown.iter().map(|window| window.end).max().unwrap_or(now).max(now);
        Scale { begin, end, width }
    }

    /// The column of an instant; outside, the nearest.
    fn column(&self, instant: Timestamp) -> usize {
        let length = self.end.seconds_since(self.begin).max(1);
        let passed = instant.seconds_since(self.begin).clamp(0, length);
        let last = self.width as i64 - 1;
        usize::try_from(passed * last / length).unwrap_or(0)
    }

    fn bar(&self, window: &Window, now: Timestamp) -> String {
        let (first, last) = (self.column(window.begin), self.column(window.end));
        let due =
            window.due.map_or(usize::MAX, |due| if due > self.end { usize::MAX } else { self.column(due) });
        let is_shown = window.end >= self.begin && window.begin <= self.end;
        let sign = |column: usize| match column {
            _ if column == self.column(now) => '|',
            _ if !is_shown || column < first || column > last => ' ',
            0 if window.begin < self.begin => '<',
            _ if column + 1 == self.width && window.end > self.end => '>',
            _ if column >= due => '-',
            _ => '=',
        };
        (0..self.width).map(sign).collect()
    }

    /// The first day and the last, and where now is if there is room for the word.
    fn dates(&self, now: Timestamp) -> String {
        let (first, last) = (self.begin.date().to_string(), self.end.date().to_string());
        let mut line: Vec<char> = vec![' '; self.width];
        let mut write = |at: usize, text: &str| {
            for (place, letter) in line.iter_mut().skip(at).zip(text.chars()) {
                *place = letter;
            }
        };
        write(0, &first);
        write(self.width.saturating_sub(last.len()), &last);
        let at = self.column(now).saturating_sub(1);
        if at > first.len() && at + NOW.len() + last.len() < self.width {
            write(at, NOW);
        }
        line.into_iter().collect()
    }
}

const NOW: &str = "now";
/// Blanks between two columns.
const GAP: usize = 2;
/// Of a drawing in which anything can be seen.
const NARROWEST: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(date: &str) -> Timestamp {
        Timestamp::parse(date).unwrap()
    }

    fn window(kind: &'static str, begin: &str, end: &str, due: Option<&str>, previous: usize) -> Window {
        let (name, issuer) = ("builder".into(), "self".into());
        Window { kind, name, issuer, begin: at(begin), end: at(end), due: due.map(at), previous }
    }

    fn drawn(windows: &[Window], now: &str, columns: usize) -> Vec<String> {
        timeline(windows, at(now), columns, |_| Tone::Plain)
            .into_iter()
            .map(|(_, cells)| cells[3].to_string())
            .collect()
    }

    #[test]
    fn a_window_is_good_then_due_then_over_and_a_ca_goes_on() {
        let windows = [
            window("ca", "2026-01-01", "2036-01-01", Some("2035-01-01"), 0),
            window("daemon", "2026-01-01", "2026-01-31", Some("2026-01-21"), 0),
            window("daemon", "2026-01-01", "2026-01-11", None, 1),
        ];
        let taken = "daemon  builder, replaced  self  ".len();
        assert_eq!(
            drawn(&windows, "2026-01-06", taken + 31),
            [
                "2026-01-01           2026-01-31",
                "=====|========================>",
                "=====|==============-----------",
                "=====|=====                    ",
            ]
        );
    }

    #[test]
    fn now_is_named_where_there_is_room_and_shown_where_nothing_is_good() {
        let windows = [window("client", "2026-01-01", "2026-01-11", None, 0)];
        let taken = "client  builder  self  ".len();
        assert_eq!(
            drawn(&windows, "2026-02-10", taken + 41),
            ["2026-01-01                     2026-02-10", "===========                             |"]
        );
        let windows = [window("client", "2026-01-01", "2026-02-10", None, 0)];
        assert_eq!(
            drawn(&windows, "2026-01-16", taken + 41),
            ["2026-01-01    now              2026-02-10", "===============|========================="]
        );
    }

    #[test]
    fn no_width_and_no_window_is_too_little() {
        assert_eq!(drawn(&[], "2026-01-01", 0), ["2026-01-01    2026-01-01"]);
        let windows = [window("ca", "2026-01-01", "2026-01-01", None, 0)];
        assert_eq!(drawn(&windows, "2026-01-01", 1).len(), 2);
    }
}

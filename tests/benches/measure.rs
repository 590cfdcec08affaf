//! Measuring side by side: runs in turn, so that whatever else the machine does meets all alike.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Scale {
    /// Runs of a process that takes milliseconds.
    pub short_runs: usize,
    /// Runs of a bulk.
    pub long_runs: usize,
    /// Names in a bulk.
    pub names: usize,
    /// Names in the largest state.
    pub most: usize,
    /// Daemons that are verified at once.
    pub daemons: usize,
}

impl Scale {
    /// As the command line asks: with `--test` everything runs once, with small numbers.
    pub fn of_arguments() -> Scale {
        if std::env::args().any(|argument| argument == "--test") {
            Scale { short_runs: 1, long_runs: 1, names: 40, most: 40, daemons: 20 }
        } else {
            Scale { short_runs: 41, long_runs: 5, names: 10_000, most: 100_000, daemons: 1_000 }
        }
    }
}

/// Where files are written. Nothing is deleted before the end: ext4 takes a second look at every
/// inode that was freed lately, which makes the next run ten times slower.
pub struct Place {
    /// What it is called in the output.
    pub label: &'static str,
    folder: tempfile::TempDir,
    used: std::cell::Cell<usize>,
}

impl Place {
    /// A disk, in `$KITCERT_BENCH_DIR` or below the build's own folder; and memory, where there is
    /// a file system for it.
    pub fn all() -> Vec<Place> {
        let disk = std::env::var_os("KITCERT_BENCH_DIR")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench"), PathBuf::from);
        std::fs::create_dir_all(&disk).expect("a folder for the files of the benchmarks");
        let memory = PathBuf::from("/dev/shm");
        let mut places = vec![Place::below("disk", &disk)];
        if memory.is_dir() {
            places.push(Place::below("memory", &memory));
        }
        places
    }

    fn below(label: &'static str, parent: &Path) -> Place {
        let folder = tempfile::Builder::new().prefix("kitcert-bench-").tempdir_in(parent);
        Place { label, folder: folder.expect("a fresh folder"), used: std::cell::Cell::new(0) }
    }

    /// A path that nothing has used.
    pub fn fresh(&self) -> PathBuf {
        self.used.set(self.used.get() + 1);
        self.folder.path().join(format!("{:05}", self.used.get()))
    }
}

/// One of the things that are compared.
pub struct Contender<'a> {
    /// What the output calls it.
    pub label: &'a str,
    /// Does it once, and tells how long the part took that counts.
    pub run: Box<dyn FnMut() -> Duration + 'a>,
}

impl<'a> Contender<'a> {
    /// A contender of which all counts.
    pub fn new(label: &'a str, mut run: impl FnMut() + 'a) -> Contender<'a> {
        let run = move || {
            let began = Instant::now();
            run();
            began.elapsed()
        };
        Contender { label, run: Box::new(run) }
    }

    /// A contender that has to prepare something first.
    pub fn timed(label: &'a str, run: impl FnMut() -> Duration + 'a) -> Contender<'a> {
        Contender { label, run: Box::new(run) }
    }
}

/// Runs the contenders in turn, prints what each took, and the ratio of the first's median to each
/// other's. Gives back the medians.
pub fn compare(title: &str, runs: usize, contenders: &mut [Contender<'_>]) -> Vec<Duration> {
    let mut taken: Vec<Vec<Duration>> = contenders.iter().map(|_| Vec::with_capacity(runs)).collect();
    for _ in 0..runs {
        for (contender, taken) in contenders.iter_mut().zip(&mut taken) {
            taken.push((contender.run)());
        }
    }
    println!("\n{title}  ({runs} runs each, in turn)");
    println!("  {:54} {:>9} {:>9} {:>9}", "ms", "min", "median", "max");
    let mut medians = Vec::new();
    for (contender, taken) in contenders.iter().zip(&mut taken) {
        taken.sort_unstable();
        let median = taken[taken.len() / 2];
        let shown = [taken[0], median, taken[taken.len() - 1]].map(|time| time.as_secs_f64() * 1e3);
        println!("  {:54} {:9.2} {:9.2} {:9.2}", contender.label, shown[0], shown[1], shown[2]);
        medians.push(median);
    }
    for (contender, median) in contenders.iter().zip(&medians).skip(1) {
        println!(
            "  {:54} {:>9} {:9.2}",
            format!("ratio to {}", contender.label),
            "",
            ratio(medians[0], *median)
        );
    }
    medians
}

/// How many times as long.
pub fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

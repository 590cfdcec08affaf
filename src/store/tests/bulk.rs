//! What a change costs. Run with `--ignored --nocapture`, in release.

use std::path::Path;
use std::time::{Duration, Instant};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use crate::store::{KeyReaders, Privacy, StagedChange, StateDirectory};

const CERTIFICATE: &[u8] = &[b'c'; 900];
const KEY: &[u8] = &[b'k'; 240];

fn client(change: &StagedChange<'_>, number: usize) {
    let folder = Path::new("clients").join(format!("c{number}"));
    let add = |path: &Path| change.file(path, CERTIFICATE, Privacy::Public).unwrap();
    add(&Path::new("issued").join(format!("{number:032x}.pem")));
    add(&folder.join("gen-0001/ca.pem"));
    add(&folder.join("gen-0001/cert.pem"));
    change.private_key(&folder.join("gen-0001/key.pem"), KEY, KeyReaders::default()).unwrap();
    change.link(&folder.join("current"), "gen-0001").unwrap();
}

/// The same files without any care: paths from the top, no staging, nothing durable.
fn plainly(base: &Path, number: usize) {
    let folder = base.join("clients").join(format!("c{number}"));
    std::fs::create_dir_all(folder.join("gen-0001")).unwrap();
    std::fs::write(base.join("issued").join(format!("{number:032x}.pem")), CERTIFICATE).unwrap();
    std::fs::write(folder.join("gen-0001/ca.pem"), CERTIFICATE).unwrap();
    std::fs::write(folder.join("gen-0001/cert.pem"), CERTIFICATE).unwrap();
    std::fs::write(folder.join("gen-0001/key.pem"), KEY).unwrap();
    std::os::unix::fs::symlink("gen-0001", folder.join("current")).unwrap();
}

#[test]
#[ignore = "a measurement, not a property"]
fn figures() {
    let base = tempfile::tempdir_in(".").unwrap();
    let number_of_clients = 10_000;

    let plain = base.path().join("plain");
    std::fs::create_dir_all(plain.join("issued")).unwrap();
    let began = Instant::now();
    (0..number_of_clients).into_par_iter().for_each(|number| plainly(&plain, number));
    println!("{number_of_clients} clients plainly: {:?}", began.elapsed());

    let state = StateDirectory::create(&base.path().join("state")).unwrap();
    let lock = state.lock("test", Duration::ZERO).unwrap();
    for round in 0..2 {
        let began = Instant::now();
        let change = lock.stage().unwrap();
        let numbers = round * number_of_clients..(round + 1) * number_of_clients;
        numbers.into_par_iter().for_each(|number| client(&change, number));
        let staged = began.elapsed();
        change.commit().unwrap();
        let whole = began.elapsed();
        println!("{number_of_clients} clients staged: {staged:?}, committed: {whole:?}");
    }

    let mut times = Vec::new();
    for round in 0..50 {
        let state = StateDirectory::create(&base.path().join(format!("small-{round}"))).unwrap();
        let began = Instant::now();
        let lock = state.lock("init", Duration::ZERO).unwrap();
        let change = lock.stage().unwrap();
        (0..3).for_each(|number| client(&change, number));
        change.file(Path::new("kitcert.yaml"), b"version: 1", Privacy::Public).unwrap();
        change.commit().unwrap();
        times.push(began.elapsed());
    }
    times.sort();
    println!("init of 13 files: median {:?}, slowest {:?}", times[25], times[49]);
}

//! Answers in HTTP/2 and gRPC that nobody meant to give: whatever a daemon answers, the call ends or
//! waits for its deadline, never panics, and what is shown of it cannot steer a terminal.
//!
//! Which answers are tried is the same in every run; `KITCERT_EXECUTIONS` says how many.

use crate::model::Message;
use std::time::Duration;

use prost::Message as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use crate::probe::AboveTls;
use crate::probe::buildkit::{
    Asker, InfoResponse, ListWorkersResponse, Platform, Reply, VersionRecord, WorkerRecord, ask, framed,
};
use numbers::{Numbers, number};

#[allow(unreachable_pub, reason = "it is shared with tests outside")]
#[path = "../../../tests/figures.rs"]
mod figures;
#[allow(unreachable_pub, reason = "it is shared with tests outside")]
#[path = "../../../tests/properties/support/numbers.rs"]
mod numbers;

/// A frame of HTTP/2 (RFC 9113 section 4.1).
#[derive(Clone)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

impl Frame {
    fn new(kind: u8, flags: u8, stream: u32, payload: Vec<u8>) -> Frame {
        Frame { kind, flags, stream, payload }
    }

    fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[self.kind, self.flags], &self.stream.to_be_bytes()].concat();
        [head, self.payload.clone()].concat()
    }
}

/// A field with its name in full, in no table (RFC 7541 section 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// The answer to one call: its head, a message, and the status of gRPC behind it.
fn answer(stream: u32, message: &[u8], status: &str) -> Vec<Frame> {
    let head = [vec![0x88], field("content-type", "application/grpc")].concat();
    let end = [field("grpc-status", status), field("grpc-message", "no more")].concat();
    vec![
        Frame::new(HEADERS, END_HEADERS, stream, head),
        Frame::new(DATA, 0, stream, framed(message).to_vec()),
        Frame::new(HEADERS, END_HEADERS | END_STREAM, stream, end),
    ]
}

fn info() -> Vec<u8> {
    let version = VersionRecord {
        package: "github.com/moby/buildkit".into(),
        version: "v0.13.2".into(),
        revision: "2afc050d57d17983f3f662d5424c2725a35c60f4".into(),
    };
    InfoResponse { version: Some(version), sessions: Some(1), idle_seconds: Some(7) }.encode_to_vec()
}

fn workers() -> Vec<u8> {
    let platform = Platform { architecture: "arm".into(), system: "linux".into(), variant: "v7".into() };
    let worker = WorkerRecord { id: "k2s0h8qm".into(), platforms: vec![platform] };
    ListWorkersResponse { workers: vec![worker] }.encode_to_vec()
}

/// What a sound daemon sends: its settings at once, and an answer to each of the two calls.
fn sound() -> [Vec<Frame>; 3] {
    let settings = vec![Frame::new(SETTINGS, 0, 0, vec![]), Frame::new(SETTINGS, 1, 0, vec![])];
    [settings, answer(1, &info(), "0"), answer(3, &workers(), "0")]
}

fn octet(numbers: &mut Numbers) -> u8 {
    u8::try_from(numbers.below(256)).unwrap()
}

/// Bytes changed, left out or put in.
fn scramble(numbers: &mut Numbers, octets: &mut Vec<u8>) {
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(octets.len() + 1);
        match numbers.below(4) {
            0 => octets.insert(at, octet(numbers)),
            1 if at < octets.len() => drop(octets.remove(at)),
            2 => octets.truncate(at.max(octets.len() / 2)),
            _ if at < octets.len() => octets[at] ^= 1 << numbers.below(8),
            _ => {}
        }
    }
}

/// One thing that is not as it should be, on one of the layers.
fn garble(numbers: &mut Numbers, turns: &mut [Vec<Frame>; 3]) {
    let turn = numbers.below(turns.len());
    let frames = &mut turns[turn];
    let at = numbers.below(frames.len().max(1));
    match numbers.below(8) {
        0 => {
            let mut message = if numbers.below(2) == 0 { info() } else { workers() };
            scramble(numbers, &mut message);
            let status = ["0", "12", "14", "16", "-1", "99999999999"][numbers.below(6)];
            turns[1] = answer(1, &message, status);
        }
        1 if at < frames.len() => scramble(numbers, &mut frames[at].payload),
        2 if at < frames.len() => frames[at].kind = octet(numbers) % 12,
        3 if at < frames.len() => frames[at].flags = octet(numbers),
        4 if at < frames.len() => frames[at].stream = u32::try_from(numbers.below(6)).unwrap(),
        5 if at < frames.len() => drop(frames.remove(at)),
        6 if at < frames.len() => frames.insert(at, frames[at].clone()),
        _ => {
            let payload = (0..numbers.below(40)).map(|_| octet(numbers)).collect();
            let stream = u32::try_from(numbers.below(6)).unwrap();
            frames.insert(at, Frame::new(octet(numbers) % 12, octet(numbers), stream, payload));
        }
    }
}

/// Plays a daemon: the first turn at once, and one more for each call that is made.
async fn daemon(mut stream: DuplexStream, turns: Vec<Vec<u8>>) {
    let mut received = Vec::new();
    for (calls, turn) in turns.into_iter().enumerate() {
        while calls_in(&received) < calls {
            match stream.read_buf(&mut received).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        if stream.write_all(&turn).await.is_err() {
            return;
        }
    }
    // Until the client has heard enough.
    while stream.read_buf(&mut received).await.is_ok_and(|count| count > 0) {}
}

/// How many calls a client has begun, by the frames behind its preface.
fn calls_in(received: &[u8]) -> usize {
    let mut rest = received.get(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()..).unwrap_or_default();
    let mut calls = 0;
    while let [high, middle, low, kind, _, _, _, _, _, after @ ..] = rest {
        let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        calls += usize::from(*kind == HEADERS);
        rest = after.get(length..).unwrap_or_default();
    }
    calls
}

/// What comes of asking such a daemon; nothing where the deadline ended it.
fn asked(turns: Vec<Vec<u8>>) -> Option<Result<Reply, h2::Error>> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (client, theirs) = duplex(1 << 16);
        let call = async {
            tokio::select! {
                reply = ask(client, "https://builder.example.com", Asker::Client) => Some(reply),
                () = async { daemon(theirs, turns).await; std::future::pending().await } => None,
            }
        };
        // The clock stands still while anything goes on, so that this is no time but the end of it all.
        tokio::time::timeout(Duration::from_secs(1), call).await.ok().flatten()
    })
}

fn bytes(turns: &[Vec<Frame>; 3]) -> Vec<Vec<u8>> {
    turns.iter().map(|turn| turn.iter().flat_map(Frame::bytes).collect()).collect()
}

/// Every text of the daemon's that would be shown.
fn shown(reply: &Reply) -> Vec<&str> {
    match reply {
        Reply::Answered(answer) => {
            let version = answer.buildkit.iter().flat_map(|one| [&one.package, &one.version, &one.revision]);
            let workers = answer.workers.iter().flatten();
            let workers = workers.flat_map(|worker| std::iter::once(&worker.id).chain(&worker.platforms));
            version.chain(workers).map(Message::as_str).collect()
        }
        Reply::Above(AboveTls::Grpc { message, .. }) => vec![message],
        Reply::Unknown | Reply::Above(_) => vec![],
        Reply::NotGrpc(what) => vec![what],
    }
}

#[test]
fn a_sound_daemon_is_understood() {
    let Some(Ok(Reply::Answered(answer))) = asked(bytes(&sound())) else { panic!("no answer") };
    assert_eq!(answer.buildkit.unwrap().version, "v0.13.2");
    assert_eq!(answer.idleness.unwrap().idle_seconds, 7);
    assert_eq!(answer.workers.unwrap()[0].platforms, ["linux/arm/v7"]);
}

#[test]
fn whatever_a_daemon_answers_the_call_ends_and_nothing_of_it_steers_a_terminal() {
    let executions = number("KITCERT_EXECUTIONS", EXECUTIONS);
    let mut numbers = Numbers::of(2026);
    let (mut answered, mut turned, mut failed, mut waiting) = (0, 0, 0, 0);
    for _ in 0..executions {
        let mut turns = sound();
        for _ in 0..=numbers.below(3) {
            garble(&mut numbers, &mut turns);
        }
        let mut turns = bytes(&turns);
        if numbers.below(4) == 0 {
            let turn = numbers.below(turns.len());
            scramble(&mut numbers, &mut turns[turn]);
        }
        match asked(turns) {
            None => waiting += 1,
            Some(Err(_)) => failed += 1,
            Some(Ok(reply)) => {
                for text in shown(&reply) {
                    assert!(!text.contains(char::is_control), "{text:?}");
                }
                match reply {
                    Reply::Answered(_) => answered += 1,
                    Reply::Unknown | Reply::Above(_) | Reply::NotGrpc(_) => turned += 1,
                }
            }
        }
    }
    println!(
        "{answered} answered, {turned} turned down, {failed} broke the protocol, {waiting} left waiting"
    );
    for (what, count) in
        [("answered", answered), ("turned down", turned), ("broken", failed), ("waiting", waiting)]
    {
        assert!(count * 50 > executions, "of {executions} only {count} {what}: the rest is not tried");
    }
    let aim = figures::Aim { words: "no panic, and nothing that steers a terminal", is_met: true };
    figures::publish("fuzzing", "garbled answers in HTTP/2 and gRPC", executions, Some(aim));
}

const EXECUTIONS: usize = 4_000;

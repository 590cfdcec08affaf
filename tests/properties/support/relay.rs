//! A relay between the product and a daemon: it makes the way longer, spreads connections over
//! several daemons, or does to one what a network, a proxy or a start does.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::servers::Listener;

/// What happens to a connection.
pub enum Fate {
    /// It is passed on to the daemon at that port of 127.0.0.1.
    To(u16),
    /// It is reset once the client has spoken, without an answer.
    Reset,
    /// It is closed once the client has spoken and was read, without an answer.
    Closed,
    /// It is passed on, and closed after that many bytes of the daemon.
    Cut { port: u16, after: usize },
}

/// A relay, until it is dropped.
pub struct Relay {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    opened: Arc<Mutex<Vec<Instant>>>,
    _listener: Listener,
}

impl Relay {
    /// Does that with each connection, which has a number from 0 on. Whatever passes is half of the
    /// round trip under way, and arrives in order.
    pub fn of(round_trip: Duration, fate: impl Fn(usize) -> Fate + Send + Sync + 'static) -> Relay {
        let opened = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&opened);
        let listener = Listener::of(move |number, stream| {
            seen.lock().unwrap().push(Instant::now());
            // A client that is gone is no fault of the relay's.
            let _ = meet(stream, &fate(number), round_trip / 2);
        });
        Relay { port: listener.port, opened, _listener: listener }
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.opened.lock().unwrap().len()
    }

    /// How many groups of connections there were, each opened when the last had been answered:
    /// connecting itself takes no time here, so each group stands for a round trip more.
    pub fn waves(&self, round_trip: Duration) -> usize {
        let opened = self.opened.lock().unwrap();
        let mut begun: Option<Instant> = None;
        let is_first = |at: &&Instant| {
            let is_first = begun.is_none_or(|begun| at.duration_since(begun) > round_trip / 2);
            begun = if is_first { Some(**at) } else { begun };
            is_first
        };
        opened.iter().filter(is_first).count()
    }
}

fn meet(client: TcpStream, fate: &Fate, delay: Duration) -> std::io::Result<()> {
    let (port, after) = match fate {
        // What is closed with something unread is reset.
        Fate::Reset => return client.peek(&mut [0; 1]).map(drop),
        Fate::Closed => return (&client).read(&mut [0; 4096]).map(drop),
        Fate::To(port) => (*port, usize::MAX),
        Fate::Cut { port, after } => (*port, *after),
    };
    let daemon = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))?;
    let there = (client.try_clone()?, daemon.try_clone()?);
    std::thread::spawn(move || pass(&there.0, &there.1, delay, usize::MAX));
    pass(&daemon, &client, delay, after);
    Ok(())
}

/// Passes on what one says to the other, later, and its end.
fn pass(from: &TcpStream, to: &TcpStream, delay: Duration, after: usize) {
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        scope.spawn(move || hear(from, &sender, delay, after));
        say(to, receiver);
        // Whoever cannot be told anything any more is not listened to for it either.
        let _ = from.shutdown(Shutdown::Read);
    });
    if after < usize::MAX {
        let _ = to.shutdown(Shutdown::Both);
    }
}

type Chunk = (Instant, Vec<u8>);

fn hear(mut from: &TcpStream, sender: &Sender<Chunk>, delay: Duration, after: usize) {
    let mut buffer = vec![0; 16 * 1024];
    let mut left = after;
    while left > 0 {
        let length = from.read(&mut buffer).unwrap_or(0).min(left);
        left -= length;
        let sent = sender.send((Instant::now() + delay, buffer[..length].to_vec()));
        if length == 0 || sent.is_err() {
            return;
        }
    }
}

fn say(mut to: &TcpStream, receiver: Receiver<Chunk>) {
    for (due, bytes) in receiver {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if bytes.is_empty() || to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

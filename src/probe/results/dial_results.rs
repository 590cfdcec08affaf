//! What the dials of a probe saw, each with its facts and its outcome.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::daemon_answers::{AboveTls, Answer, Asked, DialStage, Handshake, Unreachable, alert_name};
use crate::message;
use crate::model::{Finding, Message, Printable, Timestamp};
use crate::probe::dial_list::{Dial, Sni};
use crate::probe::outcome::{Call, Chain, End, Facts, Outcome, PlainReply, RefusedBy, Why};

/// One dial that was made.
#[derive(Clone, Debug)]
pub struct Dialed {
    /// Which of the list.
    pub dial: Dial,
    /// Whether no other dial to that address was open at the time.
    pub is_alone: bool,
    /// The plain facts.
    pub facts: Facts,
    /// What they prove.
    pub outcome: Outcome,
    /// What the daemon showed.
    pub handshake: Handshake,
    /// What else is known of how it went, for causes and for people.
    pub account: Account,
    /// How long it took.
    pub elapsed: Duration,
}

/// How a dial went, beyond the facts that decide.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// What the daemon told, if a call was answered.
    pub answer: Option<Answer>,
    /// Who turned a call down.
    pub above: Option<AboveTls>,
    /// Whether the call was answered in a session of another name.
    pub is_resumed: bool,
    /// The faults of the daemon's certificate.
    pub faults: Vec<Finding>,
    /// Why there was no connection.
    pub unreachable: Option<Unreachable>,
    /// Whether what answered does not speak TLS.
    pub is_no_tls: bool,
    /// The first words of another protocol, cut and freed of control characters.
    pub greeting: Option<Message>,
    /// What else went wrong, in words.
    pub trouble: Option<Message>,
    /// How far it came.
    pub stage: Option<DialStage>,
}

/// One pass over the list, at one address.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// The dials, repeats included, in the order in which they were opened.
    pub dials: Vec<Dialed>,
}

/// What was seen at one address.
#[derive(Clone, Debug)]
pub struct AddressSeen {
    /// The address.
    pub address: SocketAddr,
    /// The passes over the list; at least one.
    pub passes: Vec<Pass>,
}

/// A dial that was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTried {
    /// The dial of the list.
    pub dial: Dial,
    /// Why, in words.
    pub why: Message,
}

/// All that a probe saw of one daemon.
#[derive(Clone, Debug, Default)]
pub struct DialResults {
    /// Each address that was dialed.
    pub addresses: Vec<AddressSeen>,
    /// Whether the host is an IP address, so that no dial has a name for SNI.
    pub is_ip_address: bool,
    /// How many addresses the name has.
    pub resolved: usize,
    /// Why nothing was dialed, where nothing was.
    pub not_dialed: Option<NotDialed>,
    /// The addresses to which a person has narrowed the dials; none for all.
    pub narrowed_to: Vec<IpAddr>,
    /// Whether the last pass was made because the one before it saw several daemons.
    pub is_second_look: bool,
    /// The dials for which there were no means, and the hosts beyond those that are dialed.
    pub not_tried: Vec<NotTried>,
    /// When the certificate ended that was shown as expired, where one was.
    pub expired_since: Option<Timestamp>,
    /// How many of the passes that were asked for were not made, since the time was up.
    pub samples_left: u16,
    /// What is left of the deadline.
    pub time_left: Duration,
}

/// Why nothing was dialed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotDialed {
    /// The name does not resolve; the resolver's words.
    Unresolved(Message),
    /// The name has more addresses than are dialed.
    TooManyAddresses(usize),
    /// Something on this side.
    Broken(Message),
}

impl Dialed {
    /// Whether a whole ServerHello came.
    #[must_use]
    pub fn saw_server_hello(&self) -> bool {
        matches!(self.facts, Facts::Tls(facts) if facts.server_hello)
    }

    /// Whether the server showed its chain.
    #[must_use]
    pub fn saw_chain(&self) -> bool {
        !self.handshake.chain.is_empty()
    }

    /// How the connection ended.
    #[must_use]
    pub fn end(&self) -> End {
        match self.facts {
            Facts::Plain(facts) => facts.end,
            Facts::Tls(facts) => facts.end,
        }
    }

    /// Whether the handshake was over when it ended.
    #[must_use]
    pub fn is_after_handshake(&self) -> bool {
        matches!(self.facts, Facts::Tls(facts) if facts.finished)
    }

    /// Whether the time was up.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        self.end() == End::TimedOut
    }

    /// Whether the server, or something before it, ended it for a reason that may have nothing to do
    /// with who calls: before the chain, or after TLS had let it in and without an answer, or with
    /// one that is no verdict.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        let is_ended = matches!(self.end(), End::Eof | End::Reset);
        match (self.outcome, self.facts) {
            (Outcome::NotUpYet | Outcome::Inconclusive(Why::EndedEarly), _) => is_ended,
            (Outcome::LetIn, Facts::Tls(facts)) if facts.call == Call::Unanswered => is_ended,
            (Outcome::LetIn, _) => self.is_unavailable(),
            _ => false,
        }
    }

    /// Whether the answer says of itself that it is no verdict: what should answer is away or busy.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self.facts, Facts::Tls(facts) if facts.call == Call::Unavailable)
    }

    /// Whether the daemon's certificate is at fault.
    #[must_use]
    pub fn is_untrusted(&self) -> bool {
        !self.account.faults.is_empty()
    }
}

/// One clause: `refused: alert 116 (certificate required)`.
impl Printable for Dialed {
    fn message(&self) -> Message {
        match self.outcome {
            Outcome::Accepted => message!("accepted"),
            Outcome::Open => message!("a call answered"),
            Outcome::Refused(_) | Outcome::RefusedByEnd => message!("refused: {}", self.refusal()),
            Outcome::LetIn => match &self.account.above {
                Some(above) => message!("let in by TLS, and turned down by {}", above),
                None => message!("let in by TLS; then {}", self.ending()),
            },
            Outcome::NotServed => message!("not served: {}", self.ending()),
            Outcome::AsksNobody => message!("the server does not ask for a certificate"),
            Outcome::OtherService => message!("another service answers"),
            Outcome::NotUpYet | Outcome::Inconclusive(_) => self.trouble(),
        }
    }
}

impl Dialed {
    /// By what it was refused.
    pub(crate) fn refusal(&self) -> Message {
        match self.outcome {
            Outcome::Refused(RefusedBy::Alert(alert)) => {
                message!("alert {} ({})", alert, alert_name(alert))
            }
            Outcome::Refused(RefusedBy::BadRequest) => message!("HTTP 400"),
            _ => self.ending(),
        }
    }

    fn trouble(&self) -> Message {
        let account = &self.account;
        if let Some(why) = &account.unreachable {
            return why.message();
        }
        if self.is_untrusted() && self.dial.offers().sni == Sni::Name {
            return message!("the server's certificate is at fault");
        }
        if let Some(greeting) = &account.greeting {
            return message!("a greeting of another protocol: {}", greeting);
        }
        if account.is_no_tls {
            return message!("no TLS");
        }
        let ending = self.ending();
        match (self.outcome, self.saw_server_hello()) {
            (Outcome::Inconclusive(Why::TimedOut), _) => ending,
            (Outcome::NotUpYet, _) => message!("{} before ServerHello", ending),
            (Outcome::Inconclusive(Why::EndedEarly), _) => {
                message!("{} before the server's certificate", ending)
            }
            _ => ending,
        }
    }

    /// How the connection ended, in words.
    #[must_use]
    pub fn ending(&self) -> Message {
        let stage = self.account.stage.unwrap_or(DialStage::Connecting);
        match self.end() {
            End::Alert(alert) => message!("alert {} ({})", alert, alert_name(alert)),
            End::Eof => message!("closed without an alert"),
            End::Reset => message!("reset"),
            End::TimedOut => message!("the time was up while {}", stage.doing()),
            End::NotListening => message!("connection refused"),
            End::Unreached => message!("no connection"),
            End::ByUs | End::Broken => {
                self.account.trouble.clone().unwrap_or_else(|| message!("an answer of something else"))
            }
        }
    }
}

impl Pass {
    /// The last attempt at that dial.
    #[must_use]
    pub fn last(&self, dial: Dial) -> Option<&Dialed> {
        self.dials.iter().rev().find(|dialed| dialed.dial == dial)
    }

    /// Every attempt at that dial, with its place in the order.
    pub(crate) fn attempts(&self, dial: Dial) -> impl Iterator<Item = (usize, &Dialed)> {
        self.dials.iter().enumerate().filter(move |(_, dialed)| dialed.dial == dial)
    }

    /// The dials that were made, each once, in the order of their first attempts.
    pub(crate) fn list(&self) -> Vec<Dial> {
        let mut list = Vec::new();
        for dialed in &self.dials {
            if !list.contains(&dialed.dial) {
                list.push(dialed.dial);
            }
        }
        list
    }
}

impl AddressSeen {
    /// The pass that decides.
    #[must_use]
    pub fn last_pass(&self) -> Option<&Pass> {
        self.passes.last()
    }

    /// Every dial to it.
    pub fn dials(&self) -> impl Iterator<Item = &Dialed> {
        self.passes.iter().flat_map(|pass| &pass.dials)
    }

    /// Whether connecting is refused every time: nobody gets in there.
    #[must_use]
    pub fn is_not_served(&self) -> bool {
        self.all_end(End::NotListening)
    }

    /// Whether there was no connection at all, so that nothing is known.
    #[must_use]
    pub fn is_unreached(&self) -> bool {
        self.all_end(End::Unreached)
    }

    /// Nothing that was not dialed is said of anybody.
    fn all_end(&self, end: End) -> bool {
        self.dials().next().is_some() && self.dials().all(|dialed| dialed.end() == end)
    }
}

impl DialResults {
    /// Every dial to every address.
    pub fn dials(&self) -> impl Iterator<Item = &Dialed> {
        self.addresses.iter().flat_map(AddressSeen::dials)
    }

    /// The client's own dial that says most: one that was accepted, else the last to an address
    /// that answers.
    #[must_use]
    pub fn client(&self) -> Option<&Dialed> {
        self.telling(Dial::Client)
    }

    /// The same; without a certificate of the client's, one without any.
    #[must_use]
    pub fn first(&self) -> Option<&Dialed> {
        self.client().or_else(|| self.telling(Dial::NoCertificate(1)))
    }

    fn telling(&self, dial: Dial) -> Option<&Dialed> {
        let rank = |dialed: &&Dialed| {
            let is_accepted = dialed.outcome == Outcome::Accepted;
            (is_accepted, dialed.saw_chain(), dialed.saw_server_hello(), dialed.account.unreachable.is_none())
        };
        self.dials().filter(|dialed| dialed.dial == dial).max_by_key(rank)
    }

    /// Whether any server that was dialed proved to be the host.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.dials().any(|dialed| matches!(dialed.facts, Facts::Tls(facts) if facts.chain == Chain::Proven))
    }

    /// Whether any dial saw a ServerHello.
    #[must_use]
    pub fn saw_server_hello(&self) -> bool {
        self.dials().any(Dialed::saw_server_hello)
    }

    /// Whether something that is no TLS answered a dial without TLS. A server without TLS closes on a
    /// ClientHello, and its reset may overtake the bytes that would have shown it there.
    #[must_use]
    pub fn speaks_plainly(&self) -> bool {
        self.dials().any(|dialed| match dialed.facts {
            Facts::Plain(facts) => {
                let has_spoken = matches!(
                    facts.reply,
                    PlainReply::Settings | PlainReply::Http1 | PlainReply::BadRequest | PlainReply::Other
                );
                has_spoken || dialed.outcome == Outcome::Open
            }
            Facts::Tls(_) => false,
        })
    }

    /// What the daemon showed of itself under its own name, from the dial that saw the most.
    #[must_use]
    pub fn handshake(&self) -> Option<&Handshake> {
        let seen = |dialed: &&Dialed| {
            let handshake = &dialed.handshake;
            (handshake.asked != Asked::Nothing, handshake.agreed.is_some(), dialed.dial == Dial::Client)
        };
        self.dials()
            .filter(|dialed| matches!(dialed.dial, Dial::Client | Dial::NoCertificate(1)))
            .filter(|dialed| dialed.saw_chain())
            .max_by_key(seen)
            .map(|dialed| &dialed.handshake)
    }

    /// What the daemon told us, if the client was accepted.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        let client = self.client()?;
        client.account.answer.as_ref().filter(|_| client.outcome == Outcome::Accepted)
    }

    /// The address that answered, or the first.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        let answers = |seen: &&AddressSeen| seen.dials().any(Dialed::saw_server_hello);
        let first = self.addresses.iter().find(answers).or_else(|| self.addresses.first());
        first.map(|seen| seen.address)
    }
}

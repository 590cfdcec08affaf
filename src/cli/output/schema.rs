//! The members of the JSON objects that commands print.
//!
//! One object a command, on standard output, also of a failure. Members are added without another
//! number; one that changes its meaning or goes away raises it.

/// The version of the objects' shape, their member `schema`.
pub const VERSION: u32 = 1;

/// A member, by its path: `[]` stands for each of an array, `*` for each of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// `findings[].rule`
    pub path: &'static str,
    /// Its type, and what it may be besides: `string or null`.
    pub kind: &'static str,
    /// What it says, and its unit or form.
    pub meaning: &'static str,
}

/// Members that some commands have.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The commands, as the member `command` names them; none for all.
    pub commands: &'static [&'static str],
    /// What they have.
    pub members: &'static [Member],
}

const fn member(path: &'static str, kind: &'static str, meaning: &'static str) -> Member {
    Member { path, kind, meaning }
}

/// Every member of every command.
pub const GROUPS: &[Group] = &[
    Group { commands: &[], members: EVERYWHERE },
    Group { commands: CHANGING, members: PLAN },
    Group { commands: &["init", "install daemon"], members: START },
    Group { commands: &["issue daemon", "issue client", "invite"], members: ISSUED },
    Group { commands: &["issue client", "invite"], members: KIT },
    Group { commands: &["request"], members: REQUEST },
    Group { commands: &["join"], members: JOIN },
    Group { commands: &["verify", "join"], members: DAEMON },
    Group { commands: &["verify"], members: TARGETS },
    Group { commands: &["status"], members: IDENTITIES },
    Group { commands: &["rotate", "ca rollover start", "ca rollover abort"], members: ROTATED },
    Group { commands: &["status"], members: STATUS },
    Group { commands: &["rollback"], members: ROLLBACK },
    Group { commands: &["recover"], members: RECOVERED },
    Group { commands: &["inspect"], members: INSPECTED },
    Group { commands: &["completions"], members: COMPLETIONS },
];

const CHANGING: &[&str] = &[
    "init",
    "issue daemon",
    "issue client",
    "invite",
    "request",
    "join",
    "install daemon",
    "install client",
    "rotate",
    "rollback",
    "confirm",
    "retire",
    "ca rollover start",
    "ca rollover abort",
    "ca rollover skip",
    "ca rollover finish",
    "ca delete-former-keys",
    "recover",
];

const EVERYWHERE: &[Member] = &[
    member("schema", "number", "the version of this shape: 1"),
    member("command", "string", "the command, such as `verify` or `issue client`"),
    member("target", "string or null", "what it was about: a state, an endpoint, a path"),
    member("changed", "boolean", "whether anything on disk is different now"),
    member("exit", "number", "the exit code"),
    member("findings", "array", "everything that was looked at, passes included"),
    member("findings[].rule", "string", "a stable word of kitcert-rules(7)"),
    member("findings[].severity", "string", "`critical`, `error`, `warning`, `info` or `pass`"),
    member("findings[].subject", "string", "what was looked at: a dial, a path, a certificate"),
    member("findings[].expected", "string", "what must be so"),
    member("findings[].found", "string", "what is so"),
    member("findings[].cause", "string or null", "why, in words"),
    member(
        "findings[].causes",
        "array",
        "why, by stable words of kitcert-causes(7); several where nothing decides",
    ),
    member("findings[].causes[]", "string", "one of them"),
    member("findings[].fix", "string or null", "what mends it, mostly a command"),
    member("error", "object", "why the command failed; there only where it did"),
    member("error.doing", "string", "what was being done"),
    member("error.subject", "string", "to what"),
    member("error.expected", "string", "what was expected"),
    member("error.found", "string", "what was found"),
    member("error.try", "string or null", "a command to try"),
];

const PLAN: &[Member] = &[
    member("plan", "array", "what was done, or would be, in order"),
    member(
        "plan[].step",
        "string",
        "what: `create`, `make`, `issue`, `write`, `edit`, `install`, `remove`, …",
    ),
    member("plan[].subject", "string", "to what"),
    member("plan[].detail", "string", "how"),
    member("dry_run", "boolean", "true where nothing was done; else not there"),
];

const START: &[Member] = &[
    member("start", "array", "the command that starts the daemon with its files"),
    member("start[]", "string", "a word of it"),
    member("verified", "boolean", "whether the daemon is verified already; of init alone"),
];

const ISSUED: &[Member] = &[
    member("issued", "array", "the certificates that were issued"),
    member("issued[].role", "string", "`daemon` or `client`"),
    member("issued[].name", "string", "whose"),
    member("issued[].serial", "string", "the serial number, in hex"),
    member("issued[].not_after", "string", "when it ends, RFC 3339"),
    member("issued[].fingerprint", "string", "SHA-256 of the DER, in hex"),
];

const KIT: &[Member] = &[
    member("kit", "object", "the kit that was made"),
    member("kit.path", "string", "where it was written"),
    member("kit.endpoint", "string", "the daemon that it is for"),
    member("kit.contact", "string", "whom to ask"),
    member("kit.join_before", "string", "until when it can be joined, RFC 3339"),
    member("kit.authority_fingerprint", "string", "the CA's fingerprint, to be told by another way"),
    member("kit.authority_words", "string", "the same in words"),
    member("passphrase", "string", "what opens it, shown once; of invite alone"),
];

const REQUEST: &[Member] = &[
    member("key", "string", "where the key is, which never leaves"),
    member("fingerprint", "string", "SHA-256 of its public half, in hex"),
    member("words", "string", "the same in words"),
];

const JOIN: &[Member] = &[
    member("name", "string", "the client"),
    member("tool", "string", "whose files and config were written: `earthly`, `earthbuild`, …"),
    member("placing", "string", "`placed`, `unchanged`, `withheld` or `planned`"),
    member("receipt", "string", "what to send back to the admin"),
];

const DAEMON: &[Member] = &[
    member("verdict", "string", "the verdict in one line"),
    member("daemon", "object or null", "what the daemon showed of itself; null where nobody was dialled"),
    member("daemon.addresses", "array", "each address that was dialled"),
    member("daemon.addresses[]", "string", "an address and the port"),
    member("daemon.address", "string or null", "the one that answered"),
    member("daemon.tls", "string or null", "`TLS 1.3` or `TLS 1.2`"),
    member("daemon.alpn", "string or null", "the protocol that it selected: `h2`"),
    member("daemon.fingerprint", "string or null", "SHA-256 of the served certificate, in hex"),
    member("daemon.expires", "string or null", "when that ends, RFC 3339"),
    member("daemon.asks_for", "array or null", "the CAs that it asks clients for; null where it asks nobody"),
    member("daemon.asks_for[]", "string", "a CA's name"),
    member(
        "daemon.clock_between",
        "object or null",
        "between which instants its clock stands, as far as that shows",
    ),
    member("daemon.clock_between.from", "string", "RFC 3339"),
    member("daemon.clock_between.until", "string", "RFC 3339"),
    member("daemon.package", "string or null", "who built it, as it says"),
    member("daemon.version", "string or null", "its version, as it says"),
    member("daemon.revision", "string or null", "its commit, as it says"),
    member("daemon.workers", "array or null", "its workers; null where it does not tell"),
    member("daemon.workers[].id", "string", "a worker"),
    member("daemon.workers[].platforms", "array", "for what it builds"),
    member("daemon.workers[].platforms[]", "string", "such as `linux/amd64`"),
    member("daemon.sessions", "number or null", "open sessions, where it is an Earthly daemon"),
    member("daemon.idle_seconds", "number or null", "seconds since the last, where it is an Earthly daemon"),
    member("daemon.dial_list", "number", "the version of the list of dials, kitcert-verify(7)"),
    member("daemon.dials", "array", "each dial that was made, repeats included"),
    member("daemon.dials[].dial", "string", "which of the list of kitcert-verify(7): `N1`, `O`, …"),
    member("daemon.dials[].address", "string", "the address and the port"),
    member(
        "daemon.dials[].outcome",
        "string",
        "`accepted`, `open`, `refused`, `refused-by-end`, `let-in-by-tls`, `not-served`, `asks-nobody`, \
         `other-service`, `not-up-yet` or `inconclusive`",
    ),
    member("daemon.dials[].described", "string", "the same in words"),
    member("daemon.dials[].milliseconds", "number", "how long it took"),
    member(
        "daemon.not_tried",
        "array",
        "the dials that were not made: nothing was at hand, or a host is beyond the 8 others that are dialled",
    ),
    member("daemon.not_tried[].dial", "string", "which"),
    member("daemon.not_tried[].why", "string", "what was not at hand, or which host"),
    member("daemon.ports", "object", "with --ports: what answers beside it, by the port's number"),
    member("daemon.ports.*", "string", "in words"),
];

const TARGETS: &[Member] = &[
    member("targets", "array", "each daemon that was asked for, in that order"),
    member("targets[].target", "string", "which, as it was asked for"),
    member("targets[].verdict", "string", "its verdict in one line"),
    member("targets[].verified", "boolean", "whether everything is as it must be"),
    member(
        "targets[].seconds",
        "number or null",
        "how long its dials took together; null where nobody was dialled",
    ),
    member("targets[].severity", "string", "of its gravest finding"),
    member("targets[].findings", "array", "those of `findings` that are about it, in the same shape"),
    member("at", "string", "the time as of which it was judged, RFC 3339; there only where one was given"),
];

const IDENTITIES: &[Member] = &[
    member("identities", "array", "every CA, daemon and client"),
    member("identities[].kind", "string", "`ca`, `daemon` or `client`"),
    member("identities[].name", "string", "a CA's key identifier, shortened; an identity's name"),
    member("identities[].expires", "string or null", "when it ends, with its issuer, RFC 3339"),
    member("rollover", "object", "how far a rollover of the CA is; there only while one is under way"),
    member("rollover.to", "string", "the key identifier of the CA to which everything moves"),
    member("rollover.stage", "number", "1 to 3"),
    member("rollover.doing", "string", "what happens in it"),
    member("rollover.compromised", "boolean", "whether nothing of the former CA may be trusted any more"),
    member("rollover.waits_for", "array", "who holds it up"),
    member("rollover.waits_for[]", "string", "such as `client ana`, `daemon builder`"),
];

const ROTATED: &[Member] = &[
    member("results", "array", "every identity that there was something to do for, or to say of"),
    member("results[].kind", "string", "`ca`, `daemon` or `client`"),
    member("results[].name", "string", "a CA's key identifier, shortened; an identity's name"),
    member("results[].action", "string or null", "what was done with it, or would be"),
    member("results[].reason", "string or null", "why"),
    member("results[].expires", "string or null", "the end of its new certificate, RFC 3339"),
    member(
        "results[].result",
        "string or null",
        "`done`, `refused`, `rolled-back`, `not-served`, `faulty`, `down`, `busy`, `failed` or `waiting`; null \
         where nothing was done",
    ),
    member("results[].exit", "number or null", "what that is worth, as an exit code"),
    member("results[].changed", "boolean", "whether something of it is different now"),
    member("results[].why", "string or null", "what went wrong with it, where something did"),
    member("results[].try", "string or null", "the command that goes on from there"),
    member("counts", "object", "how many ended how"),
    member("counts.*", "number", "by the word that `result` has for it"),
    member("untouched", "object", "how many of kitcert.yaml there was nothing to do for, or to say of"),
    member("untouched.daemon", "number", "daemons"),
    member("untouched.client", "number", "clients"),
    member("locked_out", "array", "the clients for whose sake something was not done, or that are out now"),
    member("locked_out[]", "string", "a client"),
];

const STATUS: &[Member] = &[
    member("now", "string", "as of when, RFC 3339"),
    member(
        "state_is_old",
        "boolean",
        "whether what is installed came from another copy of this state, or a later one",
    ),
    member("rollover_is_lost", "boolean", "whether several CAs are in use and rollover.json is gone"),
    member(
        "identities[].due",
        "string or null",
        "from when it is due: for renewal, or a CA for its successor, RFC 3339",
    ),
    member("identities[].seconds_left", "number or null", "until it ends; negative when it is over"),
    member("identities[].issuer", "string", "the issuer's key identifier, shortened, or `self`"),
    member(
        "identities[].authority_words",
        "string or null",
        "of a client whose kit waits: the fingerprint of its CA in words, for whom join asks for it",
    ),
    member("identities[].accepted", "string or null", "that kitcert.yaml accepts this, and why"),
    member(
        "identities[].state",
        "string",
        "`ok`, `retired`, `not-listed`, `kit-waiting`, `not-verified`, `due`, `not-renewable`, `kit-ending`, \
         `hosts-changed`, `not-issued`, `not-yet-valid`, `kit-overdue` or `expired`",
    ),
    member(
        "identities[].verified",
        "boolean or null",
        "of a daemon: whether its current generation is verified, and not too long ago; null if no verification \
         is known, and of others",
    ),
    member("identities[].verification", "object or null", "of a daemon: its last verification"),
    member("identities[].verification.verified_at", "string", "when, RFC 3339"),
    member("identities[].verification.seconds_ago", "number", "how long ago; negative if in the future"),
    member("identities[].verification.vantage", "object", "from where: others may see something else"),
    member("identities[].verification.vantage.host", "string", "what that machine calls itself"),
    member("identities[].verification.vantage.uid", "number", "the effective user id"),
    member("identities[].verification.not_tried", "array", "the dials that were not made"),
    member("identities[].verification.not_tried[]", "string", "a dial"),
    member("identities[].verification.stale", "string or null", "why it does not count any more"),
    member("timeline", "array", "with --timeline: from when until when each certificate is good"),
    member("timeline[].kind", "string", "`ca`, `daemon` or `client`"),
    member("timeline[].name", "string", "whose"),
    member(
        "timeline[].issuer",
        "string",
        "the issuer's key identifier, shortened, or `self`; of several, each",
    ),
    member("timeline[].from", "string", "RFC 3339"),
    member("timeline[].until", "string", "with its issuer, RFC 3339"),
    member("timeline[].due", "string or null", "from when it is due, RFC 3339"),
    member("timeline[].former", "number", "how many were replaced and are still good; 0 for the one in use"),
];

const RECOVERED: &[Member] = &[
    member(
        "unknown",
        "array",
        "what kitcert.yaml may have said and nothing else remembers; of a copy, what it cannot know",
    ),
    member("unknown[].subject", "string", "of what: `every daemon`, `client ana`"),
    member("unknown[].what", "string", "which keys, and why"),
];

const ROLLBACK: &[Member] = &[member("generation", "number", "the generation that is back")];

const INSPECTED: &[Member] = &[
    member("now", "string", "as of when, RFC 3339"),
    member("inspected", "array", "each thing that was looked at"),
    member("inspected[].subject", "string", "a path, an endpoint or a receipt"),
    member("inspected[].kind", "string", "what it is"),
    member("inspected[].facts", "array", "what it says: pairs of a name and a value"),
    member("inspected[].facts[]", "array", "a pair"),
    member("inspected[].facts[][]", "string", "its name, or its value"),
];

const COMPLETIONS: &[Member] = &[member("script", "string", "the script")];

/// The member of that path of that command's object, if there is such; a path of what is seen,
/// with `[]` for each of an array.
#[must_use]
pub fn member_at(command: &str, path: &str) -> Option<Member> {
    let of_command = |group: &&Group| group.commands.is_empty() || group.commands.contains(&command);
    let members = GROUPS.iter().filter(of_command).flat_map(|group| group.members);
    members.copied().find(|member| is_like(member.path, path))
}

fn is_like(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('.'), path.split('.'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one == "*" || one == other => {}
            _ => return false,
        }
    }
}

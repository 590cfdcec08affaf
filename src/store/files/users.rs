//! Users and groups of this machine, and whose home a client's files go to.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, Gid, Uid, access};
use rustix::io::Errno;

use super::read::read_if_present;
use crate::env::Environment;
use crate::message;
use crate::model::{ExitCode, Failure, Word};

/// Whose a file becomes: a user id and a group id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The user's number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
}

impl Owner {
    /// The owner that `U:G` names, each a name of `/etc/passwd` and `/etc/group` or a number;
    /// `U` alone is that user with the user's own group.
    ///
    /// # Errors
    /// A name that this machine does not know, or a number alone that has no entry to take the
    /// group from.
    pub(crate) fn parse(text: &str) -> Result<Owner, Failure> {
        Owner::find(text, &database("/etc/passwd")?, &database("/etc/group")?)
    }

    /// Whose a file or folder is, links followed; None where it is this process's user's, or not
    /// there.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub(crate) fn of(path: &Path) -> Result<Option<Owner>, Failure> {
        match rustix::fs::stat(path) {
            Ok(stat) if stat.st_uid == rustix::process::geteuid().as_raw() => Ok(None),
            Ok(stat) => Ok(Some(Owner { user: stat.st_uid, group: stat.st_gid })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(super::io_failure::failure("looking at", path, errno)),
        }
    }

    pub(in crate::store) fn user_id(self) -> Uid {
        Uid::from_raw(self.user)
    }

    pub(in crate::store) fn group_id(self) -> Gid {
        Gid::from_raw(self.group)
    }

    fn find(text: &str, users: &str, groups: &str) -> Result<Owner, Failure> {
        let unknown = |expected: &'static str, found: &'static str| {
            Failure::new("reading the owner", message!("{}", Word(text)))
                .expected(expected)
                .found(found)
                .exit(ExitCode::Usage)
        };
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let account = accounts(users).find(|account| account.name == user);
        let user = match (number(user), &account) {
            (_, Some(account)) => account.owner.user,
            (Some(user), None) => user,
            (None, None) => return Err(unknown("a user of this machine or a number", "another name")),
        };
        let group = match group {
            Some(group) => named_group(groups, group)
                .or_else(|| number(group))
                .ok_or_else(|| unknown("a group of this machine or a number", "another name"))?,
            None => accounts(users)
                .find(|account| account.owner.user == user)
                .map(|account| account.owner.group)
                .ok_or_else(|| unknown("user:group", "a user without an entry in /etc/passwd"))?,
        };
        Ok(Owner { user, group })
    }
}

/// What `/etc/passwd` calls a user; None where it has no such number, or cannot be read.
#[must_use]
pub(crate) fn user_name(id: u32) -> Option<String> {
    let users = database("/etc/passwd").ok()?;
    accounts(&users).find(|account| account.owner.user == id).map(|account| account.name.to_owned())
}

/// The number of a group: that of `/etc/group`, or the number itself.
///
/// # Errors
/// A name that this machine does not know.
pub(crate) fn group_id(name: &str) -> Result<u32, Failure> {
    named_group(&database("/etc/group")?, name).or_else(|| number(name)).ok_or_else(|| {
        Failure::new("reading key_group", Word(name))
            .expected("a group of this machine or a number")
            .found("another name")
            .hint("getent group")
    })
}

/// A home folder, and whose the files in it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    /// Where it is.
    pub path: PathBuf,
    /// The user whose files these become, where that is not simply the one who runs us.
    pub owner: Option<Owner>,
}

/// The home that Earthly and EarthBuild use, which is not simply `$HOME`: that of `SUDO_USER` if
/// it can be written, else `$HOME`, else the one in `/etc/passwd`, else `/etc`
/// (earthly `util/fileutil/homedir.go`). Files in the home of the `sudo` user become that user's.
///
/// # Errors
/// `/etc/passwd` is there and cannot be read.
pub(crate) fn earthly_home(environment: &Environment) -> Result<Home, Failure> {
    home(environment, &database("/etc/passwd")?)
}

/// The user who has typed `sudo`: what is made for him is his.
///
/// # Errors
/// `/etc/passwd` is there and cannot be read.
pub(crate) fn sudo_caller(environment: &Environment) -> Result<Option<Owner>, Failure> {
    let Some(name) = environment.variable("SUDO_USER").filter(|_| environment.is_root()) else {
        return Ok(None);
    };
    Ok(caller(name, &database("/etc/passwd")?))
}

fn caller(name: &str, users: &str) -> Option<Owner> {
    accounts(users)
        .find(|account| account.name == name)
        .map(|account| account.owner)
        .filter(|one| one.user != 0)
}

fn home(environment: &Environment, users: &str) -> Result<Home, Failure> {
    let invoker = environment.variable("SUDO_USER");
    if let Some(account) = invoker.and_then(|name| accounts(users).find(|account| account.name == name))
        && access(account.home, Access::WRITE_OK).is_ok()
    {
        let owner = (account.owner.user != environment.user_id()).then_some(account.owner);
        return Ok(Home { path: PathBuf::from(account.home), owner });
    }
    if let Some(home) = environment.variable("HOME") {
        return Ok(Home { path: PathBuf::from(home), owner: None });
    }
    let ours = accounts(users).find(|account| account.owner.user == environment.user_id());
    let path = ours.map_or("/etc", |account| account.home);
    Ok(Home { path: PathBuf::from(path), owner: None })
}

/// One line of `/etc/passwd`.
struct Account<'a> {
    name: &'a str,
    owner: Owner,
    home: &'a str,
}

/// The accounts of a text as passwd(5) describes it; lines that are none (comments, the `+` of
/// NIS) are passed over, as the C library does.
fn accounts(users: &str) -> impl Iterator<Item = Account<'_>> {
    users.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields.as_slice() {
            [name, _, user, group, _, home, _] if !name.is_empty() => {
                Some(Account { name, owner: Owner { user: number(user)?, group: number(group)? }, home })
            }
            _ => None,
        }
    })
}

fn named_group(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| number(fields.nth(1)?))?
    })
}

/// A user or group number; not 2^32-1, which chown takes for "leave it".
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number != u32::MAX)
}

fn database(path: &str) -> Result<String, Failure> {
    let file = read_if_present(Path::new(path), LARGEST_DATABASE)?;
    Ok(file.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default())
}

const LARGEST_DATABASE: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    const USERS: &str =
        "root:x:0:0:root:/root:/bin/bash\n# no account\n+::::::\nana:x:1000:1001:Ana,,,:/home/ana:/bin/sh\n";
    const GROUPS: &str = "root:x:0:\nbuild:x:300:ana\n";

    #[test]
    fn an_owner_is_names_or_numbers() {
        for (text, user, group) in [
            ("ana:build", 1000, 300),
            ("ana", 1000, 1001),
            ("1000", 1000, 1001),
            ("7:8", 7, 8),
            ("ana:8", 1000, 8),
        ] {
            assert_eq!(Owner::find(text, USERS, GROUPS), Ok(Owner { user, group }), "{text}");
        }
        for text in ["", ":", "bob", "ana:", "ana:nobody", "7", "-1:0", "4294967295:0", "+1:1", "ana:300:1"] {
            let failure = Owner::find(text, USERS, GROUPS).unwrap_err();
            assert_eq!(failure.exit_code(), ExitCode::Usage, "{text}");
        }
    }

    #[test]
    fn the_home_of_the_sudo_user_wins_where_it_can_be_written() {
        let writable = tempfile::tempdir().unwrap();
        let users = format!(
            "ana:x:4321:4322::{}:/bin/sh\nbob:x:4323:4323::/nowhere/bob:/bin/sh\n",
            writable.path().display()
        );
        let of = |variables: &[(&str, &str)]| {
            home(&Environment::made_up(Timestamp::from_unix(0), variables), &users).unwrap()
        };
        let sudo = of(&[("SUDO_USER", "ana"), ("HOME", "/root")]);
        assert_eq!(sudo.path, writable.path());
        assert_eq!(sudo.owner, Some(Owner { user: 4321, group: 4322 }));
        assert_eq!(of(&[("SUDO_USER", "bob"), ("HOME", "/root")]).path, Path::new("/root"));
        assert_eq!(of(&[("SUDO_USER", "eve"), ("HOME", "/root")]).owner, None);
        assert_eq!(of(&[]).path, Path::new("/etc"));
    }

    #[test]
    fn the_caller_of_sudo_is_a_user_of_this_machine_who_is_not_root() {
        assert_eq!(caller("ana", USERS), Some(Owner { user: 1000, group: 1001 }));
        assert_eq!(caller("root", USERS), None);
        assert_eq!(caller("eve", USERS), None);
    }
}

//! Users and groups, and whose home a tool looks in.

use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::directory::Ownership;
use super::read::read_if_present;
use crate::env::Environment;
use crate::layout::Owner;
use crate::model::{ExitCode, Failure};

/// The numbers of an owner that is given by names or numbers. Names are looked up in /etc/passwd
/// and /etc/group alone.
///
/// # Errors
/// A name that is not there.
pub fn numeric_owner(owner: &Owner) -> Result<Ownership, Failure> {
    let unknown = |kind: &str, name: &str, file: &str| {
        Failure::new(format!("looking up the {kind}"), name)
            .expected(format!("a number, or a name of {file}"))
            .found("neither")
            .hint(format!(
                "getent {} {name}   # then give the number",
                if kind == "user" { "passwd" } else { "group" }
            ))
            .exit(ExitCode::Usage)
    };
    let user = number_of(owner.user(), PASSWD)?.ok_or_else(|| unknown("user", owner.user(), PASSWD))?;
    let group = number_of(owner.group(), GROUP)?.ok_or_else(|| unknown("group", owner.group(), GROUP))?;
    Ok(Ownership { user, group })
}

/// The home that Earthly looks in: that of the user behind `sudo`, where it can be written; else
/// HOME; else that of /etc/passwd (earthly's `fileutil.HomeDir`).
///
/// # Errors
/// None of them is known.
pub fn earthly_home(environment: &Environment) -> Result<PathBuf, Failure> {
    if let Some(user) = environment.variable("SUDO_USER")
        && let Some(account) = account_by(|account| account.name == user)?
        && rustix::fs::access(&account.home, Access::WRITE_OK).is_ok()
    {
        return Ok(account.home);
    }
    if let Some(home) = environment.variable("HOME") {
        return Ok(PathBuf::from(home));
    }
    let own = account_by(|account| account.user == environment.user_id())?;
    own.map(|account| account.home).ok_or_else(|| {
        Failure::new("looking for", "the home directory")
            .expected("HOME")
            .found("none")
            .hint("HOME=/root kitcert …")
    })
}

/// Whom files in a home are to belong to: under `sudo` the user behind it, as Earthly does with
/// its own; else nobody in particular.
///
/// # Errors
/// /etc/passwd cannot be read.
pub fn owner_of_home(environment: &Environment, home: &Path) -> Result<Option<Ownership>, Failure> {
    let Some(user) = environment.variable("SUDO_USER").filter(|_| environment.is_root()) else {
        return Ok(None);
    };
    let account = account_by(|account| account.name == user && account.home == home)?;
    Ok(account.map(|account| Ownership { user: account.user, group: account.group }))
}

/// A line of /etc/passwd.
struct Account {
    name: String,
    user: u32,
    group: u32,
    home: PathBuf,
}

fn account_by(wanted: impl Fn(&Account) -> bool) -> Result<Option<Account>, Failure> {
    Ok(lines_of(PASSWD)?.iter().filter_map(|line| account(line)).find(wanted))
}

fn account(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let mut fields = fields.skip(1);
    let user = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let home = PathBuf::from(fields.nth(1)?);
    Some(Account { name, user, group, home })
}

fn number_of(name: &str, file: &str) -> Result<Option<u32>, Failure> {
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    let found = lines_of(file)?.iter().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    Ok(found)
}

fn lines_of(file: &str) -> Result<Vec<String>, Failure> {
    let text = read_if_present(Path::new(file), LARGEST_DATABASE)?;
    let text = text.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default();
    Ok(text.lines().map(str::to_owned).collect())
}

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
const LARGEST_DATABASE: usize = 16 * 1024 * 1024;

//! Installed copies: what a daemon or a client reads, generation by generation behind one link.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FileType;
use rustix::io::Errno;

use crate::layout::move_aside;
use crate::message;
use crate::model::{ExitCode, Failure, Generation, Message, Printable, Quoted};
use crate::store::exists;
use crate::store::files::directory::{Access, Directory, fresh_name, make_durable};
use crate::store::files::io_failure;
use crate::store::files::lock::FileLock;
use crate::store::files::path_trust::{NewFolders, create_trusted, open_trusted, refuse_unwritable};
use crate::store::files::privacy::{KeyReaders, Privacy};
use crate::store::files::users::Owner;
use crate::store::origin::Origin;
use crate::store::placed_files::{
    AUTHORITY, CERTIFICATE, CredentialBytes, KEY, LinkState, PlacedFiles, PlacedGeneration, STAGED,
    remove_former, remove_leftovers,
};
use crate::store::plain_files::{PlaceStyle, access_of, access_of_same, file_instead, link_instead};

/// Where copies are installed.
#[derive(Clone, Debug)]
pub(crate) struct InstallPlace {
    /// The folder of the generations: it holds `gen-NNNN/{ca,cert,key}.pem` and `current`.
    pub folder: PathBuf,
    /// Links beside it that lead through `current`: where each one is, and to which file
    /// (`ca.pem`, `cert.pem` or `key.pem`).
    pub links: Vec<(PathBuf, &'static str)>,
    /// Whose the files become; otherwise this process's user.
    pub owner: Option<Owner>,
    /// Whether plain files may stand where links belong.
    pub style: PlaceStyle,
    /// Who may read the key beside its owner.
    pub key_readers: KeyReaders,
    /// From which state they come, where that is noted. Of two processes that put such files there at the
    /// same time, one does and the other is told.
    pub origin: Option<Origin>,
}

/// Puts something at the name of a path in its folder, that leads to a file of the set or holds it.
type Put<'a> = &'a dyn Fn(&Directory, &Path, &Path, &'static str) -> Result<(), Failure>;

impl InstallPlace {
    /// Looks at what is installed, or at the plain files of a set that is to be.
    ///
    /// # Errors
    /// Folders on the way that others can write in; a `current` that is no link to a generation;
    /// files that cannot be read.
    pub(crate) fn observe(&self, files: Option<&CredentialBytes>) -> Result<PlacedFiles, Failure> {
        self.refuse_link()?;
        let mut placed = PlacedFiles { current: None, next: Generation::after(None), links: Vec::new() };
        if let Some(folder) = open_trusted(&self.folder, &self.trusted())? {
            let entries = folder.entries()?;
            let highest: Option<Generation> = entries.iter().filter_map(|(name, _)| name.parse().ok()).max();
            placed.next = Generation::after(highest);
            placed.current = match folder.link_target(CURRENT)? {
                None => None,
                Some(target) => Some(self.look_at_generation(&folder, &target)?),
            };
        }
        let there = placed.current.as_ref().and_then(|current| current.files.as_ref()).or(files);
        let links = self.links.iter().map(|(path, file)| self.look_at_link(path, file, there));
        placed.links = links.collect::<Result<_, _>>()?;
        Ok(placed)
    }

    /// Installs a set as generation `number`, all of it or nothing: the files are written and made
    /// durable beside the present ones, one rename makes them current, and links that are missing
    /// are made. Where all of it is so already, nothing is written. Certificates get 0644, the key
    /// 0600, or 0640 for the group that may read it, and the folders 0755; in a folder that others have set up,
    /// files are like those before them. There, plain files give way to links before anything else is current.
    ///
    /// # Errors
    /// Something foreign at the place of a link (nothing is written then); a generation of that
    /// number that is there already, or something else put there since `number` was the next; what fails on
    /// a disk.
    pub(crate) fn install(&self, files: &CredentialBytes, number: Generation) -> Result<(), Failure> {
        let placed = self.observe(Some(files))?;
        self.refuse_foreign(&placed.links)?;
        if self.holds(&placed, files) && self.is_noted(&placed, files) {
            return Ok(());
        }
        let new_folders = NewFolders { last: FOLDER_MODE, owner: self.owner };
        let folder = create_trusted(&self.folder, &self.trusted(), new_folders)?;
        let _lock = match &self.origin {
            Some(_) => Some(FileLock::take(
                &folder,
                (message!("{}", self.folder.display()), "placing files"),
                PATIENCE,
            )?),
            None => None,
        };
        let placed = self.observe(Some(files))?;
        self.refuse_foreign(&placed.links)?;
        let is_current = placed.current.as_ref().is_some_and(|generation| generation.holds(files))
            && self.is_noted(&placed, files);
        if self.origin.is_some() && !is_current && placed.next != number {
            // What was judged is not what is there any more.
            return Err(Failure::new("installing", self.folder.display())
                .expected(message!("{} to be the next generation, as when it was looked at", number))
                .found("another process that put files there meanwhile")
                .exit(ExitCode::Busy));
        }
        let missing: Vec<_> = self
            .links
            .iter()
            .zip(&placed.links)
            .filter_map(|(link, state)| (*state == LinkState::Absent).then_some(link))
            .collect();
        // Opened before anything is written, so that what is wrong with them is told in time.
        let links = missing
            .into_iter()
            .map(|(path, file)| {
                let parent = path.parent().unwrap_or(path);
                Ok((create_trusted(parent, &self.trusted(), new_folders)?, path, *file))
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        let access = self.access(&placed, files)?;
        if placed.current.is_some() && !self.style.is_plain() {
            self.exchange(&placed.links, &LinkState::Plain, &|parent, name, path, file| {
                link_instead(parent, name, &self.target_of(path, file))
            })?;
        }
        if !is_current {
            self.write_generation(&folder, files, &access, number)?;
        }
        self.make_links(&links)?;
        if self.style.is_plain() {
            self.exchange(&placed.links, &LinkState::Ours, &|parent, name, _, file| {
                file_instead(parent, name, files.file(file), self.access_in(&access, file))
            })?;
        }
        remove_former(&folder, number)
    }

    /// Who can read a new file: as one before it where that is kept.
    fn access_in(&self, kept: &BTreeMap<&'static str, Access>, file: &str) -> Access {
        let own = || if file == KEY { self.key_readers.access(self.owner) } else { self.public() };
        kept.get(file).copied().unwrap_or_else(own)
    }

    /// Puts something else where that stands now.
    fn exchange(&self, states: &[LinkState], there: &LinkState, put: Put<'_>) -> Result<(), Failure> {
        let meant = self.links.iter().zip(states).filter(|(_, state)| *state == there);
        for ((path, file), _) in meant {
            let (parent, name) = (path.parent().unwrap_or(path), path.file_name());
            let parent = open_trusted(parent, &self.trusted())?;
            if let (Some(parent), Some(name)) = (parent, name) {
                put(&parent, Path::new(name), path, file)?;
            }
        }
        Ok(())
    }

    /// Who can read each file of a new generation, where that is kept: as those that are there.
    fn access(
        &self,
        placed: &PlacedFiles,
        files: &CredentialBytes,
    ) -> Result<BTreeMap<&'static str, Access>, Failure> {
        if !self.style.is_kept() {
            return Ok(BTreeMap::new());
        }
        let current = placed.current.as_ref();
        let mut access = current.map(|current| current.access.clone()).unwrap_or_default();
        let there = current.and_then(|current| current.files.as_ref()).unwrap_or(files);
        // Who may read a plain file, a person may have changed since it was taken over.
        let counts = |state: &LinkState| current.is_none() || *state == LinkState::Plain;
        for ((path, file), _) in self.links.iter().zip(&placed.links).filter(|(_, state)| counts(state)) {
            let (parent, name) = (path.parent().unwrap_or(path), path.file_name());
            if let (Some(parent), Some(name)) = (open_trusted(parent, &self.trusted())?, name)
                && let Some(same) = access_of_same(&parent, Path::new(name), there.file(file))?
            {
                access.insert(*file, same);
            }
        }
        Ok(access)
    }

    /// Whether that set is current, and every link or file there.
    fn holds(&self, placed: &PlacedFiles, files: &CredentialBytes) -> bool {
        placed.current.as_ref().is_some_and(|current| current.holds(files)) && self.is_linked(placed)
    }

    /// Whether all that leads to the current set stands where it belongs.
    pub(crate) fn is_linked(&self, placed: &PlacedFiles) -> bool {
        let wanted = if self.style.is_plain() { LinkState::Plain } else { LinkState::Ours };
        placed.links.iter().all(|link| *link == wanted)
    }

    /// Removes everything that was installed there, and the links to it; whether something was there. What is
    /// not ours stays.
    ///
    /// # Errors
    /// Folders on the way that others can write in, and what fails on a disk.
    pub(crate) fn remove(&self) -> Result<bool, Failure> {
        self.refuse_link()?;
        let mut was_there = false;
        for (path, file) in &self.links {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
            if self.look_at_link(path, file, None)? != LinkState::Ours {
                continue;
            }
            if let Some(parent) = open_trusted(parent, &self.trusted())? {
                parent.remove(name)?;
                parent.sync()?;
                was_there = true;
            }
        }
        let (Some(parent), Some(name)) = (self.folder.parent(), self.folder.file_name()) else {
            return Ok(was_there);
        };
        let Some(parent) = open_trusted(parent, &self.trusted())? else { return Ok(was_there) };
        was_there |= parent.look(name)?.is_some();
        parent.remove_whole(name)?;
        parent.sync()?;
        Ok(was_there)
    }

    /// Finds out whether the folders could be written, without writing anything: a command that
    /// changes other things first should not learn it too late.
    ///
    /// # Errors
    /// The first folder that cannot.
    pub(crate) fn refuse_unwritable(&self) -> Result<(), Failure> {
        let folders = self.links.iter().filter_map(|(path, _)| path.parent()).chain([self.folder.as_path()]);
        folders.into_iter().try_for_each(refuse_unwritable)
    }

    /// Whether it stands beside the current files where they come from, if that is to be noted.
    fn is_noted(&self, placed: &PlacedFiles, files: &CredentialBytes) -> bool {
        let noted = placed.current.as_ref().and_then(|current| current.origin.as_ref());
        self.origin.is_none() || noted.is_some_and(|noted| noted.sha256 == files.checksum())
    }

    /// The folder is one that we made. A link in its place leads to where nobody asked for a key to be.
    fn refuse_link(&self) -> Result<(), Failure> {
        let (Some(parent), Some(name)) = (self.folder.parent(), self.folder.file_name()) else {
            return Ok(());
        };
        let Some(parent) = open_trusted(parent, &self.trusted())? else { return Ok(()) };
        match parent.look(name)? {
            Some(stat) if io_failure::file_type(&stat) == FileType::Symlink => {
                Err(Failure::new("opening", self.folder.display())
                    .expected("a folder")
                    .found("a symbolic link")
                    .hint(message!("rm {}", Quoted(&self.folder))))
            }
            _ => Ok(()),
        }
    }

    fn public(&self) -> Access {
        Access { mode: Privacy::Public.bits(), owner: self.owner }
    }

    fn trusted(&self) -> Vec<u32> {
        self.owner.iter().map(|owner| owner.user).collect()
    }

    fn look_at_generation(&self, folder: &Directory, target: &str) -> Result<PlacedGeneration, Failure> {
        target.parse::<Generation>().map_err(|_: Failure| {
            Failure::new("reading the link", folder.path().join(CURRENT).display())
                .expected("a generation, such as gen-0001")
                .found("another name")
        })?;
        let mut generation =
            PlacedGeneration { files: None, origin: None, access_is_right: false, access: BTreeMap::new() };
        let Some(inside) = folder.folder(target)? else { return Ok(generation) };
        let read = |name: &str| inside.read(name, LARGEST_FILE);
        let origin = read(ORIGIN)?;
        generation.origin = origin.and_then(|file| serde_json::from_slice(&file.bytes).ok());
        if let (Some(authority), Some(certificate), Some(key)) =
            (read(AUTHORITY)?, read(CERTIFICATE)?, read(KEY)?)
        {
            let ours = |file: &super::ReadFile, Access { mode, owner }| {
                let is_owned =
                    owner.is_none_or(|owner| (owner.user, owner.group) == (file.owner, file.group));
                is_owned && file.mode == mode
            };
            generation.access_is_right = self.style.is_kept()
                || ours(&authority, self.public())
                    && ours(&certificate, self.public())
                    && ours(&key, self.key_readers.access(self.owner));
            let all = [(AUTHORITY, &authority), (CERTIFICATE, &certificate), (KEY, &key)];
            generation.access = all.into_iter().map(|(name, file)| (name, access_of(file))).collect();
            generation.files = Some(CredentialBytes {
                authority: authority.bytes.to_vec(),
                certificate: certificate.bytes.to_vec(),
                key: key.bytes,
            });
        }
        Ok(generation)
    }

    fn look_at_link(
        &self,
        path: &Path,
        file: &str,
        there: Option<&CredentialBytes>,
    ) -> Result<LinkState, Failure> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io_failure::failure("looking at", path, Errno::INVAL));
        };
        let Some(folder) = open_trusted(parent, &self.trusted())? else { return Ok(LinkState::Absent) };
        let what = match folder.look(name)?.as_ref().map(io_failure::file_type) {
            None => return Ok(LinkState::Absent),
            Some(FileType::Symlink) => {
                let target = folder.link_target(name)?.unwrap_or_default();
                if Path::new(&target) == self.target_of(path, file) {
                    return Ok(LinkState::Ours);
                }
                message!("a symbolic link to {}", Path::new(&target))
            }
            Some(FileType::RegularFile) if self.style.is_kept() => {
                let bytes = there.map(|there| there.file(file)).unwrap_or_default();
                if access_of_same(&folder, Path::new(name), bytes)?.is_some() {
                    return Ok(LinkState::Plain);
                }
                message!("a file that is not of this daemon's current credentials")
            }
            Some(other) => io_failure::kind(other).message(),
        };
        Ok(LinkState::Foreign { what })
    }

    /// What the link at `path` says: relative, so that it holds in a container that has the tree
    /// elsewhere.
    fn target_of(&self, path: &Path, file: &str) -> PathBuf {
        let from = path.parent().unwrap_or(Path::new(""));
        let shared =
            from.ancestors().find(|ancestor| self.folder.starts_with(ancestor)).unwrap_or(Path::new(""));
        let up = from.strip_prefix(shared).map_or(0, |rest| rest.components().count());
        let down = self.folder.strip_prefix(shared).unwrap_or(&self.folder);
        let mut target: PathBuf = std::iter::repeat_n("..", up).collect();
        target.extend([down, Path::new(CURRENT), Path::new(file)]);
        target
    }

    fn refuse_foreign(&self, states: &[LinkState]) -> Result<(), Failure> {
        let foreign: Vec<(&Path, &Message)> = self
            .links
            .iter()
            .zip(states)
            .filter_map(|((path, _), state)| match state {
                LinkState::Foreign { what } => Some((path.as_path(), what)),
                LinkState::Absent | LinkState::Ours | LinkState::Plain => None,
            })
            .collect();
        let Some((path, what)) = foreign.first() else { return Ok(()) };
        let moves = foreign.iter().map(|(path, _)| move_aside(path, exists));
        Err(Failure::new("installing", path.display())
            .expected("nothing, or the link that an earlier install made")
            .found(what)
            .hint(Message::join(moves, " && ")))
    }

    fn write_generation(
        &self,
        folder: &Directory,
        files: &CredentialBytes,
        access: &BTreeMap<&'static str, Access>,
        number: Generation,
    ) -> Result<(), Failure> {
        let name = number.to_string();
        if folder.look(&name)?.is_some() {
            return Err(Failure::new("installing", folder.path().join(&name).display())
                .expected("nothing there yet")
                .found("a generation of that number")
                .exit(ExitCode::Busy));
        }
        remove_leftovers(folder)?;
        let staged = fresh_name(STAGED)?;
        let link = fresh_name(STAGED)?;
        let written = self.stage_generation(folder, files, access, &staged).and_then(|()| {
            folder.rename(&staged, folder, &name)?;
            folder.make_link(&name, &link)?;
            folder.sync()?;
            folder.rename(&link, folder, CURRENT)?;
            folder.sync()
        });
        written.inspect_err(|_| {
            // The failure that stopped it is the one to tell; the next install tries this again.
            let _ = folder.remove_whole(&staged).and_then(|()| folder.remove(&link));
        })
    }

    fn stage_generation(
        &self,
        folder: &Directory,
        files: &CredentialBytes,
        kept: &BTreeMap<&'static str, Access>,
        name: &str,
    ) -> Result<(), Failure> {
        let staged = folder.make_folder(name, Access { mode: FOLDER_MODE, owner: self.owner })?;
        for name in [AUTHORITY, CERTIFICATE, KEY] {
            let access = self.access_in(kept, name);
            let file = staged.create_file(name, files.file(name), access)?;
            make_durable(&file, &staged.path().join(name))?;
        }
        if let Some(origin) = &self.origin {
            // It has nothing that has no form in JSON.
            let bytes = serde_json::to_vec_pretty(origin).unwrap_or_default();
            let file = staged.create_file(ORIGIN, &bytes, self.public())?;
            make_durable(&file, &staged.path().join(ORIGIN))?;
        }
        staged.sync()
    }

    fn make_links(&self, links: &[(Directory, &PathBuf, &'static str)]) -> Result<(), Failure> {
        let mut made: Vec<(&Directory, &Path)> = Vec::new();
        for (parent, path, file) in links {
            let name = path.file_name().map_or(path.as_path(), Path::new);
            let linked = parent.make_link(self.target_of(path, file), name);
            if let Err(failure) = linked.and_then(|()| {
                made.push((parent, name));
                parent.sync()
            }) {
                for (parent, name) in made {
                    // Half of the links would be worse than none.
                    let _ = parent.remove(name);
                }
                return Err(failure);
            }
        }
        Ok(())
    }
}

const CURRENT: &str = "current";
const ORIGIN: &str = "origin.json";
/// Putting files in place takes far less.
const PATIENCE: Duration = Duration::from_secs(5);
/// A container's user must get through; the key is closed by its own mode.
const FOLDER_MODE: u32 = 0o755;
/// A bundle of sixteen certificates stays far below it.
const LARGEST_FILE: usize = 1 << 20;

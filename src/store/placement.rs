//! Installed copies: generations behind one `current` link, and fixed links that lead through it.
//!
//! The links at `/etc/ca.pem` and its like are made once. After that one rename of `current`
//! swaps all three files at the same instant, so that nobody ever reads a mixed set.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::directory::{Directory, Entry, FileMode, Ownership};
use super::read::{read, read_if_present};
use super::trouble::trouble;
use crate::model::Failure;
use crate::model::profile::LARGEST_PEM;

/// A place for one set of files.
#[derive(Clone, Debug)]
pub struct Placement {
    /// The directory that everything is under, and that parents are made in where it is missing.
    pub root: PathBuf,
    /// The folder that holds the generations and `current`.
    pub folder: PathBuf,
    /// The paths that lead to the current files, and the name of the file in a generation.
    pub links: Vec<(PathBuf, &'static str)>,
    /// Whose the files are to be; None: whoever runs this.
    pub owner: Option<Ownership>,
}

/// The three files of a set, as bytes.
pub struct FileSet {
    authority: Vec<u8>,
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

/// What stands at a place.
pub struct PlacedFiles {
    /// What `current` leads to, if there is a whole set.
    current: Option<FileSet>,
    /// The number of the next generation.
    pub next_generation: u32,
    /// What stands at each link's path, in the order of the links.
    pub links: Vec<LinkState>,
}

/// What stands at the path of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Nothing.
    Absent,
    /// Our link.
    Ours,
    /// Something that is not ours; what.
    Foreign {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: String,
    },
}

impl FileSet {
    /// Reads the ca.pem, cert.pem and key.pem of a folder of the state.
    ///
    /// # Errors
    /// One of them is not there or cannot be read.
    pub fn read(folder: &Path) -> Result<FileSet, Failure> {
        Ok(FileSet {
            authority: read(&folder.join(FILES[0]), LARGEST_PEM)?.bytes.to_vec(),
            certificate: read(&folder.join(FILES[1]), LARGEST_PEM)?.bytes.to_vec(),
            key: read(&folder.join(FILES[2]), LARGEST_PEM)?.bytes,
        })
    }

    fn read_if_whole(folder: &Path) -> Result<Option<FileSet>, Failure> {
        let file = |name| read_if_present(&folder.join(name), LARGEST_PEM);
        let (Some(authority), Some(certificate), Some(key)) =
            (file(FILES[0])?, file(FILES[1])?, file(FILES[2])?)
        else {
            return Ok(None);
        };
        Ok(Some(FileSet {
            authority: authority.bytes.to_vec(),
            certificate: certificate.bytes.to_vec(),
            key: key.bytes,
        }))
    }

    fn is(&self, other: &FileSet) -> bool {
        self.authority == other.authority && self.certificate == other.certificate && *self.key == *other.key
    }

    fn files(&self) -> [(&'static str, &[u8], FileMode); 3] {
        [
            (FILES[0], &self.authority, FileMode::Public),
            (FILES[1], &self.certificate, FileMode::Public),
            (FILES[2], &self.key, FileMode::Private),
        ]
    }
}

impl PlacedFiles {
    /// Whether the current set is that one, byte for byte.
    #[must_use]
    pub fn holds(&self, files: &FileSet) -> bool {
        self.current.as_ref().is_some_and(|current| current.is(files))
    }

    /// Refuses to go on where something that is not ours stands in the way of a link.
    ///
    /// # Errors
    /// The first such thing, with the command that moves it away.
    pub fn refuse_foreign(&self) -> Result<(), Failure> {
        let foreign = self.links.iter().find_map(|link| match link {
            LinkState::Foreign { path, what } => Some((path, what)),
            _ => None,
        });
        match foreign {
            None => Ok(()),
            Some((path, what)) => Err(Failure::new("installing", path.display())
                .expected("nothing, or a link that kitcert made")
                .found(what)
                .hint(format!("mv {0} {0}.before-kitcert", path.display()))),
        }
    }
}

impl Placement {
    /// Looks at what is there.
    ///
    /// # Errors
    /// It cannot be looked at, or a parent is one that others can write.
    pub fn observe(&self) -> Result<PlacedFiles, Failure> {
        let links =
            self.links.iter().map(|(path, file)| self.link_state(path, file)).collect::<Result<_, _>>()?;
        let Some(folder) = Directory::open_trusted(&self.folder, &self.trusted())? else {
            return Ok(PlacedFiles { current: None, next_generation: 1, links });
        };
        let numbers = folder.names()?;
        let number_of = |name: &str| name.strip_prefix("gen-")?.parse::<u32>().ok();
        let last = numbers.iter().filter_map(|name| number_of(name.to_str()?)).max().unwrap_or(0);
        let current = match folder.entry(Path::new(CURRENT))? {
            None => None,
            Some(Entry::Link(target)) if number_of(&target.display().to_string()).is_some() => {
                FileSet::read_if_whole(&self.folder.join(target))?
            }
            Some(_) => {
                return Err(Failure::new("installing", self.folder.join(CURRENT).display())
                    .expected("a link to a generation")
                    .found("something else"));
            }
        };
        Ok(PlacedFiles { current, next_generation: last + 1, links })
    }

    /// Puts a set in place as that generation: written beside the others, made durable, and then
    /// made current by one rename. Links that are missing are made.
    ///
    /// # Errors
    /// Something foreign in the way, or a disk that does not take it. What was current stays so.
    pub fn install(&self, files: &FileSet, generation: u32) -> Result<(), Failure> {
        let placed = self.observe()?;
        placed.refuse_foreign()?;
        let trusted = self.trusted();
        let folder = Directory::make_trusted(&self.folder, 0o755, &trusted, self.owner)?;
        if !placed.holds(files) {
            self.add_generation(&folder, files, generation)?;
        }
        for ((path, file), state) in self.links.iter().zip(&placed.links) {
            if *state == LinkState::Absent {
                let (parent, name) = split(path)?;
                let parent = Directory::make_trusted(parent, 0o755, &trusted, self.owner)?;
                parent.make_link(name, &self.target_of(path, file))?;
                parent.sync()?;
            }
        }
        Ok(())
    }

    fn add_generation(&self, folder: &Directory, files: &FileSet, generation: u32) -> Result<(), Failure> {
        let staged = Path::new(STAGED);
        folder.remove_folder_if_present(staged)?;
        folder.make_folder(staged, 0o755, self.owner)?;
        let inner = folder
            .folder(staged)?
            .ok_or_else(|| trouble("opening", &self.folder.join(staged), rustix::io::Errno::NOENT))?;
        for (name, bytes, mode) in files.files() {
            let failed = |errno| trouble("writing", &self.folder.join(STAGED).join(name), errno);
            let file = inner.make_file(Path::new(name), bytes, mode, self.owner).map_err(failed)?;
            rustix::fs::fsync(&file).map_err(failed)?;
        }
        inner.sync()?;
        let name = format!("gen-{generation:04}");
        folder.rename(staged, folder, Path::new(&name))?;
        let next = Path::new(NEXT);
        if folder.entry(next)?.is_some() {
            folder.remove(next)?;
        }
        folder.make_link(next, Path::new(&name))?;
        folder.rename(next, folder, Path::new(CURRENT))?;
        folder.sync()
    }

    fn link_state(&self, path: &Path, file: &str) -> Result<LinkState, Failure> {
        let (parent, name) = split(path)?;
        let Some(parent) = Directory::open_trusted(parent, &self.trusted())? else {
            return Ok(LinkState::Absent);
        };
        let foreign = |what: String| LinkState::Foreign { path: path.to_owned(), what };
        Ok(match parent.entry(name)? {
            None => LinkState::Absent,
            Some(Entry::Link(target)) if target == self.target_of(path, file) => LinkState::Ours,
            Some(Entry::Link(target)) => foreign(format!("a link to {}", target.display())),
            Some(Entry::File) => foreign("a file of somebody else".to_owned()),
            Some(Entry::Folder) => foreign(
                "a directory (docker makes one when it is told to mount a file that is not there)".to_owned(),
            ),
            Some(Entry::Other) => foreign("something that is no file".to_owned()),
        })
    }

    /// Where a link leads: from its own folder, relatively, so that a root can be moved.
    fn target_of(&self, link: &Path, file: &str) -> PathBuf {
        let from = link.parent().unwrap_or(Path::new("/"));
        let shared =
            from.components().zip(self.folder.components()).take_while(|(one, other)| one == other).count();
        let up = from.components().skip(shared).map(|_| Path::new(".."));
        let down: PathBuf = self.folder.components().skip(shared).collect();
        up.collect::<PathBuf>().join(down).join(CURRENT).join(file)
    }

    /// Users besides root and us whose folders may be walked through: whoever gets the files.
    fn trusted(&self) -> Vec<u32> {
        self.owner.iter().map(|owner| owner.user).collect()
    }
}

impl Directory {
    fn remove_folder_if_present(&self, name: &Path) -> Result<(), Failure> {
        match self.entry(name)? {
            None => Ok(()),
            Some(Entry::Folder) => self.remove_folder(name),
            Some(_) => self.remove(name),
        }
    }
}

fn split(path: &Path) -> Result<(&Path, &Path), Failure> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok((parent, Path::new(name))),
        _ => Err(trouble("installing", path, rustix::io::Errno::ISDIR)),
    }
}

const FILES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];
const CURRENT: &str = "current";
const STAGED: &str = ".stage";
const NEXT: &str = ".next";

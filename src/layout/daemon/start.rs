//! How a daemon is started with the files that are installed for it.

use std::path::Path;

use super::files::DaemonLayout;
use crate::layout::command_line::{CommandLine, csv_field};
use crate::message;
use crate::model::{Endpoint, Failure, IdentityName, Message, Printable};

/// The command that starts a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StartCommand {
    /// The program and its arguments.
    pub arguments: Vec<String>,
    /// The arguments that begin a line when it is shown on several.
    line_starts: Vec<usize>,
}

impl StartCommand {
    /// The words of the command, as a program runs it.
    #[must_use]
    pub(crate) fn words(&self) -> Vec<Message> {
        self.arguments.iter().map(|word| Path::new(word).message()).collect()
    }

    /// The command on several lines, each but the last ending in ` \`.
    #[must_use]
    pub(crate) fn rendered_lines(&self) -> Vec<Message> {
        let ends = self.line_starts.iter().skip(1).copied().chain([self.arguments.len()]);
        let lines = self.line_starts.iter().zip(ends).enumerate();
        let line = |(number, (start, end)): (usize, (&usize, usize))| {
            let indent = if number == 0 { "" } else { "  " };
            let more = if end == self.arguments.len() { "" } else { " \\" };
            message!("{}{}{}", indent, CommandLine(&self.arguments[*start..end]), more)
        };
        lines.map(line).collect()
    }
}

/// The `docker run` that starts a daemon whose files are installed below `root`, an absolute path,
/// and publishes `port`, and no other.
///
/// Each file is a mount of its own: `--mount` refuses a file that is missing, where `-v` would
/// make a directory of that name, and Docker follows the links again at each restart. The
/// container's host name is the daemon's, by which BuildKit calls its workers.
///
/// # Errors
/// A root that is relative, or no UTF-8, which no argument of Docker can hold.
///
/// None where it is not known which program reads the files.
pub(crate) fn start_command(
    layout: DaemonLayout,
    root: &Path,
    daemon: &IdentityName,
    port: u16,
) -> Result<Option<StartCommand>, Failure> {
    let failure = |found: &'static str| {
        Failure::new("writing the start command for", root.display())
            .expected("an absolute path in UTF-8")
            .found(found)
    };
    if !root.is_absolute() {
        return Err(failure("a relative one"));
    }
    let Some(image) = Image::of(layout) else { return Ok(None) };
    let container = image.container_of(daemon);
    let mut lines: Vec<Vec<String>> = vec![
        words(&["docker", "run", "-d", "--name", &container]),
        words(&["--hostname", daemon.as_str()]),
        words(&["--restart", "unless-stopped"]),
        words(&["--privileged"]),
        words(&["-p", &format!("{port}:{INNER_PORT}")]),
        words(&["--mount", &format!("type=volume,src={container}-cache,dst={}", image.data)]),
    ];
    for (path, _) in layout.links() {
        let source = root.join(path);
        let source = source.to_str().ok_or_else(|| failure("bytes that are not UTF-8"))?;
        let source = csv_field(&format!("src={source}"));
        lines.push(words(&["--mount", &format!("type=bind,{source},dst=/{path},readonly")]));
    }
    lines.extend(image.environment.iter().map(|variable| words(&["-e", variable])));
    lines.push(
        std::iter::once(image.reference).chain(image.arguments.iter().copied()).map(str::to_owned).collect(),
    );
    let starts = lines.iter().scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some(start)
    });
    Ok(Some(StartCommand { line_starts: starts.collect(), arguments: lines.concat() }))
}

/// The program with its arguments that restarts the container of [`start_command`]; None where that is not
/// known.
#[must_use]
pub(crate) fn restart_command(layout: DaemonLayout, daemon: &IdentityName) -> Option<Vec<String>> {
    Some(words(&["docker", "restart", &Image::of(layout)?.container_of(daemon)]))
}

/// What is known of a daemon's image.
struct Image {
    reference: &'static str,
    /// The container's name; for Earthly and EarthBuild the one that their own clients give it.
    container: &'static str,
    /// Where it keeps its cache.
    data: &'static str,
    environment: &'static [&'static str],
    arguments: &'static [&'static str],
}

impl Image {
    /// The daemon that `init` makes by default has the container's plain name; every other has its
    /// own behind it, so that several live on one machine.
    fn container_of(&self, daemon: &IdentityName) -> String {
        match daemon.as_str() {
            "builder" => self.container.to_owned(),
            daemon => format!("{}-{daemon}", self.container),
        }
    }

    fn of(layout: DaemonLayout) -> Option<Image> {
        Some(match layout {
            DaemonLayout::Earthly => Image {
                reference: "earthly/buildkitd:v0.8.16",
                container: "earthly-buildkitd",
                data: "/tmp/earthly",
                environment: &TRANSPORT,
                arguments: &[],
            },
            DaemonLayout::Earthbuild => Image {
                reference: "ghcr.io/earthbuild/earthbuild:buildkitd-v0.8.18",
                container: "earth-buildkitd",
                data: "/tmp/earthbuild",
                environment: &TRANSPORT,
                arguments: &[],
            },
            DaemonLayout::Buildkit => Image {
                reference: "moby/buildkit:v0.32.2",
                container: "buildkitd",
                data: "/var/lib/buildkit",
                environment: &[],
                arguments: &BUILDKIT_ARGUMENTS,
            },
            DaemonLayout::Files
            | DaemonLayout::FilesCrt
            | DaemonLayout::FilesTlsca
            | DaemonLayout::FilesEarth => return None,
        })
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Inside the container it is always this one, whatever is published.
const INNER_PORT: u16 = Endpoint::DEFAULT_PORT;

/// The entry script compares with exactly `true`; `1` would leave TLS off with a line in the log.
const TRANSPORT: [&str; 2] = ["BUILDKIT_TCP_TRANSPORT_ENABLED=true", "BUILDKIT_TLS_ENABLED=true"];

/// All three files: with the CA alone buildkitd would listen in plaintext, and without it let
/// anyone in.
const BUILDKIT_ARGUMENTS: [&str; 8] = [
    "--addr",
    "tcp://0.0.0.0:8372",
    "--tlscacert",
    "/etc/buildkit/tlsca.crt",
    "--tlscert",
    "/etc/buildkit/tls.crt",
    "--tlskey",
    "/etc/buildkit/tls.key",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn start(layout: DaemonLayout, root: &str) -> StartCommand {
        start_command(layout, Path::new(root), &"builder".parse().unwrap(), 9000).unwrap().unwrap()
    }

    /// Which program reads the files of the others is not known.
    fn with_an_image() -> impl Iterator<Item = DaemonLayout> {
        DaemonLayout::ALL.into_iter().filter(|layout| !layout.is_in_place())
    }

    fn one_line(start: &StartCommand) -> Message {
        CommandLine(&start.arguments).message()
    }

    #[test]
    fn each_file_is_mounted_once_where_the_daemon_reads_it() {
        for layout in with_an_image() {
            let arguments = start(layout, "/srv/builder").arguments;
            for (path, _) in layout.links() {
                let mount = format!("type=bind,src=/srv/builder/{path},dst=/{path},readonly");
                assert_eq!(
                    arguments.iter().filter(|argument| **argument == mount).count(),
                    1,
                    "{layout} {path}"
                );
            }
        }
    }

    #[test]
    fn one_port_is_published_and_all_of_the_tls_is_on() {
        for layout in with_an_image() {
            let start = start(layout, "/");
            let published: Vec<_> = start.arguments.windows(2).filter(|pair| pair[0] == "-p").collect();
            assert_eq!(published, [["-p", "9000:8372"]]);
            let all = one_line(&start);
            let on = all.contains("BUILDKIT_TLS_ENABLED=true")
                && all.contains("BUILDKIT_TCP_TRANSPORT_ENABLED=true");
            let given = ["--tlscacert", "--tlscert", "--tlskey"].iter().all(|option| all.contains(option));
            assert!(on || given, "{all}");
        }
    }

    #[test]
    fn the_paths_of_buildkits_arguments_are_those_that_are_mounted() {
        for (path, _) in DaemonLayout::Buildkit.links() {
            assert!(BUILDKIT_ARGUMENTS.contains(&format!("/{path}").as_str()), "{path}");
        }
    }

    #[test]
    fn a_path_with_blanks_commas_and_quotes_survives_shell_and_csv() {
        let rendered = one_line(&start(DaemonLayout::Earthly, "/srv/a, \"b\""));
        assert!(
            rendered.contains(r#"'type=bind,"src=/srv/a, ""b""/etc/ca.pem",dst=/etc/ca.pem,readonly'"#),
            "{rendered}"
        );
    }

    #[test]
    fn what_docker_could_not_mount_is_refused() {
        let name = "builder".parse().unwrap();
        assert!(start_command(DaemonLayout::Earthly, Path::new("srv"), &name, 8372).is_err());
    }

    #[test]
    fn several_lines_say_the_same_as_one() {
        for layout in with_an_image() {
            let start = start(layout, "/srv/my builder");
            let lines = start.rendered_lines();
            let joined: Vec<_> = lines.iter().map(|line| line.trim_start().trim_end_matches(" \\")).collect();
            assert_eq!(one_line(&start), joined.join(" "));
            assert!(lines.len() > 8);
        }
    }

    #[test]
    fn a_restart_names_the_container_that_was_started() {
        for layout in with_an_image() {
            let name = restart_command(layout, &"builder".parse().unwrap()).unwrap().pop().unwrap();
            assert!(one_line(&start(layout, "/")).contains(&format!("--name {name} ")));
        }
    }
}

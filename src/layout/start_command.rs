//! How a daemon is started with the files that were installed.

use std::path::Path;

use super::daemon_layout::DaemonLayout;
use crate::model::{Failure, IdentityName};

/// A command, word by word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartCommand {
    /// Its words, the program first.
    pub arguments: Vec<String>,
}

impl StartCommand {
    /// The command as a shell reads it, on lines of its own for each part, words with anything
    /// that a shell would take apart in single quotes.
    #[must_use]
    pub fn rendered(&self) -> String {
        let mut text = String::new();
        for (position, word) in self.arguments.iter().enumerate() {
            let opens_line = position > 0 && word.starts_with("--");
            text.push_str(match (position, opens_line) {
                (0, _) => "",
                (_, true) => " \\\n            ",
                (_, false) => " ",
            });
            text.push_str(&quoted(word));
        }
        text
    }
}

/// The `docker run` line of a daemon whose files are installed under `root`.
///
/// Each file is mounted by itself, read-only, with `--mount`: `-v` would make a directory of a
/// file that is missing. Only the TLS port is published: 8371 (the registry) and 6060 (profiling)
/// ask nobody for a certificate.
///
/// # Errors
/// A root that docker's `--mount` cannot name.
pub fn start_command(
    layout: DaemonLayout,
    root: &Path,
    name: &IdentityName,
    port: u16,
) -> Result<StartCommand, Failure> {
    let mut words = [
        "docker",
        "run",
        "-d",
        "--name",
        &container(layout, name),
        "--restart",
        "unless-stopped",
        "--privileged",
    ]
    .map(str::to_owned)
    .to_vec();
    words.extend(["--publish".to_owned(), format!("{port}:{CONTAINER_PORT}")]);
    for (path, _) in layout.links() {
        words.extend(["--mount".to_owned(), mount(&root.join(path), path)?]);
    }
    let own: &[&str] = match layout {
        DaemonLayout::Earthly => &[
            "--env",
            "BUILDKIT_TCP_TRANSPORT_ENABLED=true",
            "--env",
            "BUILDKIT_TLS_ENABLED=true",
            "--volume",
            "earthly-cache:/tmp/earthly",
            "earthly/buildkitd:v0.8.16",
        ],
        DaemonLayout::Earthbuild => &[
            "--env",
            "BUILDKIT_TCP_TRANSPORT_ENABLED=true",
            "--env",
            "BUILDKIT_TLS_ENABLED=true",
            "--volume",
            "earthbuild-cache:/tmp/earthbuild",
            "ghcr.io/earthbuild/earthbuild:buildkitd-v0.8.18",
        ],
        DaemonLayout::Buildkit => &[
            "--volume",
            "buildkit-cache:/var/lib/buildkit",
            "moby/buildkit:v0.32.2",
            "--addr",
            "tcp://0.0.0.0:8372",
            "--tlscacert",
            "/etc/buildkit/tlsca.crt",
            "--tlscert",
            "/etc/buildkit/tls.crt",
            "--tlskey",
            "/etc/buildkit/tls.key",
        ],
    };
    words.extend(own.iter().map(|word| (*word).to_owned()));
    Ok(StartCommand { arguments: words })
}

/// The command that restarts such a daemon; it resolves the mounted links anew.
#[must_use]
pub fn restart_command(layout: DaemonLayout, name: &IdentityName) -> Vec<String> {
    vec!["docker".to_owned(), "restart".to_owned(), container(layout, name)]
}

/// `earthly-buildkitd` for the daemon called `builder`, as Earthly calls its own; another daemon
/// has its name behind it.
fn container(layout: DaemonLayout, name: &IdentityName) -> String {
    let base = match layout {
        DaemonLayout::Earthly => "earthly-buildkitd",
        DaemonLayout::Earthbuild => "earthbuild-buildkitd",
        DaemonLayout::Buildkit => "buildkitd",
    };
    if name.as_str() == "builder" { base.to_owned() } else { format!("{base}-{name}") }
}

/// Docker reads the value as CSV, where a comma ends a field and a quote begins one.
fn mount(source: &Path, destination: &str) -> Result<String, Failure> {
    let source = source.display().to_string();
    if source.contains(['"', '\n', '\r']) {
        return Err(Failure::new("printing the docker line for", &source)
            .expected("a path that docker's --mount can name")
            .found("a quote or a line break in it"));
    }
    let field = format!("src={source}");
    let field = if field.contains(',') { format!("\"{field}\"") } else { field };
    Ok(format!("type=bind,{field},dst=/{destination},readonly"))
}

fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:=,+@%".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The port inside every such container.
const CONTAINER_PORT: u16 = 8372;

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(layout: DaemonLayout, root: &str) -> String {
        start_command(layout, Path::new(root), &"builder".parse().unwrap(), 8372).unwrap().rendered()
    }

    #[test]
    fn every_file_is_mounted_by_itself_and_one_port_is_published() {
        for (layout, files) in
            [(DaemonLayout::Earthly, 3), (DaemonLayout::Earthbuild, 6), (DaemonLayout::Buildkit, 3)]
        {
            let text = rendered(layout, "/srv/builder");
            assert_eq!(text.matches("--mount type=bind,src=/srv/builder/etc/").count(), files, "{text}");
            assert_eq!(text.matches("--publish").count(), 1);
            assert!(!text.contains("8371") && !text.contains("6060"));
        }
    }

    #[test]
    fn a_path_that_a_shell_or_docker_would_take_apart_is_quoted() {
        assert!(
            rendered(DaemonLayout::Earthly, "/srv/my builder")
                .contains("'type=bind,src=/srv/my builder/etc/ca.pem")
        );
        assert!(
            rendered(DaemonLayout::Earthly, "/srv/a,b")
                .contains(r#"'type=bind,"src=/srv/a,b/etc/ca.pem",dst="#)
        );
        assert!(
            start_command(DaemonLayout::Earthly, Path::new("/a\"b"), &"builder".parse().unwrap(), 1).is_err()
        );
    }
}

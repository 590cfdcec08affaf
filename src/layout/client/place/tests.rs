//! Where each tool looks, by its variables and by what is there.
use crate::model::Message;

use super::*;
use crate::model::{Rule, Timestamp};

const HOME: &str = "/home/ana";

struct Asked<'a> {
    tool: ClientTool,
    variables: &'a [(&'a str, &'a str)],
    config: Option<&'a str>,
    there: &'a [&'a str],
}

fn place(asked: &Asked<'_>) -> Result<ClientPlace, Failure> {
    let environment = Environment::made_up(Timestamp::from_unix(0), asked.variables);
    let exists = |path: &Path| asked.there.iter().any(|there| Path::new(there) == path);
    let config = asked.config.map(Path::new);
    client_place(asked.tool, &environment, Path::new(HOME), config, Some(&endpoint()), &exists)
}

fn plain(tool: ClientTool) -> ClientPlace {
    place(&Asked { tool, variables: &[], config: None, there: &[] }).unwrap()
}

fn endpoint() -> Endpoint {
    "tcp://builder.example.com:8372".parse().unwrap()
}

fn config_of(asked: &Asked<'_>) -> (String, String) {
    let config = place(asked).unwrap().config.unwrap();
    (config.path.display().to_string(), config.value_of(CredentialFile::Authority))
}

#[test]
fn earthly_reads_its_own_directory_and_earth_another() {
    for (tool, directory) in [(ClientTool::Earthly, ".earthly"), (ClientTool::Earthbuild, ".earth")] {
        let place = plain(tool);
        assert_eq!(place.folder, Path::new(HOME).join(directory).join("certs"));
        let config = place.config.unwrap();
        assert_eq!(config.path, Path::new(HOME).join(directory).join("config.yml"));
        assert_eq!(config.value_of(CredentialFile::Key), "./certs/key.pem");
        assert_eq!(config.resolve("./certs/key.pem"), Path::new(HOME).join(directory).join("certs/key.pem"));
    }
}

#[test]
fn an_old_config_is_kept_in_use_only_while_it_is_alone() {
    let old = "/home/ana/.earthly/config.yaml";
    let new = "/home/ana/.earthly/config.yml";
    let read =
        |there: &[&str]| config_of(&Asked { tool: ClientTool::Earthly, variables: &[], config: None, there });
    assert_eq!(read(&[old]), (old.to_owned(), "./certs/ca.pem".to_owned()));
    assert_eq!(read(&[old, new]).0, new);
    assert_eq!(read(&[]).0, new);
}

#[test]
fn a_config_elsewhere_names_the_files_absolutely() {
    let absolute = "/home/ana/.earthly/certs/ca.pem";
    let variables = [("EARTHLY_CONFIG", "/run/earthly.yml")];
    let asked = |config| Asked { tool: ClientTool::Earthly, variables: &variables, config, there: &[] };
    assert_eq!(config_of(&asked(None)), ("/run/earthly.yml".to_owned(), absolute.to_owned()));
    assert_eq!(config_of(&asked(Some("/x.yml"))), ("/x.yml".to_owned(), absolute.to_owned()));
    let config = place(&asked(None)).unwrap().config.unwrap();
    assert_eq!(config.resolve("certs/ca.pem"), Path::new(absolute));
    assert_eq!(config.resolve("/abs.pem"), Path::new("/abs.pem"));
}

#[test]
fn earths_variables_go_before_earthlys_and_earthly_ignores_them() {
    let variables = [
        ("EARTH_INSTALLATION_NAME", "earth-dev"),
        ("EARTHLY_INSTALLATION_NAME", "earthly-dev"),
        ("EARTH_CONFIG", "/earth.yml"),
    ];
    let folder = |tool| {
        let place = place(&Asked { tool, variables: &variables, config: None, there: &[] }).unwrap();
        (place.folder.display().to_string(), place.config.unwrap().path.display().to_string())
    };
    assert_eq!(
        folder(ClientTool::Earthbuild),
        ("/home/ana/.earth-dev/certs".to_owned(), "/earth.yml".to_owned())
    );
    assert_eq!(
        folder(ClientTool::Earthly),
        ("/home/ana/.earthly-dev/certs".to_owned(), "/home/ana/.earthly-dev/config.yml".to_owned())
    );
}

#[test]
fn an_installation_name_stays_one_folder() {
    let variables = [("EARTHLY_INSTALLATION_NAME", "/../../etc")];
    assert!(
        place(&Asked { tool: ClientTool::Earthly, variables: &variables, config: None, there: &[] }).is_err()
    );
}

#[test]
fn tools_without_a_config_keep_a_folder_for_each_daemon_that_says_which() {
    let folder = |variables| {
        place(&Asked { tool: ClientTool::Buildctl, variables, config: None, there: &[] }).unwrap().folder
    };
    let below = "kitcert/buildctl/builder.example.com-8372";
    assert_eq!(folder(&[]), Path::new(HOME).join(".config").join(below));
    assert_eq!(folder(&[("XDG_CONFIG_HOME", "/cfg")]), Path::new("/cfg").join(below));
    assert_eq!(folder(&[("XDG_CONFIG_HOME", "cfg")]), Path::new(HOME).join(".config").join(below));
    let environment = Environment::made_up(Timestamp::from_unix(0), &[]);
    assert!(client_place(ClientTool::Buildx, &environment, Path::new(HOME), None, None, &|_| false).is_err());
    for endpoint in ["tcp://builder.example.com:8372", "tcp://[2001:db8::5]:1234", "tcp://10.0.0.5:8372"] {
        let endpoint: Endpoint = endpoint.parse().unwrap();
        let place =
            client_place(ClientTool::Buildx, &environment, Path::new(HOME), None, Some(&endpoint), &|_| {
                false
            });
        let name = place.unwrap().folder.file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(endpoint_of_folder(&name), Some(endpoint));
    }
    for other in ["builder.example.com", "builder.example.com-", "-1", "a-b"] {
        assert_eq!(endpoint_of_folder(other), None, "{other}");
    }
}

#[test]
fn the_next_command_names_the_files_where_no_config_does() {
    let command = |tool| use_command(&plain(tool), &endpoint());
    assert_eq!(
        command(ClientTool::Buildctl),
        "buildctl --addr tcp://builder.example.com:8372 --tlsdir \
         /home/ana/.config/kitcert/buildctl/builder.example.com-8372 debug workers"
    );
    let folder = "/home/ana/.config/kitcert/buildx/builder.example.com-8372";
    assert_eq!(
        command(ClientTool::Buildx),
        format!(
            "docker buildx create --name kitcert-builder.example.com --driver remote \
             --driver-opt cacert={folder}/ca.pem --driver-opt cert={folder}/cert.pem \
             --driver-opt key={folder}/key.pem tcp://builder.example.com:8372"
        )
    );
    assert_eq!(command(ClientTool::Earthbuild), "earth +build");
}

#[test]
fn a_config_that_only_an_option_names_is_named_in_every_next_command() {
    let tool = ClientTool::Earthly;
    let asked = |config, variables| place(&Asked { tool, variables, config, there: &[] }).unwrap();
    let by_option = asked(Some("/x y/config.yml"), &[]);
    assert_eq!(use_command(&by_option, &endpoint()), "earthly --config '/x y/config.yml' +build");
    let verify = "kitcert verify --tool earthly --config '/x y/config.yml'";
    assert_eq!(verify_command(&by_option, &endpoint()), verify);
    let by_variable = asked(None, &[("EARTHLY_CONFIG", "/x.yml")]);
    assert_eq!(use_command(&by_variable, &endpoint()), "earthly +build");
    assert_eq!(verify_command(&by_variable, &endpoint()), "kitcert verify --tool earthly");
    let buildctl = "/home/ana/.config/kitcert/buildctl/builder.example.com-8372";
    assert_eq!(
        verify_command(&plain(ClientTool::Buildctl), &endpoint()),
        format!("kitcert verify tcp://builder.example.com:8372 --tlsdir {buildctl}")
    );
}

#[test]
fn a_comma_or_a_blank_in_a_folder_survives_buildx() {
    let place = ClientPlace { tool: ClientTool::Buildx, folder: "/a, b".into(), config: None };
    let endpoint = "tcp://[::1]:8372".parse().unwrap();
    let command = use_command(&place, &endpoint);
    assert!(command.contains(r#"--name kitcert---1 "#), "{command}");
    assert!(command.contains(r#"--driver-opt '"cacert=/a, b/ca.pem"' "#), "{command}");
    assert!(command.ends_with(" 'tcp://[::1]:8372'"), "{command}");
}

#[test]
fn the_host_variable_is_printed_for_the_tools_that_may_ignore_their_config() {
    let line = |tool| environment_line(tool, &endpoint());
    let export =
        |name| Some(Message::parsed(&format!("export {name}=tcp://builder.example.com:8372")).into_command());
    assert_eq!(line(ClientTool::Earthly), export("EARTHLY_BUILDKIT_HOST"));
    assert_eq!(line(ClientTool::Earthbuild), export("EARTH_BUILDKIT_HOST"));
    assert_eq!((line(ClientTool::Buildctl), line(ClientTool::Buildx)), (None, None));
}

#[test]
fn a_loopback_host_is_a_warning_for_tools_that_would_start_their_own() {
    let local = "tcp://localhost:8372".parse().unwrap();
    let remote = endpoint();
    let environment = Environment::made_up(Timestamp::from_unix(0), &[]);
    let rules = |tool, endpoint| {
        let findings = plain(tool).findings(endpoint, &environment);
        findings.iter().map(|found| found.rule).collect::<Vec<_>>()
    };
    assert_eq!(rules(ClientTool::Earthly, &local), [Rule::LoopbackHost]);
    assert_eq!(rules(ClientTool::Earthly, &remote), []);
    assert_eq!(rules(ClientTool::Buildctl, &local), []);
}

/// One row: the tool, its variables, `--config`, what is there, then the config that is read, a
/// value of it, and the file that the tool opens for that value. Read from earthly's config.go,
/// before.go and earthlydir.go, and from EarthBuild's env.go.
type Row = (
    ClientTool,
    &'static [(&'static str, &'static str)],
    Option<&'static str>,
    &'static [&'static str],
    &'static str,
    &'static str,
    &'static str,
);

const LY: &str = "/home/ana/.earthly/config.yml";
const TH: &str = "/home/ana/.earth/config.yml";
const OLD_LY: &str = "/home/ana/.earthly/config.yaml";
const OLD_TH: &str = "/home/ana/.earth/config.yaml";

#[rustfmt::skip]
const ROWS: &[Row] = {
    use ClientTool::{Earthbuild as B, Earthly as E};
    &[
        (E, &[], None, &[], LY, "./certs/ca_cert.pem", "/home/ana/.earthly/certs/ca_cert.pem"),
        (E, &[], None, &[LY], LY, "certs/ca.pem", "/home/ana/.earthly/certs/ca.pem"),
        (E, &[], None, &[OLD_LY], OLD_LY, "./certs/ca.pem", "/home/ana/.earthly/certs/ca.pem"),
        (E, &[], None, &[LY, OLD_LY], LY, "ca.pem", "/home/ana/.earthly/ca.pem"),
        (E, &[], None, &[TH], LY, "ca.pem", "/home/ana/.earthly/ca.pem"),
        (E, &[], None, &[OLD_TH], LY, "ca.pem", "/home/ana/.earthly/ca.pem"),
        (E, &[], None, &[LY], LY, "/etc/ca.pem", "/etc/ca.pem"),
        (E, &[], None, &[LY], LY, "/etc/./tls/ca.pem", "/etc/tls/ca.pem"),
        (E, &[], None, &[LY], LY, "~/ca.pem", "/home/ana/.earthly/~/ca.pem"),
        (E, &[], None, &[LY], LY, "$HOME/ca.pem", "/home/ana/.earthly/$HOME/ca.pem"),
        (E, &[], None, &[LY], LY, "${HOME}/ca.pem", "/home/ana/.earthly/${HOME}/ca.pem"),
        (E, &[], None, &[LY], LY, "C:\\ca.pem", "/home/ana/.earthly/C:\\ca.pem"),
        (E, &[], None, &[LY], LY, "", "/home/ana/.earthly"),
        (E, &[], None, &[LY], LY, ".", "/home/ana/.earthly"),
        (E, &[], None, &[LY], LY, "a b/ca.pem", "/home/ana/.earthly/a b/ca.pem"),
        (E, &[], None, &[LY], LY, "../tls/ca.pem", "/home/ana/tls/ca.pem"),
        (E, &[], Some("/x/config.yml"), &[LY], "/x/config.yml", "certs/ca.pem", "/home/ana/.earthly/certs/ca.pem"),
        (E, &[], Some("/x/config.yml"), &[OLD_LY], "/x/config.yml", "/x/ca.pem", "/x/ca.pem"),
        (E, &[("EARTHLY_CONFIG", "/v.yml")], None, &[LY], "/v.yml", "ca.pem", "/home/ana/.earthly/ca.pem"),
        (E, &[("EARTHLY_CONFIG", "/v.yml")], Some("/x.yml"), &[], "/x.yml", "ca.pem", "/home/ana/.earthly/ca.pem"),
        (E, &[("EARTHLY_CONFIG", "")], None, &[LY], LY, "ca.pem", "/home/ana/.earthly/ca.pem"),
        (E, &[("EARTH_CONFIG", "/v.yml")], None, &[LY], LY, "ca.pem", "/home/ana/.earthly/ca.pem"),
        (E, &[("EARTHLY_INSTALLATION_NAME", "earthly-dev")], None, &[], "/home/ana/.earthly-dev/config.yml", "ca.pem", "/home/ana/.earthly-dev/ca.pem"),
        (E, &[("EARTH_INSTALLATION_NAME", "other")], None, &[], LY, "ca.pem", "/home/ana/.earthly/ca.pem"),
        (E, &[("EARTHLY_INSTALLATION_NAME", "x"), ("EARTHLY_CONFIG", "/v.yml")], None, &[], "/v.yml", "ca.pem", "/home/ana/.x/ca.pem"),
        (B, &[], None, &[], TH, "./certs/ca_cert.pem", "/home/ana/.earth/certs/ca_cert.pem"),
        (B, &[], None, &[LY], TH, "ca.pem", "/home/ana/.earth/ca.pem"),
        (B, &[], None, &[OLD_TH], OLD_TH, "ca.pem", "/home/ana/.earth/ca.pem"),
        (B, &[], None, &[TH, OLD_TH], TH, "~/ca.pem", "/home/ana/.earth/~/ca.pem"),
        (B, &[("EARTHLY_CONFIG", "/v.yml")], None, &[TH], "/v.yml", "ca.pem", "/home/ana/.earth/ca.pem"),
        (B, &[("EARTHLY_CONFIG", "/v.yml"), ("EARTH_CONFIG", "/w.yml")], None, &[], "/w.yml", "ca.pem", "/home/ana/.earth/ca.pem"),
        (B, &[("EARTH_CONFIG", ""), ("EARTHLY_CONFIG", "/v.yml")], None, &[], "/v.yml", "ca.pem", "/home/ana/.earth/ca.pem"),
        (B, &[("EARTH_INSTALLATION_NAME", "e")], None, &[], "/home/ana/.e/config.yml", "ca.pem", "/home/ana/.e/ca.pem"),
        (B, &[("EARTHLY_INSTALLATION_NAME", "earthly")], None, &[], LY, "ca.pem", "/home/ana/.earthly/ca.pem"),
        (B, &[], Some("/x.yml"), &[TH], "/x.yml", "", "/home/ana/.earth"),
    ]
};

#[test]
fn each_value_leads_where_the_tool_looks() {
    assert!(ROWS.len() >= 30);
    for (tool, variables, config, there, read, value, resolved) in ROWS.iter().copied() {
        let config = place(&Asked { tool, variables, config, there }).unwrap().config.unwrap();
        let row = format!("{tool} {variables:?} {there:?} {value:?}");
        assert_eq!(config.path, Path::new(read), "{row}");
        assert_eq!(config.resolve(value), Path::new(resolved), "{row}");
    }
}

#[test]
fn the_two_files_of_the_tools_daemon_are_set_only_where_they_lead_nowhere() {
    let remote = endpoint();
    let local: Endpoint = "tcp://127.0.0.1:8372".parse().unwrap();
    let config = plain(ClientTool::Earthly).config.unwrap();
    let empty = ClientConfig::default();
    let nothing = |_: &Path| false;
    let one = |path: &Path| path.ends_with("buildkit_cert.pem");
    let everything = |_: &Path| true;
    let certificate = |daemon, endpoint, exists: &dyn Fn(&Path) -> bool| {
        config.daemon_files(&empty, daemon, endpoint, exists).map(|files| files.certificate)
    };
    let own = Some("./certs/cert.pem".to_owned());
    assert_eq!(certificate(DaemonSet::Elsewhere, &remote, &nothing), own);
    assert_eq!(certificate(DaemonSet::Elsewhere, &remote, &one), own, "one alone is none");
    assert_eq!(certificate(DaemonSet::Elsewhere, &remote, &everything), None);
    assert_eq!(certificate(DaemonSet::Elsewhere, &local, &nothing), None, "a client's will not do there");
    let placed = Some("./certs/daemon_cert.pem".to_owned());
    assert_eq!(certificate(DaemonSet::Placed, &local, &everything), placed);
}

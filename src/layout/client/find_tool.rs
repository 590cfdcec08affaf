//! Which tool of this machine will use a builder, where nobody says it.

use std::path::Path;

use super::diagnosis::is_on_path;
use super::place::client_place;
use super::tool::ClientTool;
use crate::env::Environment;
use crate::model::{ExitCode, Failure};

/// The tool that is here: `earthly` or `earth` by its program, else by its config; else `buildctl`,
/// else docker for buildx.
///
/// # Errors
/// None of them, or both of Earthly's kind with nothing to tell them apart.
pub(crate) fn find_tool(
    environment: &Environment,
    home: &Path,
    exists: &dyn Fn(&Path) -> bool,
    is_program: &dyn Fn(&Path) -> bool,
) -> Result<ClientTool, Failure> {
    let is_installed = |tool: &ClientTool| is_on_path(environment, tool.program(), is_program);
    let has_config = |tool: &ClientTool| {
        let place = client_place(*tool, environment, home, None, None, exists);
        place.ok().and_then(|place| place.config).is_some_and(|config| exists(&config.path))
    };
    let earthly_kind = [ClientTool::Earthly, ClientTool::Earthbuild];
    let of = |wanted: &dyn Fn(&ClientTool) -> bool| -> Vec<ClientTool> {
        earthly_kind.into_iter().filter(|tool| wanted(tool)).collect()
    };
    let (installed, configured) = (of(&is_installed), of(&has_config));
    match (installed.as_slice(), configured.as_slice()) {
        ([only], _) | ([], [only]) | ([_, _], [only]) => return Ok(*only),
        ([], []) => {}
        _ => {
            return Err(Failure::new("choosing", "the tool that joins")
                .expected("one of earthly and earth, or --tool")
                .found("both, and neither option")
                .again("--tool earthly   # or earthbuild")
                .exit(ExitCode::Usage));
        }
    }
    let others = [ClientTool::Buildctl, ClientTool::Buildx];
    others.into_iter().find(is_installed).ok_or_else(|| {
        Failure::new("choosing", "the tool that joins")
            .expected("earthly, earth, buildctl or docker in PATH, or --tool")
            .found("none")
            .again("--tool earthly   # or earthbuild, buildctl or buildx")
            .exit(ExitCode::Usage)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn found(there: &[&str]) -> Result<ClientTool, Failure> {
        let environment = Environment::made_up(Timestamp::from_unix(0), &[("PATH", "/usr/bin:/opt/bin")]);
        let exists = |path: &Path| there.iter().any(|one| Path::new(one) == path);
        find_tool(&environment, Path::new("/home/ana"), &exists, &exists)
    }

    #[test]
    fn the_tool_is_known_by_its_program_and_else_by_its_config() {
        let own = "/home/ana/.earthly/config.yml";
        let earth = "/home/ana/.earth/config.yml";
        for (there, tool) in [
            (&["/opt/bin/earthly", "/usr/bin/docker", "/usr/bin/buildctl"][..], ClientTool::Earthly),
            (&["/usr/bin/earth", own], ClientTool::Earthbuild),
            (&["/usr/bin/earth", "/usr/bin/earthly", earth], ClientTool::Earthbuild),
            (&[own, "/usr/bin/docker"], ClientTool::Earthly),
            (&["/usr/bin/buildctl", "/usr/bin/docker"], ClientTool::Buildctl),
            (&["/usr/bin/docker"], ClientTool::Buildx),
        ] {
            assert_eq!(found(there).unwrap(), tool, "{there:?}");
        }
        for there in [&[][..], &["/usr/bin/earth", "/usr/bin/earthly"], &[own, earth]] {
            let failure = found(there).unwrap_err();
            assert_eq!(failure.exit_code(), ExitCode::Usage, "{there:?}");
            let failure = failure.typed(|again| again.with.clone());
            assert!(failure.remedy().unwrap().starts_with("--tool earthly "), "{failure}");
        }
    }
}
